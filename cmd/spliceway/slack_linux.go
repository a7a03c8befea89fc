package main

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// timerSlack is how late the kernel may wake up a thread that sleeps for a time.
//
// As long as threads are in system calls, one of the Go runtime sleeps 20 µs at a
// time to see whether they come back. With the kernel's usual slack of 50 µs it wakes
// up 14,000 times a second, which is up to a fifth of all CPU time where responses are
// small. Deadlines and timers become as much less exact, and they are of
// milliseconds at least. A thread that waits for a disk keeps its processor from others
// for up to twice the slack, which is why it is not more.
const timerSlack = 500 * time.Microsecond

// relaxTimers sets the slack of all threads, of which later ones inherit it. An error
// leaves things as they were: it is no call for programs that are linked with C.
func relaxTimers() {
	_, _, _ = syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_SET_TIMERSLACK, uintptr(timerSlack), 0)
}
