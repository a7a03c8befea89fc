package fuzz

import (
	"testing"

	"github.com/spliceway/spliceway/httpparse"
)

// FuzzMessages reads a stream of requests with their bodies.
func FuzzMessages(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, stream []byte) {
		r := readRequests(stream)
		for pieces := range splits(stream) {
			if again := readRequests(pieces...); !again.same(r) {
				t.Fatalf("%q is read as\n%v\nbut in %d pieces, the first of %d octets, as\n%v", stream, r, len(pieces), len(pieces[0]), again)
			}
		}
		sameMessages(t, stream, r)
		sameForwarded(t, stream, r)
	})
}

// sameMessages wants that net/http finds the messages that r did, and no other one
// in what is not complete.
func sameMessages(t *testing.T, stream []byte, r *reader) {
	t.Helper()
	j := newJudge(stream)
	for i := range r.messages {
		m := &r.messages[i]
		got, err := j.request()
		if err != nil && stricter(m.header) {
			return
		}
		if err != nil {
			t.Fatalf("net/http refuses %v: %v", m, err)
		}
		sameAsJudged(t, m, got)
	}
	if r.err != nil || r.ended {
		return // net/http takes more, and does not know about tunnels
	}
	if got, err := j.request(); err == nil {
		t.Fatalf("%q: needs more, but net/http reads %+v", stream[r.taken:], got)
	}
}

// sameForwarded wants that net/http finds in all that is forwarded one message for
// each, with the same body.
func sameForwarded(t *testing.T, stream []byte, r *reader) {
	t.Helper()
	var forwarded []byte
	for i := range r.messages {
		forwarded = append(forwarded, r.messages[i].forwarded...)
	}
	j, start := newJudge(forwarded), 0
	for i := range r.messages {
		m := r.messages[i]
		got, err := j.request()
		if err != nil {
			t.Fatalf("%q is forwarded as %q, which net/http refuses: %v", stream, forwarded, err)
		}
		if got.host != string(edit.Host) {
			t.Fatalf("%q is forwarded to the host %q", stream, got.host)
		}
		var again httpparse.Request
		if _, err := httpparse.ParseRequest(m.forwarded, nil, &again); err != nil {
			t.Fatalf("%q is forwarded as %q: %v", stream, m.forwarded, err)
		}
		m.start, m.end, m.header, m.close = start, start+len(m.forwarded), again.Header, false
		sameAsJudged(t, &m, got)
		start = m.end
	}
	if j.end() != len(forwarded) {
		t.Fatalf("%q is forwarded as %q, of which net/http leaves %d octets", stream, forwarded, len(forwarded)-j.end())
	}
}

func messagesSeeds(tb testing.TB) (seeds []seed) {
	var last []byte
	for _, stream := range requestStreams(tb) {
		seeds = append(seeds, seed{stream})
		if r := readRequests(stream); r.err == nil && len(r.messages) > 0 {
			seeds = append(seeds, seed{append(last[:len(last):len(last)], stream...)})
			last = stream
		}
	}
	return seeds
}
