package fuzz

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/spliceway/spliceway/ws"
)

// subprotocols are all that there are.
var subprotocols = [...]ws.Protocol{ws.ChannelV1, ws.Base64V1, ws.ChannelV4, ws.Base64V4, ws.ChannelV5, ws.Tunnel}

// FuzzWebSocket reads what one peer sends.
func FuzzWebSocket(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, server bool, number, ports uint8, small bool, stream []byte) {
		from, protocol := ws.Client, subprotocols[int(number)%len(subprotocols)]
		if server {
			from = ws.Server
		}
		opts := &ws.Options{Ports: int(ports % 4)}
		if small {
			opts.Message = 300
		}
		whole := readFrames(t, ws.NewDecoder(from, protocol, opts), stream)
		for pieces := range splits(stream) {
			if again := readFrames(t, ws.NewDecoder(from, protocol, opts), pieces...); !again.same(whole) {
				t.Fatalf("%v %v: %x is read as\n%v\nbut in %d pieces, the first of %d octets, as\n%v", from, protocol, stream,
					whole, len(pieces), len(pieces[0]), again)
			}
		}
		frames := plainFrames(stream[:whole.taken])
		if want := plainEvents(from, protocol, frames); !slices.Equal(whole.events, want) {
			t.Fatalf("%v %v: %x is read as\n%q, want\n%q", from, protocol, stream, whole.events, want)
		}
		sameAsLibrary(t, from, stream, frames)
		d := ws.NewDecoder(from, protocol, opts)
		checkMemory(t, len(stream), func() {
			for rest := stream; len(rest) > 0; {
				n, _, err := d.Next(rest)
				if err != nil {
					return
				}
				rest = rest[n:]
			}
		})
	})
}

// readEvents is what a decoder makes of a stream.
type readEvents struct {
	events []string // complete ones, the data of each message joined
	data   []byte   // of a message that is not complete
	open   bool     // there is one
	taken  int
	err    *ws.Error
	end    error
}

// same tells whether both are the same, but for what does depend on how the octets
// arrive: how much of a refused message was handed on before.
func (r *readEvents) same(other *readEvents) bool {
	switch {
	case !slices.Equal(r.events, other.events) || !reflect.DeepEqual(r.err, other.err):
		return false
	case r.err != nil:
		return true
	}
	return r.open == other.open && bytes.Equal(r.data, other.data) && reflect.DeepEqual(r.end, other.end)
}

func (r *readEvents) String() string {
	return fmt.Sprintf("%q, %v %x, refused: %v, at the end: %v", r.events, r.open, r.data, r.err, r.end)
}

// readFrames gives pieces to a decoder.
func readFrames(t *testing.T, d *ws.Decoder, pieces ...[]byte) *readEvents {
	t.Helper()
	r := new(readEvents)
	for _, piece := range pieces {
		before := bytes.Clone(piece)
		for rest := piece; len(rest) > 0; {
			n, ev, err := d.Next(rest)
			if err != nil {
				r.err = err.(*ws.Error)
				r.taken = int(r.err.Offset) // what is behind is in the frame that is refused
				if again := d.End(); n != 0 || ev.Kind != ws.None || again != err {
					t.Fatalf("the refusal %v comes with %d, %v, and then %v", err, n, ev.Kind, again)
				}
				return r
			}
			if n <= 0 || n > len(rest) {
				t.Fatalf("Next takes %d of %d octets", n, len(rest))
			}
			r.taken += n
			r.add(t, ev)
			rest = rest[n:]
		}
		if !bytes.Equal(piece, before) {
			t.Fatalf("Next changes %x to %x", before, piece)
		}
	}
	r.end = d.End()
	return r
}

// add adds an event.
func (r *readEvents) add(t *testing.T, ev ws.Event) {
	t.Helper()
	switch ev.Kind {
	case ws.None:
	case ws.CloseChannel:
		r.events = append(r.events, fmt.Sprint("close ", ev.Channel))
	case ws.Data:
		if ev.Start == r.open {
			t.Fatalf("start of a message is %v, and one is open: %v", ev.Start, r.open)
		}
		r.open, r.data = !ev.End, append(r.data, ev.Data...)
		if ev.End {
			r.events = append(r.events, fmt.Sprintf("%d: %x", ev.Channel, r.data))
			r.data = nil
		}
	default:
		r.events = append(r.events, fmt.Sprintf("%v %d %x", ev.Kind, ev.Code, ev.Data))
	}
}

// plainFrame is a frame, as RFC 6455, Section 5.2, has it.
type plainFrame struct {
	op      byte
	fin     bool
	payload []byte // unmasked
	end     int    // in the stream
}

