//go:build unix

package gateway

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// duplicate returns a second descriptor of a listening socket. That of
// net.TCPListener.File would be made blocking when a process is started with it,
// and with it the socket that is still accepted from.
func duplicate(l *net.TCPListener) (*os.File, error) {
	raw, err := l.SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	var failed error
	if err := raw.Control(func(s uintptr) { fd, failed = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return nil, err
	}
	if failed != nil {
		return nil, os.NewSyscallError("fcntl", failed)
	}
	return os.NewFile(uintptr(fd), l.Addr().String()), nil
}
