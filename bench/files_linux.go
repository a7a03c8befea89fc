package main

import "syscall"

// raiseFiles lets this process and those that it starts have n open files, as far
// as the system allows it, and returns how many they may.
func raiseFiles(n uint64) int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return int(n)
	}
	hard := limit.Max
	limit.Cur, limit.Max = max(limit.Cur, n), max(limit.Max, n)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil { // only root may raise the hard limit
		limit.Cur, limit.Max = hard, hard
		syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
	return int(limit.Cur)
}
