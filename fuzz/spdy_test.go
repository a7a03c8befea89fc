package fuzz

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	peer "github.com/moby/spdystream/spdy"

	"github.com/spliceway/spliceway/spdy"
)

// FuzzSPDY reads what both peers of a connection send. An octet of the schedule
// says who sends next, and how much.
func FuzzSPDY(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, forward bool, client, server, schedule []byte) {
		mode := spdy.Exec
		if forward {
			mode = spdy.PortForward
		}
		turns := inTurns(client, server, schedule)
		whole := readTurns(t, mode, turns, 1<<20)
		for _, size := range []int{1, 2, 3, 7, 8, 9, 64} {
			if again := readTurns(t, mode, turns, size); !again.same(whole) {
				t.Fatalf("client %x, server %x, %x is read as\n%v\nbut in pieces of %d as\n%v", client, server, schedule, whole, size, again)
			}
		}
		checkLabels(t, mode, whole, sameFrames(t, client, whole, spdy.Client))
		sameFrames(t, server, whole, spdy.Server)
		conn := spdy.NewConn(mode, nil)
		checkMemory(t, len(client)+len(server), func() {
			for _, turn := range turns {
				for piece := turn.octets; len(piece) > 0; {
					n, _, err := conn.From(turn.peer).Next(piece)
					if err != nil {
						return
					}
					piece = piece[n:]
				}
			}
		})
	})
}

// turn is what a peer sends before the other one does.
type turn struct {
	peer   spdy.Peer
	octets []byte
}

// mostOfTurn is the most octets that an octet of a schedule stands for.
const mostOfTurn = 128

// inTurns takes the octets of both peers in the order of the schedule, and
// what that leaves, the client's first.
func inTurns(client, server, schedule []byte) (turns []turn) {
	rest := [2][]byte{spdy.Client: client, spdy.Server: server}
	take := func(who spdy.Peer, n int) {
		n = min(n, len(rest[who]))
		turns = append(turns, turn{who, rest[who][:n:n]})
		rest[who] = rest[who][n:]
	}
	for _, s := range schedule {
		take(spdy.Peer(s/mostOfTurn), 1+int(s%mostOfTurn))
	}
	take(spdy.Client, len(rest[spdy.Client]))
	take(spdy.Server, len(rest[spdy.Server]))
	return turns
}

// dialogue is what decoders make of both directions.
type dialogue struct {
	frames   [2][]string // by peer, the data of each joined
	labels   [2][]spdy.Event
	complete [2]int    // octets of those
	partial  [2][]byte // data of a frame that is not complete
	taken    [2]int
	err      error // the first
	ends     [2]error
}

// same tells whether both are the same, but for what does depend on how the octets
// arrive: how many were taken of a refused frame.
func (d *dialogue) same(other *dialogue) bool {
	a, b := *d, *other
	if a.err != nil {
		a.taken, b.taken = [2]int{}, [2]int{}
	}
	return reflect.DeepEqual(a, b)
}

func (d *dialogue) String() string {
	return fmt.Sprintf("%q\n%d %x\n%v, at the end %v", d.frames, d.complete, d.partial, d.err, d.ends)
}

// readTurns gives the turns to the decoders of a connection, in pieces of a size.
func readTurns(t *testing.T, mode spdy.Mode, turns []turn, size int) *dialogue {
	t.Helper()
	conn, d := spdy.NewConn(mode, nil), new(dialogue)
	for _, turn := range turns {
		for piece := range slices.Chunk(turn.octets, size) {
			if d.feed(t, conn, turn.peer, piece); d.err != nil {
				return d
			}
		}
	}
	for who := range d.ends {
		d.ends[who] = conn.From(spdy.Peer(who)).End()
	}
	return d
}

// feed gives a piece to a decoder.
func (d *dialogue) feed(t *testing.T, conn *spdy.Conn, who spdy.Peer, piece []byte) {
	t.Helper()
	for len(piece) > 0 {
		n, ev, err := conn.From(who).Next(piece)
		if err != nil {
			if again := conn.From(who).End(); d.err != nil || n != 0 || ev.Kind != spdy.None || again != err {
				t.Fatalf("the refusal %v comes with %d, %v, and then %v", err, n, ev.Kind, again)
			}
			d.err = err
			return
		}
		if n <= 0 || n > len(piece) {
			t.Fatalf("Next takes %d of %d octets", n, len(piece))
		}
		d.taken[who] += n
		if ev.Kind == spdy.Data && len(ev.Data) > 0 && &ev.Data[len(ev.Data)-1] != &piece[n-1] {
			t.Fatalf("data of %d octets is not what was given", len(ev.Data))
		}
		d.add(who, ev)
		piece = piece[n:]
	}
}

