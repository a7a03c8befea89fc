//go:build !race

package metrics

import (
	"testing"
	"time"
)

func TestRequestDoneDoesNotAllocate(t *testing.T) {
	c := New(Build{}).Cluster("prod")
	pods, exec, group := []byte("pods"), []byte("exec"), []byte("example.com")
	run := func() {
		c.RequestStarted()
		c.AddBytes(100, 2000)
		c.RequestDone(&Request{Verb: "list", Resource: pods, Code: 200, Duration: time.Millisecond, Answered: time.Millisecond})
		c.RequestDone(&Request{Verb: "create", Resource: pods, Subresource: exec, Code: 101, LongRunning: true})
		c.RequestDone(&Request{Verb: "frob", Group: group, Resource: group, Code: 999, Duration: time.Millisecond})
		c.RequestDone(&Request{Verb: "get", Code: 200, Duration: time.Millisecond})
	}
	if n := testing.AllocsPerRun(1000, run); n != 0 {
		t.Errorf("a request allocates %v times, want 0", n)
	}
}

func BenchmarkRequestDone(b *testing.B) {
	c := New(Build{}).Cluster("prod")
	deployments, apps := []byte("deployments"), []byte("apps")
	b.ReportAllocs()
	for b.Loop() {
		c.RequestStarted()
		c.RequestDone(&Request{Verb: "list", Group: apps, Resource: deployments, Code: 200, Duration: time.Millisecond, Answered: time.Millisecond})
	}
}
