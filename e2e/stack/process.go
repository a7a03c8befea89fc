package stack

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	readyTimeout = 20 * time.Second
	stopTimeout  = 15 * time.Second
)

// Process is one running program. It is killed when the process that started it
// ends.
type Process struct {
	Name    string
	LogFile string // standard output and standard error

	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// startProcess runs a program that logs to NAME.log in dir.
func startProcess(dir, name, path string, args ...string) (*Process, error) {
	return startCommand(dir, name, exec.Command(path, args...))
}

// startCommand is startProcess of a command that was prepared.
func startCommand(dir, name string, cmd *exec.Cmd) (*Process, error) {
	p := &Process{
		Name:    name,
		LogFile: filepath.Join(dir, name+".log"),
		cmd:     cmd,
		done:    make(chan struct{}),
	}
	log, err := os.OpenFile(p.LogFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if p.cmd.SysProcAttr == nil {
		p.cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	p.cmd.SysProcAttr.Setpgid = true // Ctrl-C in a terminal is for its starter, which then stops it in order
	p.cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go p.wait()
	return p, nil
}

// wait is the goroutine that reaps the process; it ends when the process does.
func (p *Process) wait() {
	p.cmd.Wait()
	close(p.done)
}

// Pid returns the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Stop asks the process to end, and kills it if it does not.
func (p *Process) Stop() error {
	p.cmd.Process.Signal(syscall.SIGTERM) // no error but that it has ended
	select {
	case <-p.done:
		return nil
	case <-time.After(stopTimeout):
	}
	p.Kill()
	return fmt.Errorf("%s did not end within %s of SIGTERM", p.Name, stopTimeout)
}

// Kill ends the process at once and waits for its end.
func (p *Process) Kill() {
	p.cmd.Process.Kill()
	<-p.done
}

// Log returns what the process has written so far.
func (p *Process) Log() string {
	data, err := os.ReadFile(p.LogFile)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// Tail returns the last lines that the process has written.
func (p *Process) Tail(lines int) string {
	all := strings.Split(strings.TrimRight(p.Log(), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// waitReady calls ready until it succeeds, the process has ended or ctx has.
func (p *Process) waitReady(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s has ended (%s); its log ends:\n%s", p.Name, p.cmd.ProcessState, p.Tail(15))
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w (last error: %v); its log ends:\n%s", p.Name, ctx.Err(), err, p.Tail(15))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// listening reports whether something accepts connections at an address.
func listening(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// FreeAddress returns a loopback address whose port is free just now.
func FreeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
