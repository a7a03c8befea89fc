package gateway

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// peerAllowed reports whether the other end is root or of the gateway's own user.
// The mode of the socket says the same; this holds also while it is being set.
func peerAllowed(c *net.UnixConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var peer *unix.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) { peer, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	return err == nil && failed == nil && (peer.Uid == 0 || int(peer.Uid) == os.Geteuid())
}
