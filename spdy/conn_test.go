package spdy_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/moby/spdystream/spdy"

	. "github.com/spliceway/spliceway/spdy"
)

// peer is one end of a connection under test.
type peer struct {
	*framer
	d *Decoder
}

func newPeer(t *testing.T, c *Conn, from Peer) *peer { return &peer{newFramer(t), c.From(from)} }

// sends wants frames to be read without refusal, and returns the labels of their events.
func (p *peer) sends(frames ...spdy.Frame) (labels []Label) {
	p.tb.Helper()
	octets := p.frames(frames...)
	for len(octets) > 0 {
		n, ev, err := p.d.Next(octets)
		if err != nil {
			p.tb.Fatalf("Next(%x) = %v", octets, err)
		}
		labels = append(labels, ev.Label)
		octets = octets[n:]
	}
	return labels
}

// refused wants a frame to be refused for the reason.
func (p *peer) refused(frame spdy.Frame, reason string) {
	p.tb.Helper()
	_, err := read(p.d, p.frames(frame))
	if refusal, ok := err.(*Error); !ok || refusal.Reason != reason {
		p.tb.Errorf("%T is %v, want %q", frame, err, reason)
	}
}

// wantLabels compares labels.
func wantLabels(t *testing.T, what string, got []Label, want ...Label) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: labels %v, want %v", what, got, want)
	}
}

func octetsOn(id uint32, flags spdy.DataFlags) *spdy.DataFrame {
	return &spdy.DataFrame{StreamId: spdy.StreamId(id), Flags: flags, Data: []byte("x")}
}

func resetOf(id uint32) *spdy.RstStreamFrame {
	return &spdy.RstStreamFrame{StreamId: spdy.StreamId(id), Status: spdy.Cancel}
}

func replyTo(id uint32) *spdy.SynReplyFrame { return &spdy.SynReplyFrame{StreamId: spdy.StreamId(id)} }

// TestExecDataBehindReset: a server writes on when the client has reset a stream, and a client can read it. It stays
// output.
func TestExecDataBehindReset(t *testing.T) {
	c := NewConn(Exec, nil)
	client, server := newPeer(t, c, Client), newPeer(t, c, Server)
	wantLabels(t, "open", client.sends(syn(1, "streamtype", "error"), syn(3, "streamtype", "stdout")), LabelError, LabelStdout)
	wantLabels(t, "reply", server.sends(replyTo(3)), LabelStdout)
	wantLabels(t, "reset", client.sends(resetOf(3)), LabelStdout)
	wantLabels(t, "data behind reset", server.sends(octetsOn(3, spdy.DataFlagFin)), LabelStdout)
	wantLabels(t, "reset by both", server.sends(resetOf(3)), LabelStdout)
	wantLabels(t, "data behind all", server.sends(octetsOn(3, 0)), LabelStdout)
	client.refused(syn(3, "streamtype", "stdin"), "stream id that does not increase")
}

// TestExecDataBehindFin: a write and an end of input can cross in the client.
func TestExecDataBehindFin(t *testing.T) {
	c := NewConn(Exec, nil)
	client := newPeer(t, c, Client)
	client.sends(syn(1, "streamtype", "stdin"))
	wantLabels(t, "data behind fin", client.sends(octetsOn(1, spdy.DataFlagFin), octetsOn(1, 0)), LabelStdin, LabelStdin)
}

// TestExecSecondReply: there is one.
func TestExecSecondReply(t *testing.T) {
	c := NewConn(Exec, nil)
	client, server := newPeer(t, c, Client), newPeer(t, c, Server)
	client.sends(syn(1, "streamtype", "error"))
	server.sends(replyTo(1))
	server.refused(replyTo(1), "second reply to a stream")
}

