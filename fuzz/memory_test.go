package fuzz

import (
	"runtime"
	"testing"
)

// checkMemory wants that what decode allocates, all in all, is bounded by a multiple
// of the octets that it was given: lengths that a peer declares cost nothing.
func checkMemory(t *testing.T, octets int, decode func()) {
	t.Helper()
	// The fuzzer allocates a little beside; storage that grows is counted each time.
	const always, each = 1 << 20, 64
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	decode()
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > always+each*uint64(octets) {
		t.Fatalf("%d octets took %d octets of memory", octets, used)
	}
}
