package ws_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"

	. "github.com/spliceway/spliceway/ws"
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

func protocol(tb testing.TB, name string) Protocol {
	tb.Helper()
	p, ok := ParseProtocol(name)
	if !ok {
		tb.Fatalf("no subprotocol %q", name)
	}
	return p
}

var peers = map[string]Peer{"client": Client, "server": Server}

// frame makes a frame, right or wrong, from its first octet. It is masked if key has 4 octets.
func frame(first byte, key string, payload string) []byte {
	mask := byte(len(key)) << 5
	f := []byte{first}
	switch n := len(payload); {
	case n < 126:
		f = append(f, mask|byte(n))
	case n < 1<<16:
		f = binary.BigEndian.AppendUint16(append(f, mask|126), uint16(n))
	default:
		f = binary.BigEndian.AppendUint64(append(f, mask|127), uint64(n))
	}
	f = append(f, key...)
	for i := range len(payload) {
		c := payload[i]
		if key != "" {
			c ^= key[i%4]
		}
		f = append(f, c)
	}
	return f
}

// reading is what a decoder makes of a stream: what comes of it in the form of testdata, the data of each message
// joined, that of a tunnel too. An incomplete message is in it as far as it came.
type reading struct {
	events []string
	data   []byte
	open   *Event // of an incomplete message
}

// read gives the pieces to a decoder.
func read(d *Decoder, tunnel bool, pieces ...[]byte) (events []string, err error) {
	r := new(reading)
	for _, piece := range pieces {
		for first := true; first || len(piece) > 0; first = false {
			before := bytes.Clone(piece)
			n, ev, err := d.Next(piece)
			switch {
			case err != nil:
				return r.result(tunnel), err
			case n < 0 || n > len(piece) || n == 0 && len(piece) > 0:
				return nil, fmt.Errorf("Next takes %d of %d octets", n, len(piece))
			case len(piece) < 100 && !bytes.Equal(before, piece):
				return nil, fmt.Errorf("Next changes %x to %x", before, piece)
			}
			if err := r.take(ev, tunnel); err != nil {
				return nil, err
			}
			piece = piece[n:]
		}
	}
	return r.result(tunnel), nil
}

// take adds an event.
func (r *reading) take(ev Event, tunnel bool) error {
	switch ev.Kind {
	case None:
		return nil
	case CloseChannel:
		r.events = append(r.events, fmt.Sprintf("close-channel %d", ev.Channel))
		return nil
	case Ping, Pong, Close:
		text := ev.Kind.String()
		if ev.Code != 0 {
			text += fmt.Sprint(" ", ev.Code)
		}
		r.events = append(r.events, text+show(ev.Data))
		return nil
	}
	if ev.Start != (r.open == nil) {
		return fmt.Errorf("start of a message is %v, want %v", ev.Start, r.open == nil)
	}
	r.open = &ev
	r.data = append(r.data, ev.Data...)
	switch {
	case ev.End && tunnel:
		r.open = nil
	case ev.End:
		r.events = append(r.events, fmt.Sprintf("channel %d%s", ev.Channel, show(r.data)))
		r.data, r.open = nil, nil
	}
	return nil
}

// result returns all events, with that which is incomplete.
func (r *reading) result(tunnel bool) []string {
	switch {
	case tunnel && len(r.data) > 0:
		return append(r.events, "tunnel"+show(r.data))
	case r.open != nil && !tunnel:
		return append(r.events, fmt.Sprintf("channel %d%s ...", r.open.Channel, show(r.data)))
	}
	return r.events
}

// show gives octets the form that they have in events.
func show(data []byte) string {
	switch {
	case len(data) > 32 && bytes.Count(data, data[:1]) == len(data):
		return fmt.Sprintf(" %02x*%d", data[0], len(data))
	case len(data) > 0:
		return fmt.Sprintf(" %x", data)
	}
	return ""
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
