package fuzz

import (
	"fmt"
	"slices"
	"testing"

	"github.com/spliceway/spliceway/httpparse"
)

// FuzzRequest parses the head of a request.
func FuzzRequest(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, small bool, stream []byte) {
		whole := checkPrefixes(t, stream, func(b []byte) parsed {
			var req httpparse.Request
			n, err := httpparse.ParseRequest(b, limitsOf(small), &req)
			return parsedRequest(n, err, &req)
		})
		if whole.err == nil {
			judgeRequest(t, stream, limitsOf(small))
		}
	})
}

// judgeRequest compares an accepted head with what net/http reads.
func judgeRequest(t *testing.T, stream []byte, limits *httpparse.Limits) {
	t.Helper()
	var req httpparse.Request
	n, _ := httpparse.ParseRequest(stream, limits, &req)
	checkClamped(t, req.Header, req.Method, req.Target)
	m := &message{
		line:    string(req.Method) + " " + string(req.Target),
		header:  req.Header,
		framing: req.Framing,
		close:   req.Close,
		body:    anyBody(req.Framing),
	}
	if m.end = n + len(m.body); m.body == nil && req.Framing.Length > 0 {
		return
	}
	got, err := newJudge(slices.Concat(stream[:n], m.body)).request()
	if err == nil {
		sameAsJudged(t, m, got)
	} else if !stricter(req.Header) {
		t.Fatalf("net/http refuses %q: %v", stream[:n], err)
	}
}

// anyBody returns a body of the framing, nil if it would be long.
func anyBody(f httpparse.Framing) []byte {
	switch {
	case f.Kind == httpparse.FramingChunked:
		return []byte("3\r\nabc\r\n0\r\n\r\n")
	case f.Length <= 4<<10:
		return make([]byte, f.Length)
	}
	return nil
}

// parsedRequest returns what became of a request. A refused one holds nothing.
func parsedRequest(n int, err error, req *httpparse.Request) parsed {
	if err != nil && req.Method == nil && len(req.Header) == 0 {
		return parsed{n, "", err}
	}
	return parsed{n, requestText(req), err}
}

// requestText writes down all that is known of a request.
func requestText(r *httpparse.Request) string {
	return fmt.Sprintf("%q %q %q %v close=%v expect=%v %v", r.Method, r.Target, fieldLines(r.Header), r.Framing, r.Close, r.Expect, r.Upgrade)
}

// checkClamped wants that an append to what was handed out writes into nothing
// else.
func checkClamped(t *testing.T, header httpparse.Header, more ...[]byte) {
	t.Helper()
	for _, f := range header {
		if len(f.Name) == 0 || f.Value == nil {
			t.Fatalf("field %q: %q", f.Name, f.Value)
		}
		more = append(more, f.Name, f.Value)
	}
	for _, b := range more {
		if cap(b) != len(b) {
			t.Fatalf("%q has room for %d more octets", b, cap(b)-len(b))
		}
	}
}

func requestSeeds(tb testing.TB) (seeds []seed) {
	for _, stream := range requestStreams(tb) {
		seeds = append(seeds, seed{false, stream}, seed{true, stream})
	}
	return seeds
}