// plainFrames returns the complete frames at the beginning of a stream.
func plainFrames(stream []byte) (frames []plainFrame) {
	for rest := stream; len(rest) >= 2; {
		f := plainFrame{op: rest[0] & 15, fin: rest[0]&0x80 != 0}
		masked, length := rest[1]&0x80 != 0, uint64(rest[1]&0x7f)
		rest = rest[2:]
		switch {
		case length == 126 && len(rest) >= 2:
			length, rest = uint64(binary.BigEndian.Uint16(rest)), rest[2:]
		case length == 127 && len(rest) >= 8:
			length, rest = binary.BigEndian.Uint64(rest), rest[8:]
		case length >= 126:
			return frames
		}
		key := make([]byte, 4)
		if masked {
			if len(rest) < 4 {
				return frames
			}
			key, rest = rest[:4], rest[4:]
		}
		if uint64(len(rest)) < length {
			return frames
		}
		for i, c := range rest[:length] {
			f.payload = append(f.payload, c^key[i%4])
		}
		rest = rest[length:]
		f.end = len(stream) - len(rest)
		frames = append(frames, f)
	}
	return frames
}

// plainEvents returns what accepted frames mean. To servers every frame is a message,
// to the ends of a tunnel it makes no difference.
func plainEvents(from ws.Peer, protocol ws.Protocol, frames []plainFrame) (events []string) {
	var message []byte
	for _, f := range frames {
		switch f.op {
		case 8:
			code := 0
			if len(f.payload) >= 2 {
				code, f.payload = int(binary.BigEndian.Uint16(f.payload)), f.payload[2:]
			}
			events = append(events, fmt.Sprintf("close %d %x", code, f.payload))
		case 9:
			events = append(events, fmt.Sprintf("ping 0 %x", f.payload))
		case 10:
			events = append(events, fmt.Sprintf("pong 0 %x", f.payload))
		default:
			message = append(message, f.payload...)
			if f.fin || from == ws.Client && protocol != ws.Tunnel {
				events = append(events, plainMessage(from, protocol, message)...)
				message = nil
			}
		}
	}
	return events
}

// plainMessage returns what a message means: nothing if it is an empty one of a
// client.
func plainMessage(from ws.Peer, protocol ws.Protocol, message []byte) (events []string) {
	switch {
	case protocol == ws.Tunnel:
		return []string{fmt.Sprintf("0: %x", message)}
	case len(message) == 0:
		return nil
	case protocol == ws.ChannelV5 && from == ws.Client && message[0] == 255:
		return []string{fmt.Sprint("close ", message[1])}
	case protocol == ws.Base64V1 || protocol == ws.Base64V4:
		data, err := base64.StdEncoding.Strict().DecodeString(string(message[1:]))
		if err != nil || bytes.ContainsAny(message[1:], "\r\n") {
			return []string{fmt.Sprintf("%q is not base64", message)}
		}
		return []string{fmt.Sprintf("%d: %x", message[0]-'0', data)}
	}
	return []string{fmt.Sprintf("%d: %x", message[0], message[1:])}
}

// sameAsLibrary wants that the library of the servers finds the same payloads in the
// accepted frames. It takes each frame for a message.
func sameAsLibrary(t *testing.T, from ws.Peer, stream []byte, frames []plainFrame) {
	t.Helper()
	if len(frames) == 0 {
		return
	}
	var want [][]byte
	for _, f := range frames {
		if f.op < 8 && len(f.payload) > 0 {
			want = append(want, f.payload)
		}
	}
	accepted := stream[:frames[len(frames)-1].end]
	if got := libraryFrames(t, from, accepted); !slices.EqualFunc(got, want, bytes.Equal) {
		t.Fatalf("%x has the payloads %x, by x/net %x", accepted, want, got)
	}
}

// wsCase is what the target needs of a case of ws's testdata, or of a capture.
type wsCase struct {
	Subprotocol string    `json:"subprotocol"`
	From        string    `json:"from"` // of a case
	Ports       int       `json:"ports"`
	Stream      octets    `json:"stream"`
	Segments    []segment `json:"segments"` // of a capture
}

func webSocketSeeds(tb testing.TB) (seeds []seed) {
	cases := slices.Concat(loadCases[wsCase](tb, "../ws/testdata/cases.json"), loadCases[wsCase](tb, "../ws/testdata/captures.json"))
	for _, c := range cases {
		protocol, ok := ws.ParseProtocol(c.Subprotocol)
		if !ok {
			tb.Fatalf("no subprotocol %q", c.Subprotocol)
		}
		number := uint8(slices.Index(subprotocols[:], protocol))
		sent := map[string][]byte{}
		if c.From != "" {
			sent[c.From] = c.Stream.stream(tb)
		}
		for _, s := range c.Segments {
			sent[s.From] = append(sent[s.From], s.Octets.stream(tb)...)
		}
		for from, stream := range sent {
			if len(stream) <= longestSeed {
				seeds = append(seeds, seed{from == "server", number, uint8(c.Ports), len(stream) < 300, stream})
			}
		}
	}
	return seeds
}
