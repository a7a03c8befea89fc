package main

import (
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

func TestFollowHeapLeavesWhatWasSet(t *testing.T) {
	t.Setenv("GOGC", "70")
	before := debug.SetGCPercent(70)
	defer debug.SetGCPercent(before)
	followHeap()()
	if got := debug.SetGCPercent(70); got != 70 {
		t.Errorf("the percentage is %d, want 70 as it was set", got)
	}
}
