//go:build !race

package metrics

import (
	"testing"
	"time"
)

func TestRequestDoneDoesNotAllocate(t *testing.T) {
	c := New(Build{}).Cluster("prod")
	run := func() {
		c.RequestStarted()
		c.AddBytes(100, 2000)
		c.RequestDone("list", 200, false, time.Millisecond)
		c.RequestDone("frob", 999, false, time.Millisecond)
	}
	if n := testing.AllocsPerRun(1000, run); n != 0 {
		t.Errorf("a request allocates %v times, want 0", n)
	}
}

func BenchmarkRequestDone(b *testing.B) {
	c := New(Build{}).Cluster("prod")
	b.ReportAllocs()
	for b.Loop() {
		c.RequestStarted()
		c.RequestDone("list", 200, false, time.Millisecond)
	}
}
