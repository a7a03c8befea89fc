package trace

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
)

// run runs a tracer until the test calls what is returned, which waits for its end.
func run(t *testing.T, tracer *Tracer) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tracer.Run(ctx, time.Minute, nil)
	}()
	return func() {
		cancel()
		<-done
	}
}

// Spans of one moment are one export, and no export has more than its share.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &fakeCollector{}
		tracer, told := newTracer(t, c)
		defer run(t, tracer)()
		emit(tracer, 3)
		time.Sleep(batchDelay / 2)
		emit(tracer, 2)
		time.Sleep(batchDelay)
		emit(tracer, batchLength+1)
		time.Sleep(2 * batchDelay)
		if got := c.attempts(); !slices.Equal(got, []time.Duration{batchDelay, batchDelay + batchDelay/2, 2*batchDelay + batchDelay/2}) {
			t.Errorf("exports after %v", got)
		}
		for i, want := range []int{5, batchLength, 1} {
			if got := len(c.spans[i]); got != want {
				t.Errorf("export %d has %d spans, want %d", i, got, want)
			}
		}
		if got, want := told.String(), "sent 518"; got != want {
			t.Errorf("outcomes: %s, want %s", got, want)
		}
	})
}

func TestRetry(t *testing.T) {
	for _, row := range []struct {
		name     string
		statuses []int
		after    string // Retry-After
		want     string
		attempts int
		least    time.Duration // between the first two attempts
	}{
		{"unavailable", []int{503}, "", "retried 1, sent 1", 2, firstPause / 2},
		{"too-many", []int{429, 502, 504}, "", "retried 3, sent 1", 4, firstPause / 2},
		{"no-connection", []int{0, 0}, "", "retried 2, sent 1", 3, firstPause / 2},
		{"seconds", []int{503}, "17", "retried 1, sent 1", 2, 17 * time.Second},
		{"date", []int{503}, "Sat, 01 Jan 2000 00:00:21 GMT", "retried 1, sent 1", 2, 20 * time.Second},
		{"too-long", []int{503}, "86400", "retried 1, sent 1", 2, longestPause},
		{"no-time", []int{503}, "soon", "retried 1, sent 1", 2, firstPause / 2},
		{"bad-request", []int{400}, "1", "failed 1", 1, 0},
		{"server-error", []int{500}, "1", "failed 1", 1, 0},
		{"moved", []int{307}, "1", "failed 1", 1, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &fakeCollector{statuses: row.statuses, header: http.Header{"Retry-After": {row.after}}}
				tracer, told := newTracer(t, c)
				defer run(t, tracer)()
				emit(tracer, 1)
				time.Sleep(10 * time.Minute)
				at := c.attempts()
				if got := told.String(); len(at) != row.attempts || got != row.want {
					t.Fatalf("%d attempts, %s; want %d, %s", len(at), got, row.attempts, row.want)
				}
				if len(at) > 1 && (at[1]-at[0] < row.least || at[1]-at[0] > longestPause) {
					t.Errorf("attempts after %v, want %v between the first two", at, row.least)
				}
			})
		})
	}
}

// A batch that nobody takes is given up.
func TestRetryEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &fakeCollector{statuses: slices.Repeat([]int{503}, 100)}
		tracer, told := newTracer(t, c)
		defer run(t, tracer)()
		emit(tracer, 1)
		time.Sleep(10 * time.Minute)
		at := c.attempts()
		if n := len(at); n < 4 || n > 10 || at[n-1]-at[0] > deliveryTime {
			t.Errorf("attempts after %v, want a few within %v", at, deliveryTime)
		}
		if got := told.String(); !strings.HasPrefix(got, "failed 1, retried ") {
			t.Errorf("outcomes: %s, want the span to fail", got)
		}
	})
}

// A collector that does not answer costs spans, and time of nobody but Run.
func TestFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &fakeCollector{wait: make(chan struct{})}
		tracer, told := newTracer(t, c)
		stop := run(t, tracer)
		emit(tracer, batchLength)
		synctest.Wait() // they are on their way
		start := time.Now()
		emit(tracer, queueLength+7)
		if took := time.Since(start); took != 0 {
			t.Errorf("Emit waited, %v in all", took)
		}
		if got, want := told.String(), "dropped 7"; got != want {
			t.Errorf("outcomes: %s, want %s", got, want)
		}
		close(c.wait)
		time.Sleep(5 * batchDelay)
		if got, want := told.String(), "dropped 7, sent 2560"; got != want {
			t.Errorf("outcomes: %s, want %s", got, want)
		}
		stop()
	})
}

// What is left at the end is exported, if the collector takes it soon.
func TestFlush(t *testing.T) {
	for _, row := range []struct {
		name     string
		statuses []int
		hangs    bool
		want     string
		took     time.Duration // at the most
	}{
		{"taken", nil, false, "sent 600", 0},
		{"down", slices.Repeat([]int{0}, 100), false, "failed 600", flushTime},
		{"silent", nil, true, "failed 600", flushTime},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &fakeCollector{statuses: row.statuses}
				if row.hangs {
					c.wait = make(chan struct{})
				}
				tracer, told := newTracer(t, c)
				stop := run(t, tracer)
				synctest.Wait()
				emit(tracer, 600)
				start := time.Now()
				stop()
				if took := time.Since(start); took > row.took {
					t.Errorf("the end took %v, want %v at the most", took, row.took)
				}
				told.mu.Lock()
				delete(told.spans, Retried)
				told.mu.Unlock()
				if got := told.String(); got != row.want {
					t.Errorf("outcomes: %s, want %s", got, row.want)
				}
			})
		})
	}
}

// What a collector takes in part is not sent again.
func TestPartialSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &fakeCollector{partial: &collector.ExportTracePartialSuccess{RejectedSpans: 2, ErrorMessage: "too old\n"}}
		tracer, told := newTracer(t, c)
		defer run(t, tracer)()
		emit(tracer, 5)
		time.Sleep(time.Minute)
		if got, want := told.String(), "rejected 2, sent 3"; got != want || len(c.attempts()) != 1 {
			t.Errorf("%d attempts, outcomes: %s, want %s", len(c.attempts()), got, want)
		}
		if want := `trace: http://collector.test:4318/v1/traces says "too old\n"`; !slices.Equal(told.errors, []string{want}) {
			t.Errorf("errors: %q, want %q", told.errors, want)
		}
	})
}
