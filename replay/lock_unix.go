//go:build unix

package replay

import (
	"os"

	"golang.org/x/sys/unix"
)

// isWritten tells whether a process has the lock that it keeps on the .cast as
// long as it writes.
func isWritten(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	err = unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if err == nil {
		unix.Flock(int(f.Fd()), unix.LOCK_UN)
	}
	return err == unix.EWOULDBLOCK
}
