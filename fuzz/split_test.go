package fuzz

import (
	"iter"
	"reflect"
	"slices"
	"testing"

	"github.com/spliceway/spliceway/httpparse"
)

// positions yields where a stream of n octets is cut: everywhere if it is short,
// else near its ends and at some places between.
func positions(n int) iter.Seq[int] {
	const short, near, between = 96, 20, 24
	return func(yield func(int) bool) {
		for at := 0; at <= n; at++ {
			if n <= short || at < near || at > n-near || at%(n/between) == 0 {
				if !yield(at) {
					return
				}
			}
		}
	}
}

// splits yields ways to cut a stream in pieces: in the smallest, and in two.
func splits(stream []byte) iter.Seq[[][]byte] {
	const most = 512 // pieces, because some readers look at all of them again and again
	return func(yield func([][]byte) bool) {
		if len(stream) > 0 && !yield(slices.Collect(slices.Chunk(stream, 1+len(stream)/most))) {
			return
		}
		for at := range positions(len(stream)) {
			if !yield([][]byte{stream[:at:at], stream[at:]}) {
				return
			}
		}
	}
}

// smallLimits are limits that a mutated seed passes soon.
var smallLimits = &httpparse.Limits{Head: 256, Line: 90, Fields: 6, Trailer: 24}

// limitsOf returns the default limits or the small ones.
func limitsOf(small bool) *httpparse.Limits {
	if small {
		return smallLimits
	}
	return nil
}

// A parsed head: how many octets it has, what it says in writing, and the error.
type parsed struct {
	n    int
	text string
	err  error
}

// checkPrefixes parses a stream as far as it has come at any time. The verdict has
// to be the same for good once it is given, and a head has to be accepted as soon
// as its last octet is there. It returns the verdict on the whole.
func checkPrefixes(t *testing.T, stream []byte, parse func([]byte) parsed) parsed {
	t.Helper()
	whole := parse(stream)
	refusal, refused := whole.err.(*httpparse.Error)
	switch {
	case whole.err == nil:
		if whole.n <= 0 || whole.n > len(stream) {
			t.Fatalf("the head of %q has %d octets", stream, whole.n)
		}
	case whole.n != 0 || whole.text != "":
		t.Fatalf("%q is refused, and has a head of %d octets: %s", stream, whole.n, whole.text)
	case refused:
		if refusal.Offset < 0 || refusal.Offset > len(stream) || refusal.Status < 400 || refusal.Reason == "" {
			t.Fatalf("%q is refused with %+v", stream, refusal)
		}
	case whole.err != httpparse.ErrNeedMore:
		t.Fatalf("%q has the error %v", stream, whole.err)
	}
	decided := false
	for at := range positions(len(stream)) {
		part := parse(stream[:at:at])
		if part.err == httpparse.ErrNeedMore {
			if decided || whole.err == nil && at >= whole.n {
				t.Fatalf("%q needs more, %q does not", stream[:at], stream)
			}
			continue
		}
		if decided = true; !samePart(part, whole) {
			t.Fatalf("%q is read as\n%v\nbut with more octets, %q, as\n%v", stream[:at], part, stream, whole)
		}
		if refused && at < refusal.Offset || whole.err == nil && at < whole.n {
			t.Fatalf("%q is read as %v before the octet that decides", stream[:at], part)
		}
	}
	return whole
}

// samePart tells whether two verdicts are the same.
func samePart(a, b parsed) bool {
	return a.n == b.n && a.text == b.text && (a.err == b.err || reflect.DeepEqual(a.err, b.err))
}
