package session_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	. "github.com/spliceway/spliceway/session"
)

// gatherer is a Gatherer whose Flush can fail.
type gatherer struct {
	collector
	t         *testing.T
	gathering bool
	gathered  int // events since Gather
	flushes   []int
	full      bool
}

func (g *gatherer) Event(e *Event) error {
	if output := e.Type == Stdout || e.Type == Stderr || e.Type == Exit; output && !g.gathering {
		g.t.Errorf("%s comes outside of Gather and Flush", e.Type)
	}
	g.gathered++
	return g.collector.Event(e)
}

func (g *gatherer) Gather() { g.gathering, g.gathered = true, 0 }

func (g *gatherer) Flush() error {
	g.gathering = false
	g.flushes = append(g.flushes, g.gathered)
	if g.full {
		return errDiskFull
	}
	return nil
}

// ending is a stream that says something, then more and how it ended, in the framing of a protocol.
func ending(t *testing.T, protocol string) (begin []segment, end []byte) {
	const status = `{"metadata":{},"status":"Success"}`
	var segments []segment
	if protocol == "spdy" {
		peers := newSPDYPeers(t).openAll().data(false, 7, "first")
		begin = slices.Clone(peers.segments)
		segments = peers.data(false, 5, marker).data(false, 7, marker).data(false, 1, status).segments[len(begin):]
	} else {
		begin = []segment{message(protocol, false, 1, ""), message(protocol, false, 2, "first")}
		segments = []segment{message(protocol, false, 1, marker), message(protocol, false, 2, marker),
			message(protocol, false, 3, status), closeFrame}
	}
	for _, seg := range segments {
		end = append(end, seg.p...)
	}
	return begin, end
}

// TestGather: all that one Down decodes is taken at once, and if it is not, the client gets nothing of it, but the cause
// in a place where it can be read, even if the stream had just said that all is well.
func TestGather(t *testing.T) {
	for _, protocol := range []string{"v4.channel.k8s.io", "v4.base64.channel.k8s.io", "v5.channel.k8s.io", "spdy"} {
		for _, full := range []bool{false, true} {
			t.Run(protocol+map[bool]string{false: "/room", true: "/full"}[full], func(t *testing.T) {
				info := mustRecognise(t, protocol == "spdy", plainExec, strings.Replace(protocol, "spdy", "v4.channel.k8s.io", 1))
				sink := &gatherer{t: t}
				s, err := New(info, Config{Sink: sink})
				if err != nil {
					t.Fatal(err)
				}
				begin, end := ending(t, protocol)
				var client []byte
				for _, seg := range begin {
					if seg.up {
						err = s.Up(seg.p)
					} else {
						var got []byte
						got, err = down(s, seg.p)
						client = append(client, got...)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				sink.full = full
				got, err := down(s, end)
				client = append(client, got...)
				if n := sink.flushes[len(sink.flushes)-1]; n != 3 {
					t.Errorf("the last Down gathered %d events, want two outputs and the exit", n)
				}
				if !full {
					if err != nil || !strings.HasSuffix(string(client), string(end)) {
						t.Errorf("the client gets %q, %v", client, err)
					}
					return
				}
				if !errors.Is(err, errDiskFull) || strings.Contains(string(client), marker) {
					t.Errorf("the client gets %q, %v, want nothing that is not recorded", client, err)
				}
				wantToldWhy(t, protocol, client, 0)
			})
		}
	}
}
