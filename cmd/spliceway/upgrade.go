package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/spliceway/spliceway/gateway"
)

// predecessor in the environment is the descriptor of the pipe on which a process
// waits for its successor to serve.
const predecessor = "SPLICEWAY_PREDECESSOR"

// startPatience is how long a successor may take until it serves.
const startPatience = time.Minute

// upgrade starts the program anew, as its file is now, with the sockets of this
// process, and returns when the successor serves. The sockets are handed over as
// systemd does it, so that a successor takes them the same way from either. From
// then on systemd takes the successor for the service.
func (b *sandbox) upgrade(sockets []gateway.Socket) error {
	ready, told, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("starting a successor: %w", err)
	}
	defer ready.Close()
	successor, err := startSuccessor(sockets, told, b.environment()...)
	told.Close()
	if err != nil {
		return fmt.Errorf("starting a successor: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- successor.Wait() }() // until it ends, or this process does
	ready.SetReadDeadline(time.Now().Add(startPatience))
	if _, err := io.ReadFull(ready, make([]byte, 1)); err == nil {
		notify("MAINPID=" + strconv.Itoa(successor.Process.Pid))
		return nil
	}
	successor.Process.Kill()
	var exit *exec.ExitError
	if err := <-ended; errors.As(err, &exit) { // of a sibling only the service manager knows
		return fmt.Errorf("the successor does not serve: %w; its own words are above", exit)
	}
	return errors.New("the successor does not serve; its own words are above")
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

// ownProgram returns the file of this program, as it was called: what os.Executable
// returns names a file that is deleted once another version has been installed over
// it.
func ownProgram() (string, error) { return exec.LookPath(os.Args[0]) }

// tellPredecessor lets the process go that has started this one, if one has.
func tellPredecessor() error {
	text := os.Getenv(predecessor)
	if text == "" {
		return nil
	}
	os.Unsetenv(predecessor) // our own successor gets another
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
		return fmt.Errorf("%s is no descriptor: %q", predecessor, text)
	}
	pipe := os.NewFile(uintptr(fd), predecessor)
	defer pipe.Close()
	_, err = pipe.Write([]byte{1})
	return err
}
