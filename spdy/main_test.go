package spdy_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/moby/spdystream/spdy"

	. "github.com/spliceway/spliceway/spdy"
)

// wireOctets are octets as testdata has them: hexadecimal, parts of them several times.
type wireOctets []struct {
	Hex   string `json:"hex"`
	Times int    `json:"times"`
}

func (w wireOctets) octets(tb testing.TB) (all []byte) {
	tb.Helper()
	for _, part := range w {
		octets, err := hex.DecodeString(part.Hex)
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, bytes.Repeat(octets, max(part.Times, 1))...)
	}
	return all
}

// wireStream is a stream that is open.
type wireStream struct {
	ID         uint32 `json:"id"`
	StreamType string `json:"streamtype"`
	Port       string `json:"port"`
	RequestID  string `json:"requestid"`
}

func loadJSON(tb testing.TB, file string, into any) {
	tb.Helper()
	text, err := os.ReadFile("testdata/" + file)
	if err != nil {
		tb.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		tb.Fatalf("%s: %v", file, err)
	}
}

var (
	modes = map[string]Mode{"exec": Exec, "portforward": PortForward}
	peers = map[string]Peer{"client": Client, "server": Server}
)

// framer writes frames as the library of the peers does.
type framer struct {
	*spdy.Framer
	tb  testing.TB
	out bytes.Buffer
}

func newFramer(tb testing.TB) *framer {
	tb.Helper()
	f := &framer{tb: tb}
	var err error
	if f.Framer, err = spdy.NewFramer(&f.out, nil); err != nil {
		tb.Fatal(err)
	}
	return f
}

// frames returns the octets of the frames.
func (f *framer) frames(frames ...spdy.Frame) []byte {
	f.tb.Helper()
	f.out.Reset()
	for _, frame := range frames {
		if err := f.WriteFrame(frame); err != nil {
			f.tb.Fatalf("WriteFrame(%+v) = %v", frame, err)
		}
	}
	return bytes.Clone(f.out.Bytes())
}

// syn is the frame that opens a stream; fields are names and values in turn.
func syn(id uint32, fields ...string) *spdy.SynStreamFrame {
	header := map[string][]string{}
	for pair := range slices.Chunk(fields, 2) {
		header[pair[0]] = []string{pair[1]}
	}
	return &spdy.SynStreamFrame{StreamId: spdy.StreamId(id), Headers: header}
}

// open opens streams of the client's. It returns how many octets that takes.
func open(tb testing.TB, c *Conn, streams ...wireStream) (octets int64) {
	tb.Helper()
	client := newFramer(tb)
	for _, s := range streams {
		frame := client.frames(syn(s.ID, "streamtype", s.StreamType))
		if _, err := read(c.From(Client), frame); err != nil {
			tb.Fatalf("opening %v: %v", s, err)
		}
		octets += int64(len(frame))
	}
	return octets
}

// read gives the pieces to a decoder. It returns the frames that it makes of them in the form of testdata, the data of
// each joined; the last may be incomplete.
func read(d *Decoder, pieces ...[]byte) (frames []string, err error) {
	var data []byte
	var partial Event
	for _, piece := range pieces {
		for first := true; first || len(piece) > 0; first = false {
			n, ev, err := d.Next(piece)
			switch {
			case err != nil:
				return append(frames, incomplete(partial, data)...), err
			case n < 0 || n > len(piece) || n == 0 && len(piece) > 0:
				return nil, fmt.Errorf("Next takes %d of %d octets", n, len(piece))
			case ev.Kind == Data:
				if data = append(data, ev.Data...); ev.Rest > 0 {
					partial = ev
					break
				}
				frames = append(frames, text(ev, data))
				data, partial = nil, Event{}
			case ev.Kind != None:
				frames = append(frames, text(ev, nil))
			}
			piece = piece[n:]
		}
	}
	return append(frames, incomplete(partial, data)...), nil
}

// incomplete returns the frame of which the end is missing, if there is one.
func incomplete(ev Event, data []byte) []string {
	if ev.Kind == None {
		return nil
	}
	return []string{text(ev, data) + " ..."}
}

// text gives an event the form that frames have in testdata.
func text(ev Event, data []byte) string {
	var b strings.Builder
	b.WriteString(ev.Kind.String())
	if ev.Stream != 0 || ev.Kind == GoAway {
		fmt.Fprintf(&b, " %d", ev.Stream)
	}
	if ev.Fin {
		b.WriteString(" fin")
	}
	fields := make([]string, 0, len(ev.Header))
	for _, f := range ev.Header {
		fields = append(fields, fmt.Sprintf(" %s=%s", f.Name, f.Value))
	}
	slices.Sort(fields)
	b.WriteString(strings.Join(fields, ""))
	switch {
	case len(data) > 32 && bytes.Count(data, data[:1]) == len(data):
		fmt.Fprintf(&b, " %02x*%d", data[0], len(data))
	case len(data) > 0:
		fmt.Fprintf(&b, " %x", data)
	}
	switch ev.Kind {
	case Reset, Settings, WindowUpdate, Ping, GoAway:
		fmt.Fprintf(&b, " value=%d", ev.Value)
	}
	return b.String()
}

// cuttings returns ways to cut a stream: in single octets, and in two at each position. Long streams, of which most
// is alike, are cut in larger pieces, and in two near their ends and at a few positions between.
func cuttings(stream []byte) map[string][][]byte {
	const long, between = 4 << 10, 5
	size, ends, n := 1, 60, len(stream)
	if n > long {
		size, ends = n/2000, 24
	}
	all := map[string][][]byte{
		fmt.Sprintf("in pieces of %d", size): slices.Collect(slices.Chunk(stream, size)),
	}
	for at := 1; at < n; at++ {
		if n <= long || at < ends || at > n-ends/6 || at%(n/between) == 0 {
			all[fmt.Sprintf("cut at %d", at)] = [][]byte{stream[:at:at], stream[at:]}
		}
	}
	return all
}

// wantError wants err to be a refusal for the reason, of the frame at the octet.
func wantError(tb testing.TB, err error, reason string, octet int64) {
	tb.Helper()
	refusal, ok := err.(*Error)
	if !ok || refusal.Reason != reason || refusal.Offset != octet {
		tb.Errorf("error %v, want %q in the frame at octet %d", err, reason, octet)
	}
}
