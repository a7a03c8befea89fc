package seccomp

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/spliceway/spliceway/internal/confine"
	"github.com/spliceway/spliceway/internal/testnet"
)

// filtered in the environment makes the test a process that has the profile and then
// becomes the program that it names.
const filtered = "SPLICEWAY_TEST_FILTERED"

// TestServe has the gateway serve under the profile, confine itself and be upgraded,
// which in turn starts under the profile.
func TestServe(t *testing.T) {
	if program := os.Getenv(filtered); program != "" {
		become(t, program)
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "spliceway")
	build := exec.Command("go", "build", "-trimpath", "-o", program, "../../cmd/spliceway")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is shipped
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	g := startFiltered(t, program, configure(t, dir))
	if confine.Version() > 0 {
		g.until("confined to the files that the configuration needs")
	}
	first := g.until("serving")
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", first))
	if err != nil || !regexp.MustCompile(`(?m)^Seccomp:\s+2$`).Match(status) {
		t.Fatalf("the gateway has no filter: %v\n%s", err, status)
	}
	if err := syscall.Kill(first, syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	second := g.until("serving")
	g.until("stopped")
	if err := syscall.Kill(second, syscall.SIGTERM); err != nil || first == second {
		t.Fatalf("processes %d and %d: %v", first, second, err)
	}
	g.until("stopped")
}

// configure writes a configuration and all that it names.
func configure(t *testing.T, dir string) (file string) {
	t.Helper()
	testnet.NewCA(t).WriteFiles(t, dir, "gw.test")
	file = filepath.Join(dir, "config.yaml")
	for name, text := range map[string]string{
		"token": "secret",
		"config.yaml": `listen: "127.0.0.1:0"
tls: {certificateFile: tls.crt, privateKeyFile: tls.key}
metrics: {listen: "localhost:0"}
admin: {socket: run/admin.sock}
authn: {issuer: "https://issuer.test", audience: acme, jwksURL: "http://127.0.0.1:1/keys"}
clusters: [{name: prod, address: 10.0.0.1, server: "https://127.0.0.1:1", bearerTokenFile: token}]
recordings: {dir: recordings, mode: strict, minFree: 0B}
audit: {output: audit.log}
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return file
}

// process is a gateway under the profile, and its successors.
type process struct {
	t     *testing.T
	lines *bufio.Scanner // of the log
}

func startFiltered(t *testing.T, program, config string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestServe$", "serve", "--config", config)
	cmd.Env = append(os.Environ(), filtered+"="+program)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := func() { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // successors as well
	late := time.AfterFunc(time.Minute, kill)
	t.Cleanup(func() {
		late.Stop()
		kill()
		cmd.Wait()
	})
	return &process{t, bufio.NewScanner(log)}
}

// until reads the log to a message, and returns the process that it names.
func (p *process) until(message string) (pid int) {
	p.t.Helper()
	var all []string
	for p.lines.Scan() {
		all = append(all, p.lines.Text())
		var line struct {
			Message string
			PID     int
		}
		if json.Unmarshal(p.lines.Bytes(), &line) == nil && line.Message == message {
			return line.PID
		}
	}
	p.t.Fatalf("%q is not in the log:\n%s", message, strings.Join(all, "\n"))
	return 0
}

// become installs the profile and becomes a program, with the arguments behind those
// of the test.
func become(t *testing.T, program string) {
	runtime.LockOSThread()
	filter, err := compile(t)
	if err == nil {
		err = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	}
	if err == nil {
		code := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
		err = unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&code)), 0, 0)
	}
	if err == nil {
		err = syscall.Exec(program, append([]string{program}, os.Args[2:]...), os.Environ())
	}
	t.Fatal(err)
}

// compile makes the profile a program for the kernel, for this architecture: it
// compares the number of the call with each that is allowed.
func compile(t *testing.T) ([]unix.SockFilter, error) {
	names, calls := readProfile(t).Syscalls[0].Names, kernelCalls(t)
	var numbers []uint32
	for _, name := range names {
		m := regexp.MustCompile(`(?m)^\tSYS_` + strings.ToUpper(name) + `\s+= (\d+)$`).FindStringSubmatch(calls[runtime.GOARCH])
		if m == nil {
			continue // not of this architecture
		}
		n, err := strconv.ParseUint(m[1], 10, 32)
		if err != nil {
			return nil, err
		}
		numbers = append(numbers, uint32(n))
	}
	if len(numbers) < 50 || len(numbers) > 250 {
		return nil, errors.New("the numbers of the calls are not known, or too many for one jump")
	}
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}} // struct seccomp_data, nr
	for i, n := range numbers {
		filter = append(filter, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: n, Jt: uint8(len(numbers) - i)})
	}
	return append(filter,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}), nil
}
