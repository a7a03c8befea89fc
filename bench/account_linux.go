package main

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// childAttributes keeps Ctrl-C for the bench, which then stops its processes in
// order, and ends them should the bench be killed.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// cpuTime returns the user and system time that all threads of a process have
// used, ended ones included. It is the account that /proc/PID/stat shows in
// ticks of 10 ms, read in nanoseconds from the process's clock.
func cpuTime(pid int) (time.Duration, error) {
	// The id of that clock, as clock_getcpuclockid(3) makes it. The lowest bits
	// say: of the whole process, the scheduler's account.
	const schedulerClock = 2
	clock := int32(^pid)<<3 | schedulerClock
	var t unix.Timespec
	if err := unix.ClockGettime(clock, &t); err != nil {
		return 0, fmt.Errorf("reading the CPU time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// anonymousMemory returns the resident anonymous memory of a process, in octets:
// no pages of files, the program itself among them.
func anonymousMemory(pid int) (int64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	return parseSmaps(data, "Anonymous")
}

// residentMemory returns the resident memory of a process, in octets.
func residentMemory(pid int, kind string) (int64, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	return parseSmaps(data, kind)
}

// parseSmaps finds a size in the text of smaps_rollup or status:
//
//	Anonymous:           152 kB
func parseSmaps(data []byte, name string) (int64, error) {
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		fields := bytes.Fields(lines.Bytes())
		if len(fields) != 3 || string(fields[0]) != name+":" || string(fields[2]) != "kB" {
			continue
		}
		n, err := strconv.ParseInt(string(fields[1]), 10, 64)
		return n << 10, err
	}
	return 0, fmt.Errorf("no size %s in the account", name)
}
