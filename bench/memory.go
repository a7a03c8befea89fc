package main

import (
	"context"
	"time"
)

// Memory is settled when it has not changed by more than a hundredth between
// looks, several times in a row, or after the longest wait.
const (
	lookInterval = 100 * time.Millisecond
	steadyLooks  = 30
	mostLooks    = 150
)

// settledMemory waits until a process has done what it does behind events, and
// returns its anonymous memory.
func settledMemory(ctx context.Context, pid int) (int64, error) {
	var last int64
	for looks, steady := 0, 0; looks < mostLooks && steady < steadyLooks; looks++ {
		if err := pause(ctx, lookInterval); err != nil {
			return 0, err
		}
		now, err := anonymousMemory(pid)
		if err != nil {
			return 0, err
		}
		if steady++; abs(now-last) > last/100 {
			steady = 0
		}
		last = now
	}
	return last, nil
}

func abs(n int64) int64 { return max(n, -n) }

// Kinds of resident memory, see proc_pid_status(5). Both have the pages of files
// that are mapped, which are those of the program.
const (
	residentNow  = "VmRSS"
	residentPeak = "VmHWM"
)
