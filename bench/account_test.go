//go:build linux

package main

import (
	"os"
	"syscall"
	"testing"
	"time"
)

// TestCPUTimeIsTheKernelsAccount takes getrusage as the judge, which knows the
// own process only.
func TestCPUTimeIsTheKernelsAccount(t *testing.T) {
	for range 3 {
		before := ownUsage(t)
		got, err := cpuTime(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		after := ownUsage(t)
		if slack := time.Millisecond; got < before-slack || got > after+slack {
			t.Fatalf("cpuTime = %s, getrusage says %s before and %s after", got, before, after)
		}
		for spent := after; spent < after+20*time.Millisecond; spent = ownUsage(t) {
		}
	}
}

func ownUsage(t *testing.T) time.Duration {
	t.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func TestCPUTimeOfNoProcess(t *testing.T) {
	if got, err := cpuTime(1 << 28); err == nil {
		t.Errorf("cpuTime of a process that can't exist = %s", got)
	}
}

func TestAnonymousMemoryFollowsUse(t *testing.T) {
	const size = 64 << 20
	block, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(block)
	before := memory(t)
	for i := 0; i < size/2; i += os.Getpagesize() {
		block[i] = 1
	}
	if grown := memory(t) - before; grown < size*4/10 || grown > size*6/10 {
		t.Errorf("of %d octets half were written; memory grew by %d", size, grown)
	}
}

func memory(t *testing.T) int64 {
	t.Helper()
	n, err := anonymousMemory(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestParseSmaps(t *testing.T) {
	const text = "560c78bce000-7fffee351000 ---p 00000000 00:00 0                          [rollup]\n" +
		"Rss:                2052 kB\nPss_Anon:            151 kB\nAnonymous:           152 kB\nKSM: 1 kB\n"
	if got, err := parseSmaps([]byte(text), "Anonymous"); got != 152<<10 || err != nil {
		t.Errorf("parseSmaps = %d, %v, want %d", got, err, 152<<10)
	}
	for _, text := range []string{"", "Rss: 1 kB\n", "Anonymous: 1\n", "Anonymous: x kB\n", "Anonymous: 1 MB\n"} {
		if got, err := parseSmaps([]byte(text), "Anonymous"); err == nil {
			t.Errorf("parseSmaps(%q) = %d, want an error", text, got)
		}
	}
}
