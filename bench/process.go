package main

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
	stopTimeout  = time.Minute // some thousand tunnels may have to end
)

// process is a running program that the bench has started, and only such ones
// are ever stopped.
type process struct {
	name string
	log  string // file with what it wrote
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended and been reaped
}

// startProcess runs a program that logs to NAME.log in dir.
func startProcess(dir, name, path string, args ...string) (*process, error) {
	p := &process{
		name: name,
		log:  filepath.Join(dir, name+".log"),
		cmd:  exec.Command(path, args...),
		done: make(chan struct{}),
	}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = childAttributes()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	go p.wait()
	return p, nil
}

// wait is the goroutine that reaps the process; it ends when the process does.
func (p *process) wait() {
	p.cmd.Wait() // how it ended does not matter: it is told to, or a request fails
	close(p.done)
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop asks the process to end, kills it if it does not, and waits for its end.
func (p *process) stop() error {
	p.cmd.Process.Signal(syscall.SIGTERM) // fails only if it has ended
	select {
	case <-p.done:
		return nil
	case <-time.After(stopTimeout):
	}
	p.cmd.Process.Kill()
	<-p.done
	return fmt.Errorf("%s did not end within %s of SIGTERM", p.name, stopTimeout)
}

// waitReady calls ready until it succeeds, the process has ended or the time is
// over.
func (p *process) waitReady(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s has ended (%s); its log ends:\n%s", p.name, p.cmd.ProcessState, p.tail())
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w; its log ends:\n%s", p.name, err, p.tail())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// tail returns the last lines that the process has written.
func (p *process) tail() string {
	const most = 15
	data, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}

// accepts reports whether something accepts connections at an address.
func accepts(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// freeAddress returns a loopback address whose port is free just now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
