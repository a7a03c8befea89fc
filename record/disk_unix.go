//go:build unix

package record

import (
	"os"

	"golang.org/x/sys/unix"
)

// lock takes the lock of a file, or fails if another process has it.
func lock(f *os.File) error {
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
}

// shared tells whether no other process has the lock but those that share it.
func shared(f *os.File) bool {
	if unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) != nil {
		return false
	}
	return unix.Flock(int(f.Fd()), unix.LOCK_UN) == nil
}

// freeSpace returns how many octets this process may still write to the file
// system of dir.
func freeSpace(dir string) (int64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return int64(stat.Bavail) * int64(stat.Bsize), nil
}