// TestPortForwardForgets: a stream is forgotten when both peers have ended it, or one has reset it; what is still under
// way has no label. Ids that were never opened stay refused.
func TestPortForwardForgets(t *testing.T) {
	c := NewConn(PortForward, nil)
	client, server := newPeer(t, c, Client), newPeer(t, c, Server)
	for _, id := range []uint32{1, 3, 5} {
		client.sends(syn(id, "streamtype", "data", "port", "80", "requestid", fmt.Sprint(id)))
	}
	server.sends(replyTo(1), replyTo(3))

	wantLabels(t, "end", client.sends(octetsOn(1, spdy.DataFlagFin)), LabelData)
	wantLabels(t, "still open", client.sends(octetsOn(1, 0)), LabelData)
	wantLabels(t, "end", server.sends(octetsOn(1, spdy.DataFlagFin)), LabelData)
	wantLabels(t, "forgotten", server.sends(octetsOn(1, 0), resetOf(1)), NoLabel, NoLabel)

	wantLabels(t, "reset", client.sends(resetOf(3), resetOf(5)), LabelData, LabelData)
	wantLabels(t, "forgotten", server.sends(octetsOn(3, 0), replyTo(5)), NoLabel, NoLabel)
	server.refused(octetsOn(7, 0), "stream that was not opened")
	client.refused(octetsOn(2, 0), "stream that was not opened")
}

// TestPortForwardEndInSyn: the FIN of a SYN_STREAM counts.
func TestPortForwardEndInSyn(t *testing.T) {
	c := NewConn(PortForward, nil)
	client, server := newPeer(t, c, Client), newPeer(t, c, Server)
	frame := syn(1, "streamtype", "error", "port", "80")
	frame.CFHeader.Flags = spdy.ControlFlagFin
	client.sends(frame)
	wantLabels(t, "end", server.sends(replyTo(1), octetsOn(1, spdy.DataFlagFin)), LabelError, LabelError)
	wantLabels(t, "forgotten", server.sends(octetsOn(1, 0)), NoLabel)
}

// TestStreamsLimit: so many are open at once, of any number over the time.
func TestStreamsLimit(t *testing.T) {
	for _, limit := range []int{0, 10} {
		c := NewConn(PortForward, &Limits{Streams: limit})
		client := newPeer(t, c, Client)
		most := limit
		if most == 0 {
			most = 1024
		}
		id := uint32(1)
		next := func() *spdy.SynStreamFrame {
			id += 2
			return syn(id, "streamtype", "data", "port", "80", "requestid", fmt.Sprint(id/4))
		}
		for range most {
			client.sends(next())
		}
		for range 3 * most {
			client.sends(resetOf(id-2*uint32(most)+2), next())
		}
		client.refused(next(), "too many streams")
	}
}

// TestGoAway: the client opens nothing more behind its own GOAWAY; one that crosses the server's is served.
func TestGoAway(t *testing.T) {
	c := NewConn(Exec, nil)
	client, server := newPeer(t, c, Client), newPeer(t, c, Server)
	server.sends(&spdy.GoAwayFrame{})
	client.sends(syn(1, "streamtype", "stdin"), &spdy.GoAwayFrame{}, octetsOn(1, 0), &spdy.GoAwayFrame{})
	client.refused(syn(3, "streamtype", "stdout"), "stream opened behind a GOAWAY")
}

// TestBothDirectionsAtOnce is for the race detector: each direction by its own goroutine.
func TestBothDirectionsAtOnce(t *testing.T) {
	c := NewConn(PortForward, nil)
	client, server := newPeer(t, c, Client), newPeer(t, c, Server)
	opened := make(chan uint32)
	go func() {
		defer close(opened)
		for id := uint32(1); id < 2000; id += 2 {
			client.sends(syn(id, "streamtype", "data", "port", "80"), octetsOn(id, 0))
			opened <- id
			client.sends(octetsOn(id, spdy.DataFlagFin))
		}
	}()
	for id := range opened {
		wantLabels(t, "server", server.sends(replyTo(id), octetsOn(id, spdy.DataFlagFin)), LabelData, LabelData)
	}
}

// An id that was left out is that of no stream: what comes on it must not pass for
// the rest of one that is closed, as in a port-forward.
func TestExecDataInGap(t *testing.T) {
	conn := NewConn(Exec, nil)
	offset := open(t, conn, wireStream{ID: 1, StreamType: "error"}, wireStream{ID: 5, StreamType: "stdout"})
	_, err := read(conn.From(Client), data(3, 0, "x"))
	wantError(t, err, "stream that was not opened", offset)
}
