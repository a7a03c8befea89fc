package stack

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// Disk is a small file system in memory that only one process sees, and its
// children. It needs no privilege but that of making namespaces, and is gone
// with the process.
type Disk struct {
	Dir  string // where it is mounted; exists
	Size int64  // octets
}

// mountThen mounts a tmpfs of size $1 at $2 and becomes the rest.
const mountThen = `mount -t tmpfs -o size="$1" spliceway "$2" && shift 2 && exec "$@"`

// wrap has a command run with the disk.
func (d *Disk) wrap(cmd *exec.Cmd) *exec.Cmd {
	args := []string{"-c", mountThen, "sh", strconv.FormatInt(d.Size, 10), d.Dir}
	wrapped := exec.Command("sh", append(args, cmd.Args...)...)
	wrapped.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	return wrapped
}

// Try returns why this machine lets nobody have such a disk, or nil.
func (d *Disk) Try() error {
	out, err := d.wrap(exec.Command("true")).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mounting a tmpfs in a namespace: %w %s", err, out)
	}
	return nil
}

// In returns the disk's directory as it is seen from outside the process.
func (d *Disk) In(p *Process) string {
	return filepath.Join("/proc", strconv.Itoa(p.Pid()), "root", d.Dir)
}

// Fill writes to a file until the disk is full, and returns its path.
func (d *Disk) Fill(p *Process) (string, error) {
	file, err := os.Create(filepath.Join(d.In(p), "filler"))
	if err != nil {
		return "", err
	}
	defer file.Close()
	_, err = io.CopyN(file, zeros{}, 2*d.Size)
	if !errors.Is(err, syscall.ENOSPC) {
		return "", fmt.Errorf("filling %s: %v, want it to be full", d.Dir, err)
	}
	return file.Name(), nil
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// ReadOnly makes the disk one that can't be written to.
func (d *Disk) ReadOnly(p *Process) error {
	out, err := exec.Command("nsenter", "--target", strconv.Itoa(p.Pid()), "--user", "--mount", "--preserve-credentials",
		"mount", "-o", "remount,ro", d.Dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("remounting %s: %w %s", d.Dir, err, out)
	}
	return nil
}
