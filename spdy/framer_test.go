package spdy_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/moby/spdystream/spdy"

	. "github.com/spliceway/spliceway/spdy"
)

// randomFrames makes what a client may send on a new connection for port-forwards.
func randomFrames(random *rand.Rand) (frames []spdy.Frame) {
	last := uint32(0)
	for range 1 + random.IntN(20) {
		if last == 0 || random.IntN(4) == 0 {
			last += 1 + 2*uint32(random.IntN(1<<random.IntN(25))) + last%2
			frame := syn(last, "streamtype", []string{"error", "data"}[random.IntN(2)], "port", fmt.Sprint(1+random.IntN(65535)),
				"requestid", fmt.Sprint(random.Uint32()), "x-noise", strings.Repeat("n", random.IntN(300)))
			frame.Priority = uint8(random.IntN(8))
			frames = append(frames, frame)
			continue
		}
		id := spdy.StreamId(last)
		frames = append(frames, []spdy.Frame{
			&spdy.DataFrame{StreamId: id, Flags: spdy.DataFlags(random.IntN(2)), Data: make([]byte, random.IntN(3000))},
			&spdy.DataFrame{StreamId: id, Data: fmt.Append(nil, random.Uint64())},
			&spdy.DataFrame{StreamId: id},
			&spdy.RstStreamFrame{StreamId: id, Status: spdy.RstStreamStatus(1 + random.IntN(10))},
			&spdy.PingFrame{Id: 1 + random.Uint32()/2},
			&spdy.WindowUpdateFrame{StreamId: id, DeltaWindowSize: random.Uint32()},
			&spdy.HeadersFrame{StreamId: id, Headers: map[string][]string{"x": {fmt.Sprint(random.Uint64())}}},
			&spdy.SettingsFrame{FlagIdValues: make([]spdy.SettingsFlagIdValue, random.IntN(5))},
		}[random.IntN(8)])
	}
	return frames
}

// frameText gives a frame of the peers' library the form that frames have in testdata.
func frameText(frame spdy.Frame) string {
	fields := func(header map[string][]string) (f Header) {
		for name, values := range header {
			f = append(f, Field{Name: []byte(strings.ToLower(name)), Value: []byte(values[0])})
		}
		return f
	}
	var ev Event
	switch f := frame.(type) {
	case *spdy.SynStreamFrame:
		ev = Event{Kind: Open, Stream: StreamID(f.StreamId), Header: fields(f.Headers), Fin: f.CFHeader.Flags&1 != 0}
	case *spdy.SynReplyFrame:
		ev = Event{Kind: Reply, Stream: StreamID(f.StreamId), Header: fields(f.Headers)}
	case *spdy.HeadersFrame:
		ev = Event{Kind: Headers, Stream: StreamID(f.StreamId), Header: fields(f.Headers)}
	case *spdy.DataFrame:
		return text(Event{Kind: Data, Stream: StreamID(f.StreamId), Fin: f.Flags&1 != 0}, f.Data)
	case *spdy.RstStreamFrame:
		ev = Event{Kind: Reset, Stream: StreamID(f.StreamId), Value: uint32(f.Status)}
	case *spdy.SettingsFrame:
		ev = Event{Kind: Settings, Value: uint32(len(f.FlagIdValues))}
	case *spdy.PingFrame:
		ev = Event{Kind: Ping, Value: f.Id}
	case *spdy.GoAwayFrame:
		ev = Event{Kind: GoAway, Stream: StreamID(f.LastGoodStreamId), Value: uint32(f.Status)}
	case *spdy.WindowUpdateFrame:
		ev = Event{Kind: WindowUpdate, Stream: StreamID(f.StreamId), Value: f.DeltaWindowSize}
	}
	return text(ev, nil)
}

// chop cuts a stream into pieces at random.
func chop(random *rand.Rand, stream []byte) (pieces [][]byte) {
	for len(stream) > 0 {
		n := 1 + random.IntN(min(len(stream), 1<<random.IntN(12)))
		pieces = append(pieces, stream[:n:n])
		stream = stream[n:]
	}
	return pieces
}

// TestReadsWhatPeersWrite: frames that the library of the peers writes come out as they went in, however they are cut.
func TestReadsWhatPeersWrite(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 150 {
		frames := randomFrames(random)
		var want []string
		for _, frame := range frames {
			want = append(want, frameText(frame))
		}
		stream := newFramer(t).frames(frames...)
		d := NewConn(PortForward, nil).From(Client)
		got, err := read(d, chop(random, stream)...)
		if err != nil || d.End() != nil || !slices.Equal(got, want) {
			t.Fatalf("read as\n%q, %v, at the end %v\nwant\n%q", got, err, d.End(), want)
		}
	}
}

// TestPeersReadWhatItReads changes octets at random: of what is still accepted, the library of the peers has to make the
// same frames. Each split has to give the same verdict.
func TestPeersReadWhatItReads(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	accepted := 0
	for range 800 {
		stream := newFramer(t).frames(randomFrames(random)...)
		for range 1 + random.IntN(3) {
			at := random.IntN(len(stream))
			if random.IntN(2) == 0 {
				at = min(at, random.IntN(60)) // where the first header block is
			}
			stream[at] ^= byte(1 << random.IntN(8))
		}
		whole, split := NewConn(PortForward, nil).From(Client), NewConn(PortForward, nil).From(Client)
		got, err := read(whole, stream)
		again, errAgain := read(split, chop(random, stream)...)
		if !slices.Equal(got, again) || fmt.Sprint(err) != fmt.Sprint(errAgain) {
			t.Fatalf("the stream %x is read as\n%q, %v\nbut split as\n%q, %v", stream, got, err, again, errAgain)
		}
		if len(got) > 0 && strings.HasSuffix(got[len(got)-1], "...") {
			got = got[:len(got)-1]
		}
		if want := readAsPeer(t, stream, len(got)); !slices.Equal(got, want) {
			t.Fatalf("the stream %x is read as\n%q, %v\nby a peer as\n%q", stream, got, err, want)
		}
		if err == nil {
			accepted++
		}
	}
	if accepted < 80 {
		t.Errorf("only %d streams were accepted", accepted)
	}
}

// readAsPeer returns the first frames of a stream as the library of the peers reads them, n of them at most.
func readAsPeer(t *testing.T, stream []byte, n int) (frames []string) {
	t.Helper()
	f, err := spdy.NewFramer(io.Discard, bytes.NewReader(stream))
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		frame, err := f.ReadFrame()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Logf("a peer: %v", err)
			}
			return frames
		}
		frames = append(frames, frameText(frame))
	}
	return frames
}
