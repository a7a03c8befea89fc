package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is the command as a process of its own, because signals are for those.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	lines *bufio.Scanner // of standard error
}

// startProcess runs a command line of which standard error is a log.
func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), runMain+"=1")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(30*time.Second, func() { cmd.Process.Kill() })
	t.Cleanup(func() {
		late.Stop()
		cmd.Process.Kill()
		cmd.Wait()
	})
	return &process{t: t, cmd: cmd, lines: bufio.NewScanner(stderr)}
}

// until reads the log to a line whose message begins like this.
func (p *process) until(message string) map[string]any {
	p.t.Helper()
	var all []string
	for p.lines.Scan() {
		all = append(all, p.lines.Text())
		var line map[string]any
		if err := json.Unmarshal(p.lines.Bytes(), &line); err != nil {
			p.t.Fatalf("not a line of a log: %s", p.lines.Text())
		}
		if text, _ := line["message"].(string); strings.HasPrefix(text, message) {
			return line
		}
	}
	p.t.Fatalf("%q is not in the log:\n%s", message, strings.Join(all, "\n"))
	return nil
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// end waits for the end and returns how it came.
func (p *process) end() *os.ProcessState {
	p.t.Helper()
	for p.lines.Scan() { // to the end of the pipe, as Wait wants it
	}
	if err := p.cmd.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		p.t.Fatal(err)
	}
	return p.cmd.ProcessState
}

func TestServeTerminates(t *testing.T) {
	file, _ := goodConfig(t)
	p := startProcess(t, "serve", "--config", file)
	p.until("serving")
	p.signal(syscall.SIGTERM)
	p.until("draining")
	p.until("stopped")
	if state := p.end(); state.ExitCode() != 0 {
		t.Errorf("SIGTERM ends it with %v, want status 0", state)
	}
}

// The first SIGTERM lets connections end. Who has no patience sends another.
func TestServeTerminatesTwice(t *testing.T) {
	file, _ := goodConfig(t)
	p := startProcess(t, "serve", "--config", file)
	p.untilBusy()
	p.signal(syscall.SIGTERM)
	if n := p.until("draining")["connections"]; n == 0.0 {
		t.Errorf("%v connections are drained, want some", n)
	}
	p.signal(syscall.SIGTERM)
	if status := p.end().Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("a second SIGTERM ends it with %v, want it to end at once", status)
	}
}

// untilBusy reads the log until the process serves, and gives it a connection, which
// lasts until it is closed or the test ends.
func (p *process) untilBusy() net.Conn {
	p.t.Helper()
	address := p.until("serving")["listen"].([]any)[0].(string)
	c, err := net.Dial("tcp", address)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, "\x16\x03\x01"); err != nil { // a ClientHello begins
		p.t.Fatal(err)
	}
	awaitAccept(p.t, address)
	return c
}

// awaitAccept returns when connections that were made before are accepted: those
// are taken in order, and one that speaks no TLS is answered with an alert.
func awaitAccept(t *testing.T, address string) {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(c); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
}

// As logrotate does it.
func TestServeReopensAuditLog(t *testing.T) {
	file, dir := goodConfig(t)
	p := startProcess(t, "serve", "--config", file)
	p.until("serving")
	log := filepath.Join(dir, "audit.log")
	if err := os.Rename(log, log+".1"); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGHUP)
	p.until("audit log opened anew")
	if info, err := os.Stat(log); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the new audit log: %v, %v, want one that its owner alone can read", info, err)
	}
	p.signal(syscall.SIGTERM)
	if state := p.end(); state.ExitCode() != 0 {
		t.Errorf("SIGTERM ends it with %v, want status 0", state)
	}
}
