//go:build linux

package main

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// manager is what systemd is for its services: their parent, which they tell how
// they are.
type manager struct {
	t      *testing.T
	socket *net.UnixConn
}

// newManager is one for the processes that are started until the end of the test.
func newManager(t *testing.T) *manager {
	t.Helper()
	name := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	return &manager{t, socket}
}

// told waits for an assignment, and returns its value.
func (m *manager) told(name string) string {
	m.t.Helper()
	m.socket.SetReadDeadline(time.Now().Add(20 * time.Second))
	for buf := make([]byte, 4<<10); ; {
		n, err := m.socket.Read(buf)
		if err != nil {
			m.t.Fatalf("%s is not told: %v", name, err)
		}
		for line := range strings.Lines(string(buf[:n])) {
			if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+"="); ok {
				return value
			}
		}
	}
}

// reap waits for the end of a child, -1: of any, as only its parent can.
func (m *manager) reap(pid int) syscall.WaitStatus {
	m.t.Helper()
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil {
		m.t.Fatalf("waiting for process %d: %v", pid, err)
	}
	return status
}

// The issuer is ready when it listens.
func TestIssuerTellsManager(t *testing.T) {
	m := newManager(t)
	p := startProcess(t, "issuer", "--config", write(t, t.TempDir(), "issuer.yaml", `issuer: https://127.0.0.1:8444
listen: "127.0.0.1:0"
audience: acme
dataDir: data
users: []
resources: []
`))
	if got := m.told("READY"); got != "1" {
		t.Errorf("READY=%s", got)
	}
	address := p.until("issuer is listening")["listen"].(string)
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	p.signal(syscall.SIGTERM)
	if state := p.end(); state.ExitCode() != 0 {
		t.Errorf("SIGTERM ends it with %v, want status 0", state)
	}
}

// A successor is a child of the service manager, which so learns of its end.
func TestServeUpgradesUnderManager(t *testing.T) {
	m := newManager(t)
	file, dir := goodConfig(t)
	p := startProcess(t, "serve", "--config", file)
	m.told("READY")
	p.signal(syscall.SIGUSR2)
	successor, err := strconv.Atoi(m.told("MAINPID"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Kill(successor, syscall.SIGKILL) })
	p.until("stopped")

	if err := os.Remove(filepath.Join(dir, "token")); err != nil {
		t.Fatal(err)
	}
	syscall.Kill(successor, syscall.SIGUSR2)
	if _, err := p.cmd.Process.Wait(); err != nil { // its log is the successor's as well, and goes on
		t.Error(err)
	}
	if status := m.reap(-1); status.ExitStatus() != exitConfig {
		t.Errorf("a successor without its token ends with %v, want status %d", status, exitConfig)
	}
	syscall.Kill(successor, syscall.SIGTERM)
	if status := m.reap(successor); status.ExitStatus() != 0 {
		t.Errorf("the successor ends with %v, want status 0", status)
	}
}

// Who drains for a successor that has crashed must not keep the service from being
// started anew.
func TestServeOutlivesSuccessor(t *testing.T) {
	for _, row := range []struct {
		name string
		ends syscall.Signal // the successor
		asks int            // how often the process is asked to end
		want string
	}{
		{"crashed", syscall.SIGKILL, 1, "signal: terminated"},
		{"ended", syscall.SIGTERM, 2, "exit status 0"},
		{"ended, with impatience", syscall.SIGTERM, 3, "signal: terminated"},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := newManager(t)
			file, _ := goodConfig(t)
			p := startProcess(t, "serve", "--config", file)
			c := p.untilBusy()
			p.signal(syscall.SIGUSR2)
			successor, err := strconv.Atoi(m.told("MAINPID"))
			if err != nil {
				t.Fatal(err)
			}
			if n := p.until("draining")["connections"]; n == 0.0 {
				t.Errorf("%v connections are drained, want some", n)
			}
			syscall.Kill(successor, row.ends)
			m.reap(successor)
			for range row.asks {
				p.signal(syscall.SIGTERM)
				time.Sleep(100 * time.Millisecond) // two at once are one
			}
			if row.want == "exit status 0" {
				c.Close() // what the drain waits for
			} else if row.asks > 1 {
				go func() { // until the process is waited for
					for p.cmd.Process.Signal(syscall.SIGTERM) == nil {
						time.Sleep(100 * time.Millisecond)
					}
				}()
			}
			if got := p.end().String(); got != row.want {
				t.Errorf("the process that it replaced ends with %q, want %q", got, row.want)
			}
		})
	}
}
