package trace

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// fakeCollector answers exports in memory, so that time can be fake: with one status
// after another, and 200 behind them.
type fakeCollector struct {
	t        *testing.T
	statuses []int
	header   http.Header
	partial  *collector.ExportTracePartialSuccess
	wait     chan struct{} // answers wait for it; nil: they don't

	mu    sync.Mutex
	at    []time.Duration // since start, of each attempt
	start time.Time
	spans [][]string // names, of each attempt
}

func (c *fakeCollector) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	status := c.note(body)
	if c.wait != nil {
		select {
		case <-c.wait:
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
	}
	if status == 0 {
		return nil, errors.New("refused")
	}
	answer, err := proto.Marshal(&collector.ExportTraceServiceResponse{PartialSuccess: c.partial})
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Header: c.header, Body: io.NopCloser(bytes.NewReader(answer)), Request: r}, nil
}

// note keeps what an attempt has brought, and returns its status.
func (c *fakeCollector) note(body []byte) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = append(c.at, time.Since(c.start))
	c.spans = append(c.spans, names(c.t, body))
	if n := len(c.at); n <= len(c.statuses) {
		return c.statuses[n-1]
	}
	return http.StatusOK
}

// attempts returns when there were attempts.
func (c *fakeCollector) attempts() []time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.at)
}

// names are those of the spans of an export.
func names(t *testing.T, body []byte) (all []string) {
	t.Helper()
	var m collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &m); err != nil {
		t.Errorf("an export is not of protobuf: %v", err)
	}
	for _, r := range m.ResourceSpans {
		for _, s := range r.ScopeSpans {
			for _, span := range s.Spans {
				all = append(all, span.Name)
			}
		}
	}
	return all
}

// outcomes are what Report was told.
type outcomes struct {
	mu     sync.Mutex
	spans  map[Outcome]int
	errors []string
}

func (o *outcomes) report(what Outcome, spans int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.spans == nil {
		o.spans = make(map[Outcome]int)
	}
	o.spans[what] += spans
	if err != nil {
		o.errors = append(o.errors, err.Error())
	}
}

// String is like "failed 1, retried 5".
func (o *outcomes) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []string
	for what, n := range o.spans {
		if n > 0 {
			all = append(all, string(what)+" "+strconv.Itoa(n))
		}
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// newTracer returns a tracer that exports to c, and what it reports.
func newTracer(t *testing.T, c *fakeCollector) (*Tracer, *outcomes) {
	t.Helper()
	told := &outcomes{}
	tracer, err := New(Config{Endpoint: "http://collector.test:4318", Ratio: 1, Report: told.report})
	if err != nil {
		t.Fatal(err)
	}
	c.t, c.start = t, time.Now()
	tracer.link.Get().client.Transport = c
	return tracer, told
}

// emit has a tracer export n spans.
func emit(tracer *Tracer, n int) {
	for i := range n {
		tracer.Emit(&Span{Context: tracer.Start(Context{}), Name: strconv.Itoa(i), Start: time.Now(), End: time.Now()})
	}
}
