package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/spliceway/spliceway/e2e/stack"
	"github.com/spliceway/spliceway/e2e/testcluster"
)

// commandTimeout bounds one command, so that a hang fails one test with its name.
const commandTimeout = 60 * time.Second

// image has the usual commands. The simulated node ignores it.
const image = "localhost/shell:1"

// flavours are the kubectl versions and protocols that streams are tested with.
var flavours = []struct {
	name     string
	program  string
	protocol string // as the audit log has it
	env      []string
}{
	{"websocket", testcluster.Kubectl, "websocket", websockets(true)},
	{"spdy", testcluster.Kubectl, "spdy", websockets(false)},
	{"old-spdy", testcluster.KubectlSPDY, "spdy", nil},
}

// websockets are the switches of kubectl 1.29 and later.
func websockets(use bool) []string {
	return []string{
		fmt.Sprintf("KUBECTL_REMOTE_COMMAND_WEBSOCKETS=%v", use),
		fmt.Sprintf("KUBECTL_PORT_FORWARD_WEBSOCKETS=%v", use),
	}
}

// kubectl is one way of calling kubectl: a version, a user and switches.
type kubectl struct {
	program    string // path
	kubeconfig string
	env        []string
}

// kubectlAs returns the current kubectl for a user of the shared gateway.
func kubectlAs(t *testing.T, user stack.User) kubectl {
	t.Helper()
	k := kubectl{program: run.programs[testcluster.Kubectl], env: []string{"HOME=" + run.dir}}
	if direct() {
		k.kubeconfig = directKubeconfig(t, user)
		return k
	}
	sharedStack(t)
	k.kubeconfig = shared.helpers[user.Name].Kubeconfig
	return k
}

// kubectlThrough returns the current kubectl with a helper of its own on s.
func kubectlThrough(t *testing.T, s *stack.Stack, user stack.User) kubectl {
	t.Helper()
	helper, err := s.Connect(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	return kubectl{
		program:    run.programs[testcluster.Kubectl],
		kubeconfig: helper.Kubeconfig,
		env:        []string{"HOME=" + t.TempDir()}, // with a discovery cache of its own
	}
}

// directKubeconfig writes a kubeconfig for the API server itself, in which the
// administrator acts as user.
func directKubeconfig(t *testing.T, user stack.User) string {
	t.Helper()
	config, err := clientcmd.LoadFromFile(run.cluster.AdminKubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	for _, auth := range config.AuthInfos {
		auth.Impersonate, auth.ImpersonateGroups = user.Name, user.Groups
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// with returns k with further environment variables.
func (k kubectl) with(env ...string) kubectl {
	k.env = append(append([]string{}, k.env...), env...)
	return k
}

// command prepares a command, which ends with the test at the latest.
func (k kubectl) command(t *testing.T, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout) // cleanups run commands, too
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, k.program, args...)
	cmd.Env = append(os.Environ(), append([]string{"KUBECONFIG=" + k.kubeconfig}, k.env...)...)
	cmd.WaitDelay = 5 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// run runs kubectl, which must succeed, and returns its standard output.
func (k kubectl) run(t *testing.T, args ...string) string {
	t.Helper()
	return k.feed(t, "", args...)
}

// feed is run with a standard input.
func (k kubectl) feed(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	stdout, stderr, code := k.try(t, stdin, args...)
	if code != 0 {
		t.Fatalf("kubectl %s: exit status %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

// try runs kubectl and returns all of its outcome.
func (k kubectl) try(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := k.command(t, args...)
	var out, errOut bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errOut
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

// fails runs kubectl, which must fail, and returns its standard error.
func (k kubectl) fails(t *testing.T, args ...string) string {
	t.Helper()
	stdout, stderr, code := k.try(t, "", args...)
	if code == 0 {
		t.Fatalf("kubectl %s: succeeded, want a failure\n%s%s", strings.Join(args, " "), stdout, stderr)
	}
	return stderr
}

// background is a command that runs until it is stopped.
type background struct {
	cmd    *exec.Cmd
	stdout io.Reader
	stderr *bytes.Buffer // to be read after wait
}

// start starts kubectl in the background.
func (k kubectl) start(t *testing.T, args ...string) *background {
	t.Helper()
	b := &background{cmd: k.command(t, args...), stderr: new(bytes.Buffer)}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	b.stdout, b.cmd.Stderr = out, b.stderr
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return b
}

// forward starts a port-forward that lasts as long as the test, and returns the local
// addresses of the ports.
func (k kubectl) forward(t *testing.T, pod string, ports ...int) (addresses []string) {
	t.Helper()
	args := []string{"port-forward", pod}
	for _, port := range ports {
		args = append(args, fmt.Sprintf(":%d", port))
	}
	forward := k.start(t, args...)
	t.Cleanup(forward.stop)
	for _, port := range ports {
		got := readUntil(t, forward.stdout, fmt.Sprintf("-> %d\n", port))
		addresses = append(addresses, regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(got))
	}
	go io.Copy(io.Discard, forward.stdout) // ends with the command
	return addresses
}

// stop ends the command as Ctrl-C does, and waits for its end.
func (b *background) stop() {
	b.cmd.Process.Signal(os.Interrupt)
	b.wait()
}

// wait waits for the command's end and returns its exit status.
func (b *background) wait() int {
	io.Copy(io.Discard, b.stdout)
	b.cmd.Wait()
	return b.cmd.ProcessState.ExitCode()
}

// terminal starts kubectl on a terminal of 80 columns and 24 rows.
func (k kubectl) terminal(t *testing.T, args ...string) (*os.File, *exec.Cmd) {
	t.Helper()
	cmd := k.command(t, args...)
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return terminal, cmd
}

// waitStatus drains a terminal until its command ends, and returns the exit status.
func waitStatus(terminal *os.File, cmd *exec.Cmd) int {
	go io.Copy(io.Discard, terminal) // ends with the command
	cmd.Wait()
	return cmd.ProcessState.ExitCode()
}

// names counts what uniqueName has given away.
var names atomic.Int64

// uniqueName returns a name for an object that no other test and no earlier run
// against the same cluster uses.
func uniqueName(prefix string) string {
	return fmt.Sprintf("%s-%x-%d", prefix, time.Now().UnixMilli(), names.Add(1))
}

// readUntil reads until the text has come, for at most 20 s.
func readUntil(t *testing.T, r io.Reader, text string) string {
	t.Helper()
	type result struct {
		got string
		err error
	}
	done := make(chan result, 1)
	go func() {
		var got strings.Builder
		b := make([]byte, 1) // not to take what the next call is to read
		for !strings.Contains(got.String(), text) {
			if _, err := io.ReadFull(r, b); err != nil {
				done <- result{got.String(), err}
				return
			}
			got.Write(b)
		}
		done <- result{got.String(), nil}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			t.Fatalf("waiting for %q: %v after %q", text, r.err, r.got)
		}
		return r.got
	case <-time.After(20 * time.Second):
		t.Fatalf("waiting for %q: nothing more comes", text)
	}
	panic("unreachable")
}

// wantEqual compares one outcome.
func wantEqual[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, fmt.Sprint(got), fmt.Sprint(want))
	}
}

// wantContains looks for a text in one outcome.
func wantContains(t *testing.T, what, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("%s: got %q, want it to contain %q", what, got, want)
	}
}