// add adds an event.
func (d *dialogue) add(who spdy.Peer, ev spdy.Event) {
	if ev.Kind == spdy.None {
		return
	}
	data := append(d.partial[who], ev.Data...)
	if ev.Rest > 0 {
		d.partial[who] = data
		return
	}
	d.frames[who] = append(d.frames[who], spdyText(ev, data))
	d.labels[who] = append(d.labels[who], spdy.Event{Kind: ev.Kind, Stream: ev.Stream, Label: ev.Label, Port: ev.Port})
	d.complete[who], d.partial[who] = d.taken[who], nil
}

// spdyText writes down what an event and a frame of the peers' library have in
// common.
func spdyText(ev spdy.Event, data []byte) string {
	var fields []string
	for _, f := range ev.Header {
		fields = append(fields, fmt.Sprintf("%s=%q", f.Name, f.Value))
	}
	slices.Sort(fields)
	return fmt.Sprintf("%v %d fin=%v %d %v %x", ev.Kind, ev.Stream, ev.Fin, ev.Value, fields, data)
}

// sameFrames wants that the library of the peers finds the same frames in what is
// accepted. Where it refuses one, there is nobody who could take it for another. It
// returns the streams that the library finds opened.
func sameFrames(t *testing.T, stream []byte, d *dialogue, who spdy.Peer) (opened map[spdy.StreamID]http.Header) {
	t.Helper()
	opened = make(map[spdy.StreamID]http.Header)
	accepted := stream[:d.complete[who]]
	framer, err := peer.NewFramer(io.Discard, bytes.NewReader(accepted))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range d.frames[who] {
		frame, err := framer.ReadFrame()
		var refusal *peer.Error
		if errors.As(err, &refusal) && refusal.Err == peer.InvalidHeaderPresent {
			return nil // the name of a field that HTTP has for one hop
		}
		if err != nil {
			t.Fatalf("%x is read as %q, of which a peer refuses number %d: %v", accepted, d.frames[who], i, err)
		}
		if got := frameText(frame); got != want {
			t.Fatalf("%x is read as\n%s\nby a peer as\n%s", accepted, want, got)
		}
		if syn, ok := frame.(*peer.SynStreamFrame); ok {
			opened[spdy.StreamID(syn.StreamId)] = syn.Headers
		}
	}
	if frame, err := framer.ReadFrame(); err != io.EOF {
		t.Fatalf("%x: a peer finds one more frame: %v, %v", accepted, frame, err)
	}
	return opened
}

// checkLabels wants each frame of a stream to have the label that the stream was
// opened with, or none if it is one of many and closed.
func checkLabels(t *testing.T, mode spdy.Mode, d *dialogue, opened map[spdy.StreamID]http.Header) {
	t.Helper()
	if opened == nil {
		return
	}
	for _, ev := range slices.Concat(d.labels[spdy.Client], d.labels[spdy.Server]) {
		switch ev.Kind {
		case spdy.Settings, spdy.WindowUpdate, spdy.Ping, spdy.GoAway:
			continue
		}
		want := opened[ev.Stream].Get("streamtype")
		if mode == spdy.PortForward && ev.Kind != spdy.Open && ev.Label == spdy.NoLabel {
			want = spdy.NoLabel.String()
		}
		if ev.Label.String() != want {
			t.Fatalf("%v of stream %d has the label %v, want %q", ev.Kind, ev.Stream, ev.Label, want)
		}
		if port := opened[ev.Stream].Get("port"); ev.Kind == spdy.Open && mode == spdy.PortForward && decimal(int64(ev.Port)) != port {
			t.Fatalf("stream %d is for port %d, want %q", ev.Stream, ev.Port, port)
		}
	}
}

// frameText gives a frame of the peers' library the form of spdyText.
func frameText(frame peer.Frame) string {
	fields := func(header map[string][]string) (h spdy.Header) {
		for name, values := range header {
			h = append(h, spdy.Field{Name: []byte(strings.ToLower(name)), Value: []byte(strings.Join(values, "\x00"))})
		}
		return h
	}
	var ev spdy.Event
	var data []byte
	switch f := frame.(type) {
	case *peer.SynStreamFrame:
		ev = spdy.Event{Kind: spdy.Open, Stream: spdy.StreamID(f.StreamId), Header: fields(f.Headers), Fin: f.CFHeader.Flags&1 != 0}
	case *peer.SynReplyFrame:
		ev = spdy.Event{Kind: spdy.Reply, Stream: spdy.StreamID(f.StreamId), Header: fields(f.Headers), Fin: f.CFHeader.Flags&1 != 0}
	case *peer.HeadersFrame:
		ev = spdy.Event{Kind: spdy.Headers, Stream: spdy.StreamID(f.StreamId), Header: fields(f.Headers), Fin: f.CFHeader.Flags&1 != 0}
	case *peer.DataFrame:
		ev, data = spdy.Event{Kind: spdy.Data, Stream: spdy.StreamID(f.StreamId), Fin: f.Flags&1 != 0}, f.Data
	case *peer.RstStreamFrame:
		ev = spdy.Event{Kind: spdy.Reset, Stream: spdy.StreamID(f.StreamId), Value: uint32(f.Status)}
	case *peer.SettingsFrame:
		ev = spdy.Event{Kind: spdy.Settings, Value: uint32(len(f.FlagIdValues))}
	case *peer.PingFrame:
		ev = spdy.Event{Kind: spdy.Ping, Value: f.Id}
	case *peer.GoAwayFrame:
		ev = spdy.Event{Kind: spdy.GoAway, Stream: spdy.StreamID(f.LastGoodStreamId), Value: uint32(f.Status)}
	case *peer.WindowUpdateFrame:
		ev = spdy.Event{Kind: spdy.WindowUpdate, Stream: spdy.StreamID(f.StreamId), Value: f.DeltaWindowSize}
	}
	return spdyText(ev, data)
}

