package confine

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// attempts are what a confined process tries, by name. Each has one path.
var attempts = map[string]func(path string) error{
	"read":   func(path string) error { _, err := os.ReadFile(path); return err },
	"list":   func(path string) error { _, err := os.ReadDir(path); return err },
	"append": appendTo,
	"create": func(path string) error { return os.WriteFile(path, []byte("new"), 0o600) },
	"rename": func(path string) error { return os.Rename(path, path+".moved") },
	"hard":   func(path string) error { return os.Link(path, path+".link") },
	"mkdir":  func(path string) error { return os.Mkdir(path, 0o700) },
	"remove": os.Remove,
	"link":   func(path string) error { return os.Symlink("/", path) },
	"bind":   bind,
	"fifo":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
	"device": func(path string) error { return syscall.Mknod(path, syscall.S_IFCHR|0o600, 0x103) }, // as /dev/null
	"reach":  reach,
	"run":    func(path string) error { return exec.Command(path).Run() },
	"again":  again,
	"privs":  noNewPrivileges,
}

func appendTo(path string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(0), f.Close())
}

func bind(path string) error {
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	return l.Close()
}

// reach connects to a Unix socket.
func reach(path string) error {
	c, err := net.Dial("unix", path)
	if err != nil {
		return err
	}
	return c.Close()
}

// again has a second process, with nothing to confine it but the first one, read.
func again(path string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(program, "read", path)
	cmd.Env = append(os.Environ(), confinedTo+"=none")
	out, err := cmd.Output()
	if err == nil && string(out) != "ok\n" {
		err = fmt.Errorf("read: %s: %w", out, syscall.EACCES)
	}
	return err
}

// noNewPrivileges looks at every thread.
func noNewPrivileges(string) error {
	files, err := filepath.Glob("/proc/self/task/*/status")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it has ended
		}
		if err != nil || !strings.Contains(string(text), "NoNewPrivs:\t1") {
			return fmt.Errorf("%s: %w", file, errors.Join(err, errors.ErrUnsupported))
		}
	}
	return err
}

// try confines the process and makes attempts, each in a thread of its own that
// was there before. For each it prints ok, denied or the error.
func try(text string, args []string) {
	results := make([]string, len(args)/2)
	confined := make(chan struct{})
	var ready, done sync.WaitGroup
	for i := range results {
		ready.Add(1)
		done.Go(func() {
			runtime.LockOSThread()
			ready.Done()
			<-confined
			switch err := attempts[args[2*i]](args[2*i+1]); {
			case err == nil:
				results[i] = "ok"
			case errors.Is(err, os.ErrPermission):
				results[i] = "denied"
			default:
				results[i] = err.Error()
			}
		})
	}
	ready.Wait()
	if text != "none" {
		var n Needs
		err := json.Unmarshal([]byte(text), &n)
		if err == nil {
			program, _ := os.Executable()
			err = n.Apply(program, true)
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	close(confined)
	done.Wait()
	for _, r := range results {
		fmt.Println(r)
	}
}

// confined makes attempts in a process that is confined, and returns the results.
func confined(t *testing.T, n Needs, attempts ...string) []string {
	t.Helper()
	if Version() < leastVersion {
		t.Skip("this kernel has no Landlock that confines enough")
	}
	text, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, attempts...)
	cmd.Env = append(os.Environ(), confinedTo+"="+string(text))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

func write(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte("text"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// Each attempt is made by a thread that was there before the process was confined.
func TestApply(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := os.MkdirAll(in("w/empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, in("r/file"), in("r/below/file"), in("w/file"), in("w/old"), in("w/gone"), in("w/sealed"), in("other/file"), in("b/old"))
	program, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	copied, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(in("w/program"), copied, 0o700); err != nil {
		t.Fatal(err)
	}
	others, err := net.Listen("unix", fmt.Sprintf("@spliceway-test-%d", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	defer others.Close()
	reached := "denied" // an abstract socket of another process
	if Version() < 6 {
		reached = "ok"
	}
	n := Needs{Read: []string{in("r"), in("not-there")}, Write: []string{in("w")}, Bind: []string{in("b")}}
	rows := []struct{ attempt, path, want string }{
		{"read", in("r/file"), "ok"},
		{"read", in("r/below/file"), "ok"},
		{"list", in("r"), "ok"},
		{"append", in("r/file"), "denied"},
		{"create", in("r/new"), "denied"},
		{"rename", in("r/file"), "denied"},
		{"read", in("w/file"), "ok"},
		{"append", in("w/file"), "ok"},
		{"create", in("w/new"), "ok"},
		{"rename", in("w/old"), "ok"},
		{"hard", in("w/sealed"), "ok"},
		{"mkdir", in("w/folder"), "ok"},
		{"remove", in("w/gone"), "ok"},
		{"remove", in("w/empty"), "ok"},
		{"remove", in("r/file"), "denied"},
		{"fifo", in("w/fifo"), "denied"},
		{"device", in("w/device"), "denied"},
		{"reach", others.Addr().String(), reached},
		{"link", in("w/link"), "denied"},
		{"bind", in("w/socket"), "denied"},
		{"bind", in("b/socket"), "ok"},
		{"link", in("b/link"), "ok"},
		{"rename", in("b/old"), "ok"},
		{"run", in("w/program"), "denied"},
		{"read", in("other/file"), "denied"},
		{"list", in("other"), "denied"},
		{"create", in("other/new"), "denied"},
		{"read", "/etc/shadow", "denied"},
		{"run", program, "denied"},
		{"read", "/etc/hosts", "ok"},
		{"create", os.DevNull, "ok"},
		{"again", in("r/file"), "ok"},
		{"again", in("other/file"), "denied"},
		{"privs", "", "ok"},
	}
	var args []string
	for _, row := range rows {
		args = append(args, row.attempt, row.path)
	}
	got := confined(t, n, args...)
	if len(got) != len(rows) {
		t.Fatalf("%d attempts print %q", len(rows), got)
	}
	for i, row := range rows {
		if got[i] != row.want {
			t.Errorf("%s %s = %s, want %s", row.attempt, row.path, got[i], row.want)
		}
	}
}
