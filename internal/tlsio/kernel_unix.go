//go:build unix

package tlsio

import (
	"io"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// kernel asks a socket of the kernel's what has arrived. One goroutine uses it at
// a time.
type kernel struct {
	raw syscall.RawConn // nil: there is none

	// Made once, so that a question allocates nothing. Those that return true tell
	// the runtime not to park the goroutine.
	poll, get, pass func(fd uintptr) bool

	quiet bool   // result of poll
	p     []byte // argument of get
	n     int    // its result
	err   error  // and its error
	asked bool   // by pass
}

func (k *kernel) init(raw syscall.RawConn) {
	k.raw = raw
	k.poll = func(fd uintptr) bool {
		k.quiet = isQuiet(fd)
		return true
	}
	k.get = func(fd uintptr) bool {
		k.n, k.err = unix.Read(int(fd), k.p)
		return k.err != unix.EINTR
	}
	k.pass = func(fd uintptr) bool {
		woken := k.asked
		k.asked = true
		return woken || !isQuiet(fd)
	}
}

// isQuiet reports whether a Read would wait.
func isQuiet(fd uintptr) bool {
	fds := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds[:], 0)
	return n == 0 && err == nil
}

// silent reports whether the socket is open and nothing has arrived.
func (k *kernel) silent() bool { return k.raw.Read(k.poll) == nil && k.quiet }

// wait waits until something has arrived, the end of the connection included, or
// the deadline for reading is over. It needs next to no stack.
func (k *kernel) wait() error {
	k.asked = false
	return k.raw.Read(k.pass)
}

// read reads what has arrived, or returns errDry.
func (k *kernel) read(p []byte) (int, error) {
	k.p = p
	err := k.raw.Read(k.get)
	k.p = nil
	switch {
	case err != nil:
		return 0, err
	case k.err == unix.EAGAIN:
		return 0, errDry
	case k.err != nil:
		return 0, os.NewSyscallError("read", k.err)
	case k.n == 0:
		return 0, io.EOF
	}
	return k.n, nil
}
