package testcluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	utilexec "k8s.io/utils/exec"
)

// container is one run of a container: a local process (with its process
// group), its log file and the clients attached to it.
type container struct {
	id      string
	spec    corev1.Container
	attempt int32
	dir     string // working directory, shared by all containers of the pod
	env     []string
	log     *logFile

	cmd      *exec.Cmd
	terminal *os.File       // with spec.TTY
	stdin    io.WriteCloser // with spec.Stdin
	started  time.Time

	mu       sync.Mutex
	attached map[*attachment]struct{}
	sessions map[*exec.Cmd]struct{} // exec sessions

	done     chan struct{} // closed when the process has ended; then:
	exitCode int32
	finished time.Time
}

// attachment is one attached client.
type attachment struct {
	stdout, stderr io.Writer // nil if not wanted
	gone           chan struct{}
	once           sync.Once
}

func (a *attachment) leave() { a.once.Do(func() { close(a.gone) }) }

// commandOf returns what a container runs. Images are ignored, so a container
// without a command gets a shell if it has stdin, or else just waits.
func commandOf(spec corev1.Container) []string {
	command := append(append([]string{}, spec.Command...), spec.Args...)
	switch {
	case len(command) > 0:
		return command
	case spec.Stdin:
		return []string{"/bin/sh"}
	default:
		return []string{"sleep", "infinity"}
	}
}

// start runs the container's process.
func (c *container) start() error {
	c.attached = map[*attachment]struct{}{}
	c.sessions = map[*exec.Cmd]struct{}{}
	c.done = make(chan struct{})
	c.started = time.Now()
	stdout, stderr := &output{c: c, stream: "stdout"}, &output{c: c, stream: "stderr"}

	c.cmd = c.command(commandOf(c.spec))
	copied := make(chan struct{})
	switch {
	case c.spec.TTY:
		terminal, err := startTTY(c.cmd)
		if err != nil {
			return err
		}
		c.terminal = terminal
		if c.spec.Stdin {
			c.stdin = keepOpen{terminal} // a terminal has no half-close
		}
		go func() {
			io.Copy(stdout, terminal)
			close(copied)
		}()
	default:
		c.cmd.Stdout, c.cmd.Stderr = stdout, stderr
		if c.spec.Stdin {
			stdin, err := c.cmd.StdinPipe()
			if err != nil {
				return err
			}
			c.stdin = stdin
		}
		if err := c.cmd.Start(); err != nil {
			return err
		}
		close(copied)
	}
	go func() {
		c.exitCode = exitStatus(c.cmd.Wait())
		waitAtMost(copied, time.Second)
		c.signal(syscall.SIGKILL) // whatever is left of the process group
		if c.terminal != nil {
			c.terminal.Close()
		}
		stdout.flush()
		stderr.flush()
		c.log.close()
		c.finished = time.Now()
		close(c.done)
	}()
	return nil
}

// command prepares a command to run in the container.
func (c *container) command(args []string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = c.dir
	cmd.Env = c.env
	cmd.WaitDelay = time.Second // for children that keep stdout open
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:    true,            // its own process group, which signal reaches
		Pdeathsig: syscall.SIGKILL, // if we die without cleaning up
	}
	return cmd
}

// startTTY starts cmd on a new terminal, of which it returns our end.
func startTTY(cmd *exec.Cmd) (*os.File, error) {
	cmd.Env = append(cmd.Env, "TERM=xterm")
	cmd.SysProcAttr.Setctty = true
	return pty.StartWithAttrs(cmd, nil, cmd.SysProcAttr)
}

func (c *container) running() bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// signal sends a signal to the process group of the container.
func (c *container) signal(s syscall.Signal) { syscall.Kill(-c.cmd.Process.Pid, s) }

// stop ends the container and every exec session in it.
func (c *container) stop(grace time.Duration) {
	if grace > 0 {
		c.signal(syscall.SIGTERM)
		waitAtMost(c.done, grace)
	}
	c.signal(syscall.SIGKILL)
	c.mu.Lock()
	for cmd := range c.sessions {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	c.mu.Unlock()
	<-c.done
}

// exec runs another command in the container until it ends.
func (c *container) exec(args []string, in io.Reader, out, errOut io.Writer, tty bool, resize <-chan remotecommand.TerminalSize) error {
	cmd := c.command(args)
	var terminal *os.File
	var err error
	if tty {
		terminal, err = startTTY(cmd)
	} else {
		var stdin io.WriteCloser
		if in != nil {
			if stdin, err = cmd.StdinPipe(); err != nil {
				return err
			}
			go func() {
				io.Copy(stdin, in)
				stdin.Close()
			}()
		}
		cmd.Stdout, cmd.Stderr = out, errOut
		err = cmd.Start()
	}
	if err != nil {
		return fmt.Errorf("failed to exec in container: %w", err)
	}
	c.mu.Lock()
	c.sessions[cmd] = struct{}{}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.sessions, cmd)
		c.mu.Unlock()
	}()

	if tty {
		defer terminal.Close()
		go setSizes(terminal, resize)
		if in != nil {
			go func() {
				io.Copy(terminal, in)
				// The client has gone: hang up, as a terminal would.
				syscall.Kill(-cmd.Process.Pid, syscall.SIGHUP)
			}()
		}
		copied := make(chan struct{})
		go func() {
			io.Copy(out, terminal)
			close(copied)
		}()
		err = cmd.Wait()
		waitAtMost(copied, time.Second)
	} else {
		err = cmd.Wait()
	}
	if code := exitStatus(err); code != 0 {
		return utilexec.CodeExitError{Err: fmt.Errorf("exit status %d", code), Code: int(code)}
	}
	return nil
}

// attach connects a client to the running process until one of them ends.
func (c *container) attach(ctx context.Context, in io.Reader, out, errOut io.Writer, resize <-chan remotecommand.TerminalSize) error {
	a := &attachment{stdout: out, stderr: errOut, gone: make(chan struct{})}
	c.mu.Lock()
	c.attached[a] = struct{}{}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.attached, a)
		c.mu.Unlock()
	}()
	if c.terminal != nil {
		go setSizes(c.terminal, resize)
	}
	if in != nil && c.stdin != nil {
		go func() {
			io.Copy(c.stdin, in)
			if c.spec.StdinOnce {
				c.stdin.Close()
			}
			if c.terminal != nil {
				a.leave() // nobody can type any more
			}
		}()
	}
	select {
	case <-c.done:
	case <-a.gone:
	case <-ctx.Done():
	}
	return nil
}

type keepOpen struct{ io.Writer }

func (keepOpen) Close() error { return nil }

func setSizes(terminal *os.File, sizes <-chan remotecommand.TerminalSize) {
	raw, err := terminal.SyscallConn() // unlike pty.Setsize, safe while it is being closed
	if err != nil {
		return
	}
	for size := range sizes {
		raw.Control(func(fd uintptr) {
			unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Col: size.Width, Row: size.Height})
		})
	}
}

// exitStatus turns the result of Wait into an exit status as a shell would.
func exitStatus(err error) int32 {
	var exit *exec.ExitError
	switch {
	case err == nil || errors.Is(err, exec.ErrWaitDelay):
		return 0
	case !errors.As(err, &exit):
		return 255
	}
	if status := exit.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int32(status.Signal())
	}
	return int32(exit.ExitCode())
}

func waitAtMost(done <-chan struct{}, d time.Duration) {
	select {
	case <-done:
	case <-time.After(d):
	}
}