// spdyCase is what the target needs of a case of spdy's testdata, or of a capture.
type spdyCase struct {
	Mode string `json:"mode"`

	From   string       `json:"from"` // of a case
	Open   []spdyStream `json:"open"`
	Stream octets       `json:"stream"`

	Segments []segment `json:"segments"` // of a capture
}

// spdyStream is a stream that is open before a case begins.
type spdyStream struct {
	ID         uint32 `json:"id"`
	StreamType string `json:"streamtype"`
	Port       string `json:"port"`
	RequestID  string `json:"requestid"`
}

// open returns the frames that open streams.
func open(tb testing.TB, streams []spdyStream) []byte {
	tb.Helper()
	var frames []peer.Frame
	for _, s := range streams {
		header := map[string][]string{"streamtype": {s.StreamType}}
		if s.Port != "" {
			header["port"], header["requestid"] = []string{s.Port}, []string{s.RequestID}
		}
		frames = append(frames, &peer.SynStreamFrame{StreamId: peer.StreamId(s.ID), Headers: header})
	}
	return writeFrames(tb, frames...)
}

// writeFrames returns frames as a peer writes them first on its connection.
func writeFrames(tb testing.TB, frames ...peer.Frame) []byte {
	tb.Helper()
	var out bytes.Buffer
	framer, err := peer.NewFramer(&out, nil)
	if err != nil {
		tb.Fatal(err)
	}
	for _, frame := range frames {
		if err := framer.WriteFrame(frame); err != nil {
			tb.Fatal(err)
		}
	}
	return out.Bytes()
}

// farHeaders returns frames of which the last header block says again what stands
// nearly a window in front of it.
func farHeaders(tb testing.TB, window int) []byte {
	tb.Helper()
	random := rand.New(rand.NewPCG(1, 1))
	text := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = 'a' + byte(random.IntN(26))
		}
		return string(b)
	}
	again, filler := text(100), text(200)
	frames := []peer.Frame{&peer.SynStreamFrame{StreamId: 1, Headers: map[string][]string{"streamtype": {"error"}, "x": {again}}}}
	for ; window > 0; window -= 8000 {
		frames = append(frames, &peer.HeadersFrame{StreamId: 1, Headers: map[string][]string{"x": {strings.Repeat(filler, min(window, 8000)/len(filler))}}})
	}
	frames = append(frames, &peer.HeadersFrame{StreamId: 1, Headers: map[string][]string{"x": {again}}})
	return writeFrames(tb, frames...)
}

func spdySeeds(tb testing.TB) (seeds []seed) {
	cases := slices.Concat(loadCases[spdyCase](tb, "../spdy/testdata/cases.json"), loadCases[spdyCase](tb, "../spdy/testdata/captures.json"))
	for _, c := range cases {
		var sent [2][]byte
		sent[spdy.Client] = open(tb, c.Open)
		from := map[string]spdy.Peer{"client": spdy.Client, "server": spdy.Server}
		if c.From != "" {
			sent[from[c.From]] = append(sent[from[c.From]], c.Stream.stream(tb)...)
		}
		var schedule []byte
		for _, s := range c.Segments {
			who, octets := from[s.From], s.Octets.stream(tb)
			sent[who] = append(sent[who], octets...)
			for n := len(octets); n > 0; n -= mostOfTurn {
				schedule = append(schedule, byte(who)*mostOfTurn+byte(min(n, mostOfTurn)-1))
			}
		}
		if len(sent[0])+len(sent[1]) <= longestSeed {
			seeds = append(seeds, seed{c.Mode == "portforward", sent[spdy.Client], sent[spdy.Server], schedule})
		}
	}
	for _, window := range []int{0, 30000, 32200, 32400, 40000} {
		seeds = append(seeds, seed{false, farHeaders(tb, window), []byte{}, []byte{}})
	}
	return seeds
}
