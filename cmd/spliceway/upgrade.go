//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spliceway/spliceway/gateway"
)

// What a successor says. One that ends without a farewell has crashed.
const (
	serves   = 's'
	farewell = 'f'
)

// startPatience is how long a successor may take until it serves.
const startPatience = time.Minute

// upgrade starts the program anew, as its file is now, with the sockets of this
// process, and returns when the successor serves. The sockets are handed over as
// systemd does it, so that a successor takes them the same way from either. From
// then on systemd takes the successor for the service. If ctx ends first, the process
// is to end, and so does the successor.
func (b *sandbox) upgrade(ctx context.Context, sockets []gateway.Socket) error {
	hears, told, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("starting a successor: %w", err)
	}
	successor, err := startSuccessor(sockets, told, b.environment()...)
	told.Close()
	if err != nil {
		hears.Close()
		return fmt.Errorf("starting a successor: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- successor.Wait() }() // until it ends, or this process does
	if awaitSuccessor(ctx, hears) {
		asked := make(chan os.Signal, 3)
		signal.Notify(asked, syscall.SIGTERM)
		go outlive(hears, asked) // until this process ends
		notify("MAINPID=" + strconv.Itoa(successor.Process.Pid))
		return nil
	}
	hears.Close()
	successor.Process.Kill()
	var exit *exec.ExitError
	err = <-ended
	switch {
	case ctx.Err() != nil:
		return errors.New("this process was told to stop before the new one served")
	case errors.As(err, &exit): // of a sibling only the service manager knows
		return fmt.Errorf("the new process does not serve: %w; its output is above", exit)
	}
	return errors.New("the new process does not serve; its output is above")
}

// awaitSuccessor waits until the successor says that it serves, and reports whether it
// does.
func awaitSuccessor(ctx context.Context, hears *os.File) bool {
	hears.SetReadDeadline(time.Now().Add(startPatience))
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		hears.SetReadDeadline(time.Unix(1, 0))
	})
	_, err := io.ReadFull(hears, make([]byte, 1))
	if !stop() {
		<-interrupted
	}
	hears.SetReadDeadline(time.Time{})
	return err == nil
}

func startSuccessor(sockets []gateway.Socket, told *os.File, environment ...string) (*exec.Cmd, error) {
	var files []*os.File
	var names []string
	for _, s := range sockets {
		files, names = append(files, s.File), append(names, s.Name)
	}
	program, err := ownProgram()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.ExtraFiles = append(files, told)
	const first = 3 // descriptor of ExtraFiles, and SD_LISTEN_FDS_START
	cmd.Env = append(os.Environ(),
		"LISTEN_FDS="+strconv.Itoa(len(files)), "LISTEN_FDNAMES="+strings.Join(names, ":"),
		predecessor+"="+strconv.Itoa(first+len(files)))
	cmd.Env = append(cmd.Env, environment...)
	underManager(cmd)
	return cmd, cmd.Start()
}

// outlive is what SIGTERM does to a process that has been replaced, which drains
// already. systemd sends one to all that is of the service, and another to what is
// left when the main process, the successor, has ended: only a third is impatience.
// But after a crash of the successor systemd starts the service anew only when
// nothing is left of it, and until then nobody would serve: then one is enough.
func outlive(hears *os.File, asked <-chan os.Signal) {
	crashed := make(chan struct{})
	go func() { // until the successor ends, or this process does
		defer hears.Close()
		if n, _ := hears.Read(make([]byte, 1)); n == 0 { // no farewell
			close(crashed)
		}
	}()
	<-asked
	select {
	case <-crashed:
	case <-asked:
		select {
		case <-crashed:
		case <-asked:
		}
	}
	signal.Reset(syscall.SIGTERM)
	syscall.Kill(os.Getpid(), syscall.SIGTERM)
}

// line is what a process has to the one that it replaces, nil if there is none.
type line struct{ pipe *os.File }

// predecessorLine takes it from the environment.
func predecessorLine() (*line, error) {
	text := os.Getenv(predecessor)
	if text == "" {
		return nil, nil
	}
	os.Unsetenv(predecessor) // our own successor gets another
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("%s is no descriptor: %q", predecessor, text)
	}
	syscall.CloseOnExec(fd) // which else would end with our successor only
	return &line{os.NewFile(uintptr(fd), predecessor)}, nil
}

// say tells the predecessor, which may have ended.
func (l *line) say(word byte) error {
	if l == nil {
		return nil
	}
	_, err := l.pipe.Write([]byte{word})
	return err
}
