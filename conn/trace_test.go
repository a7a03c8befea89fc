package conn

import (
	"strings"
	"testing"

	"github.com/spliceway/spliceway/trace"
)

const (
	traceText  = "0af7651916cd43dd8448eb211c80319c"
	parentLine = "traceparent: 00-" + traceText + "-b7ad6b7169203331-01"
	stateLine  = "tracestate: a=1,b@c=2"
)

// ourPlace is where the requests of these tests are in a trace.
var ourPlace = trace.Context{
	TraceID: trace.TraceID{0x0a, 0xf7, 0x65, 0x19, 0x16, 0xcd, 0x43, 0xdd, 0x84, 0x48, 0xeb, 0x21, 0x1c, 0x80, 0x31, 0x9c},
	SpanID:  trace.SpanID{1, 2, 3, 4, 5, 6, 7, 8}, Sampled: true,
}

const ourLine = "traceparent: 00-" + traceText + "-0102030405060708-01\r\n"

// traced has the site's requests at ourPlace, below the parent that is named. It
// returns the parents.
func (s *site) traced() *[]trace.Context {
	parents := new([]trace.Context)
	s.config.Trace = func(parent trace.Context) trace.Context {
		*parents = append(*parents, parent)
		c := ourPlace
		c.Parent = parent.SpanID
		return c
	}
	return parents
}

// tracedAs is forwarded with the gateway's traceparent.
func tracedAs(n int, line string, fields ...string) string {
	head := strings.TrimSuffix(forwarded(n, line, fields...), "\r\n")
	return head + ourLine + "\r\n"
}

// Without tracing, what a client says of its trace goes on as it came, good or bad.
func TestTraceOff(t *testing.T) {
	for _, fields := range [][]string{
		{parentLine}, {parentLine, stateLine}, {"Traceparent:  " + parentLine, "TRACESTATE: "}, {parentLine, parentLine},
		{stateLine, stateLine}, {"traceparent: 00-bad"}, {"traceparent: ", "baggage: a=1"},
	} {
		conversation(t, func(s *site) {
			c := s.connect()
			c.says(request("GET /x", fields...))
			up := s.accepts()
			up.hears(forwarded(1, "GET /x", fields...))
			up.says(noContent)
			c.hears(noContent)
		})
	}
}

// With it, the API server hears of one parent, the gateway, and of a state only if
// there was a parent that it can belong to.
func TestTraceOn(t *testing.T) {
	for _, row := range []struct {
		name   string
		fields []string
		kept   []string
		parent bool
	}{
		{"nothing", nil, nil, false},
		{"parent", []string{parentLine, "A: b"}, []string{"A: b"}, true},
		{"parent-and-state", []string{"A: b", stateLine, parentLine, stateLine}, []string{"A: b", stateLine, stateLine}, true},
		{"other-case", []string{strings.Replace(parentLine, "trace", "Trace", 1)}, nil, true},
		{"later-version", []string{strings.Replace(parentLine, "00-", "42-", 1) + "-more"}, nil, true},
		{"state-alone", []string{stateLine, "A: b"}, []string{"A: b"}, false},
		{"bad-parent", []string{"traceparent: 00-bad", stateLine}, nil, false},
		{"doubled", []string{parentLine, stateLine, parentLine}, nil, false},
		{"doubled-empty", []string{parentLine, "traceparent: "}, nil, false},
		{"baggage-stays", []string{"baggage: a=1", parentLine}, []string{"baggage: a=1"}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			conversation(t, func(s *site) {
				parents := s.traced()
				c := s.connect()
				c.says(request("GET /x", row.fields...))
				up := s.accepts()
				up.hears(tracedAs(1, "GET /x", row.kept...))
				up.says(noContent)
				c.hears(noContent)
				c.says(request("GET /x")) // nothing is left of the first
				up.hears(tracedAs(2, "GET /x"))
				up.says(noContent)
				c.hears(noContent)
				if len(*parents) != 2 || (*parents)[0].Valid() != row.parent || (*parents)[1].Valid() {
					t.Errorf("parents: %v", *parents)
				}
			})
		})
	}
}

// A request that is sent twice is one place in its trace, also when its head was moved.
func TestTraceOfRepetition(t *testing.T) {
	for _, line := range []string{"GET /x", "GET /api/v1/pods?watch=1"} {
		conversation(t, func(s *site) {
			parents := s.traced()
			s.token.next = "newer"
			c := s.connect()
			c.says(request(line, parentLine, stateLine, "A: "+strings.Repeat("b", 2000)))
			up := s.accepts()
			first := up.heard()
			up.says(response("401 Unauthorized", ""))
			second := s.accepts().heard()
			if want := strings.Replace(first, "Bearer gateway", "Bearer newer", 1); second != want || strings.Count(first, "traceparent") != 1 {
				t.Errorf("the API server hears %q, and then %q", first, second)
			}
			if len(*parents) != 1 {
				t.Errorf("%d places for one request", len(*parents))
			}
		})
	}
}
