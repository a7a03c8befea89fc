package e2e

import (
	"testing"
	"time"

	"github.com/spliceway/spliceway/e2e/stack"
)

// observeTimeout is how long an effect may take to show in a log or a counter.
const observeTimeout = 5 * time.Second

// eventually calls ok until it says true, for at most observeTimeout.
func eventually(ok func() bool) bool {
	for deadline := time.Now().Add(observeTimeout); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return true
		}
	}
	return ok()
}

// waitForEvent waits for an audit line of a kind with the given fields, which
// are names and values in turn, and returns it.
func waitForEvent(t *testing.T, s *stack.Stack, event string, fields ...string) stack.Event {
	t.Helper()
	var found stack.Event
	matches := func(e stack.Event) bool {
		if e.Text("event") != event {
			return false
		}
		for i := 0; i < len(fields); i += 2 {
			if e.Text(fields[i]) != fields[i+1] {
				return false
			}
		}
		return true
	}
	if !eventually(func() bool {
		events, err := s.Events()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			if matches(e) {
				found = e
			}
		}
		return found != nil
	}) {
		t.Errorf("the audit log has no %s with %q", event, fields)
	}
	return found
}

// metric returns the sum of a metric's samples; see stack.Metrics.Sum.
func metric(t *testing.T, s *stack.Stack, name string, labels ...string) float64 {
	t.Helper()
	metrics, err := s.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return metrics.Sum(name, labels...)
}
