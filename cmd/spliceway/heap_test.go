package main

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestHeapPercent(t *testing.T) {
	for _, test := range []struct {
		alive uint64
		want  int
	}{
		{0, 100}, {8 << 20, 100}, {8<<20 + 1, 90}, {10 << 20, 80}, {16 << 20, 50}, {26 << 20, 30}, {1 << 40, 30},
	} {
		if got := heapPercent(test.alive); got != test.want {
			t.Errorf("heapPercent(%d) = %d, want %d", test.alive, got, test.want)
		}
	}
}

func TestHeapIdleSince(t *testing.T) {
	const mib = 1 << 20
	for _, test := range []struct {
		name             string
		alive, held, new uint64
		want             bool
	}{
		{"much-and-quiet", 30 * mib, 40 * mib, 0, true},
		{"much-for-a-minute", 30 * mib, 40 * mib, 10 * mib / 61, true},
		{"used-within-a-minute", 30 * mib, 40 * mib, 10 * mib / 59, false},
		{"busy", 30 * mib, 40 * mib, 5 * mib, false},
		{"little-of-much", 30 * mib, 31 * mib, 0, false},
		{"little", 2 * mib, 3 * mib, 0, false},
		{"never-collected", 0, 2 * mib, 0, true},
		{"less-held-than-alive", 30 * mib, 20 * mib, 0, false},
	} {
		before := heapState{allocated: 100 * mib}
		now := heapState{alive: test.alive, held: test.held, allocated: before.allocated + test.new}
		if got := now.idleSince(before); got != test.want {
			t.Errorf("%s: idleSince() = %t, want %t", test.name, got, test.want)
		}
	}
}

func TestReadHeap(t *testing.T) {
	before := readHeap()
	kept := make([]byte, 4<<20)
	now := readHeap()
	if grown := now.allocated - before.allocated; grown < uint64(len(kept)) {
		t.Errorf("%d octets allocated, of which %d were seen", len(kept), grown)
	}
	if now.held < uint64(len(kept)) {
		t.Errorf("the heap holds %d octets, fewer than one object of it", now.held)
	}
	runtime.KeepAlive(kept)
}

func TestFollowHeapLeavesWhatWasSet(t *testing.T) {
	t.Setenv("GOGC", "70")
	before := debug.SetGCPercent(70)
	defer debug.SetGCPercent(before)
	followHeap()()
	if got := debug.SetGCPercent(70); got != 70 {
		t.Errorf("the percentage is %d, want 70 as it was set", got)
	}
}
