package conn

import (
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// cork makes the kernel hold back what is written until it is taken out again.
func cork(t *testing.T, raw syscall.RawConn, in bool) {
	t.Helper()
	on := 0
	if in {
		on = 1
	}
	if err := raw.Control(func(fd uintptr) {
		if err := unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_CORK, on); err != nil {
			t.Errorf("TCP_CORK: %v", err)
		}
	}); err != nil {
		t.Error(err)
	}
}
