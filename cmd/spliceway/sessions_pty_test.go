//go:build linux

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// A terminal is a process of ours on a pseudoterminal.
type terminal struct {
	t    *testing.T
	ptmx *os.File
	cmd  *exec.Cmd
	out  bytes.Buffer
}

func onPTY(t *testing.T, cols, rows uint16, args ...string) *terminal {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), runMain+"=1", "TERM=xterm")
	ptmx, err := pty.StartWithSize(cmd, &pty.Winsize{Cols: cols, Rows: rows})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill() // does nothing if it has ended
		ptmx.Close()
	})
	return &terminal{t: t, ptmx: ptmx, cmd: cmd}
}

// wait reads until the process has written a text.
func (tt *terminal) wait(text string) {
	tt.t.Helper()
	if err := tt.ptmx.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		tt.t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for !strings.Contains(tt.out.String(), text) {
		n, err := tt.ptmx.Read(buf)
		tt.out.Write(buf[:n])
		if err != nil {
			tt.t.Fatalf("reading of the terminal: %v, before %q there was\n%q", err, text, tt.out.String())
		}
	}
}

func (tt *terminal) press(keys string) {
	tt.t.Helper()
	if _, err := tt.ptmx.WriteString(keys); err != nil {
		tt.t.Fatal(err)
	}
}

// The player obeys keys, tells of a size that does not fit, and leaves the
// terminal as it was.
func TestSessionsPlayTerminal(t *testing.T) {
	a := newArchive(t)
	tt := onPTY(t, 40, 10, "sessions", "play", "--dir", a.dir, a.ids[0])
	before, err := term.GetState(int(tt.ptmx.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	tt.wait("press space to play it nevertheless")
	tt.press(".")
	tt.wait("denied")
	tt.press("q")
	tt.wait("[end at 0:01.000, exit status 1")
	tt.wait("]")
	if err := tt.cmd.Wait(); err != nil {
		t.Errorf("play ends with %v", err)
	}
	if !strings.Contains(tt.out.String(), "80 columns and 24 rows, this terminal 40 and 10") || !strings.Contains(tt.out.String(), "\x1b[31mdenied\x1b[0m") {
		t.Errorf("written was %q", tt.out.String())
	}
	after, err := term.GetState(int(tt.ptmx.Fd()))
	if err != nil || *after != *before {
		t.Errorf("the terminal was %v and is %v, %v", before, after, err)
	}
}

// An interrupt at the question for a password ends the program at once, and what is
// typed behind it is shown again.
func TestPasswordInterrupted(t *testing.T) {
	dir := t.TempDir()
	for _, env := range []string{"SPLICEWAY_PASSWORD", "SPLICEWAY_SECRET"} {
		t.Setenv(env, "")
	}
	for _, args := range [][]string{
		{"issuer", "hash"},
		{"connect", "--gateway", "gw.test", "--issuer", "https://127.0.0.1:1", "--user", "ann", "--listen", "127.0.0.1:0",
			"--proxy-secret-file", filepath.Join(dir, "proxy-secret")},
	} {
		tt := onPTY(t, 80, 24, args...)
		tt.wait("assword")
		fd := int(tt.ptmx.Fd())
		for deadline := time.Now().Add(20 * time.Second); isEchoing(t, fd) && time.Now().Before(deadline); {
			time.Sleep(time.Millisecond) // the question comes before the echo is gone
		}
		tt.press("\x03")
		if err := tt.cmd.Wait(); err != nil && tt.cmd.ProcessState.ExitCode() != exitRuntime {
			t.Errorf("%s ends with %v", args[0], err)
		}
		if !isEchoing(t, fd) {
			t.Errorf("%s leaves a terminal without echo", args[0])
		}
	}
}

func isEchoing(t *testing.T, fd int) bool {
	t.Helper()
	modes, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return modes.Lflag&unix.ECHO != 0
}

func TestSessionsPlayQuit(t *testing.T) {
	a := newArchive(t)
	tt := onPTY(t, 80, 24, "sessions", "play", "--dir", a.dir, "--speed", "0.01", a.ids[0])
	tt.wait("q: quit")
	tt.press("\x03")
	tt.wait("[left at 0:00.0")
	if err := tt.cmd.Wait(); err != nil {
		t.Errorf("play ends with %v", err)
	}
}
