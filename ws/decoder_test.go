package ws_test

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	. "github.com/spliceway/spliceway/ws"
)

const (
	key = "\x37\xfa\x21\x3d"

	fin  = 0x80
	cont = 0x00
	text = 0x01
	bin  = 0x02
)

// long makes a frame with a length in another form than it has to be.
func long(first, length byte, payload string, size ...byte) []byte {
	return append(append([]byte{first, length}, size...), payload...)
}

// TestNext has streams of frames: what comes of them, or the code and reason of the refusal of the last one. Each is
// also read octet by octet.
func TestNext(t *testing.T) {
	big := strings.Repeat("b", 1<<16)
	for _, row := range []struct {
		name     string
		from     Peer
		protocol Protocol
		frames   [][]byte
		want     []string
		code     int
		reason   string
	}{
		{"server-len-125-126", Server, ChannelV5, [][]byte{frame(fin|bin, "", "\x01"+big[:124]), frame(fin|bin, "", "\x01"+big[:125])},
			[]string{"channel 1 62*124", "channel 1 62*125"}, 0, ""},
		{"server-len-65535-65536", Server, ChannelV5,
			[][]byte{frame(fin|bin, "", "\x02"+big[:65534]), frame(fin|bin, "", "\x02"+big[:65535])},
			[]string{"channel 2 62*65534", "channel 2 62*65535"}, 0, ""},
		{"client-len-65536", Client, ChannelV5, [][]byte{frame(fin|bin, key, "\x00"+big[:65535])},
			[]string{"channel 0 62*65535"}, 0, ""},
		{"len-125-in-16-bits", Server, ChannelV5, [][]byte{long(fin|bin, 126, "", 0, 125)}, nil, 1002,
			"length not in its shortest form"},
		{"len-65535-in-64-bits", Server, ChannelV5, [][]byte{long(fin|bin, 127, "", 0, 0, 0, 0, 0, 0, 0xff, 0xff)}, nil, 1002,
			"length not in its shortest form"},
		{"len-of-64-bits", Server, ChannelV5, [][]byte{long(fin|bin, 127, "", 0x80, 0, 0, 0, 0, 0, 0, 1)}, nil, 1002,
			"length of 64 bits"},
		{"len-32-mib-and-1", Server, ChannelV5, [][]byte{long(fin|bin, 127, "", 0, 0, 0, 0, 2, 0, 0, 1)}, nil, 1009,
			"message too large"},

		{"opcode-7", Server, ChannelV5, [][]byte{frame(fin|7, "", "")}, nil, 1002, "unknown opcode"},
		{"opcode-15", Client, ChannelV5, [][]byte{frame(fin|15, key, "")}, nil, 1002, "unknown opcode"},
		{"server-masked-ping", Server, ChannelV5, [][]byte{frame(fin|9, key, "")}, nil, 1002, "masked frame of the server"},
		{"client-close-unmasked", Client, ChannelV5, [][]byte{frame(fin|8, "", "")}, nil, 1002, "frame of the client without a mask"},
		{"rsv1-ping", Client, ChannelV5, [][]byte{frame(fin|0x40|9, key, "")}, nil, 1002, "reserved bit set"},
		{"ping-125", Client, ChannelV5, [][]byte{frame(fin|9, key, big[:125])}, []string{"ping 62*125"}, 0, ""},
		{"pong-126", Client, ChannelV5, [][]byte{frame(fin|10, key, big[:126])}, nil, 1002, "control frame too large"},
		{"close-fragment", Server, ChannelV5, [][]byte{frame(8, "", "")}, nil, 1002, "fragment of a control frame"},

		{"close-1014", Server, ChannelV5, [][]byte{frame(fin|8, "", "\x03\xf6")}, []string{"close 1014"}, 0, ""},
		{"close-4999", Client, ChannelV5, [][]byte{frame(fin|8, key, "\x13\x87x")}, []string{"close 4999 78"}, 0, ""},
		{"close-5000", Client, ChannelV5, [][]byte{frame(fin|8, key, "\x13\x88")}, nil, 1002, "close code that is not sent"},
		{"close-1015", Client, ChannelV5, [][]byte{frame(fin|8, key, "\x03\xf7")}, nil, 1002, "close code that is not sent"},
		{"close-1004", Client, ChannelV5, [][]byte{frame(fin|8, key, "\x03\xec")}, nil, 1002, "close code that is not sent"},
		{"close-2999", Client, ChannelV5, [][]byte{frame(fin|8, key, "\x0b\xb7")}, nil, 1002, "close code that is not sent"},
		{"close-reason-not-utf-8", Server, ChannelV5, [][]byte{frame(fin|8, "", "\x03\xe8\xe2\x82")}, nil, 1007,
			"close reason is not UTF-8"},
		{"ping-behind-close", Server, ChannelV5, [][]byte{frame(fin|8, "", ""), frame(fin|9, "", "")}, []string{"close"}, 0,
			"octets behind a close frame"},

		{"server-fragments", Server, ChannelV4,
			[][]byte{frame(bin, "", "\x01a"), frame(cont, "", ""), frame(fin|9, "", "p"), frame(fin|cont, "", "b")},
			[]string{"ping 70", "channel 1 6162"}, 0, ""},
		{"server-message-inside-message", Server, ChannelV4, [][]byte{frame(bin, "", "\x01a"), frame(bin, "", "\x01b")},
			[]string{"channel 1 61 ..."}, 1002, "message inside a message"},
		{"server-continuation-of-nothing", Server, ChannelV4, [][]byte{frame(fin|bin, "", "\x01a"), frame(fin|cont, "", "b")},
			[]string{"channel 1 61"}, 1002, "continuation of nothing"},
		{"server-empty", Server, ChannelV4, [][]byte{frame(fin|bin, "", "")}, nil, 1002, "message without a channel"},
		{"server-empty-fragments", Server, ChannelV4, [][]byte{frame(bin, "", ""), frame(fin|cont, "", "")}, nil, 1002,
			"message without a channel"},
		{"server-stdin", Server, ChannelV4, [][]byte{frame(fin|bin, "", "\x00x")}, nil, 1002, "channel that servers do not write"},
		{"server-resize", Server, ChannelV4, [][]byte{frame(fin|bin, "", "\x04x")}, nil, 1002, "channel that servers do not write"},
		{"server-close-signal", Server, ChannelV5, [][]byte{frame(fin|bin, "", "\xff\x01")}, nil, 1002,
			"channel that servers do not write"},
		{"server-text", Server, ChannelV1, [][]byte{frame(fin|text, "", "\x01x")}, nil, 1003, "wrong type of message"},

		{"client-fragment", Client, ChannelV4, [][]byte{frame(bin, key, "\x00a")}, nil, 1003, "fragment of a client's message"},
		{"client-continuation", Client, ChannelV4, [][]byte{frame(fin|cont, key, "\x00a")}, nil, 1003,
			"fragment of a client's message"},
		{"client-empty", Client, ChannelV4, [][]byte{frame(fin|bin, key, ""), frame(fin|bin, key, "\x00")}, []string{"channel 0"}, 0, ""},
		{"client-close-signal-v4", Client, ChannelV4, [][]byte{frame(fin|bin, key, "\xff\x00")}, []string{"channel 255 00"}, 0, ""},
		{"client-close-4", Client, ChannelV5, [][]byte{frame(fin|bin, key, "\xff\x04")}, []string{"close-channel 4"}, 0, ""},
		{"client-close-5", Client, ChannelV5, [][]byte{frame(fin|bin, key, "\xff\x05")}, nil, 1002,
			"close of a channel that does not exist"},
		{"client-close-of-two", Client, ChannelV5, [][]byte{frame(fin|bin, key, "\xff\x00\x01")}, nil, 1002,
			"close of not exactly one channel"},
		{"client-after-close-signal", Client, ChannelV5, [][]byte{frame(fin|bin, key, "\xff\x00"), frame(fin|bin, key, "\x00\x00")},
			[]string{"close-channel 0", "channel 0 00"}, 0, ""},

		{"tunnel-empty", Client, Tunnel, [][]byte{frame(fin|bin, key, ""), frame(fin|bin, key, "a")}, []string{"tunnel 61"}, 0, ""},
		{"tunnel-client-fragments", Client, Tunnel,
			[][]byte{frame(bin, key, "a"), frame(fin|9, key, ""), frame(fin|cont, key, "b")}, []string{"ping", "tunnel 6162"}, 0, ""},
		{"tunnel-server-fragments", Server, Tunnel, [][]byte{frame(bin, "", "ab"), frame(fin|cont, "", "")},
			[]string{"tunnel 6162"}, 0, ""},
		{"tunnel-message-inside-message", Client, Tunnel, [][]byte{frame(bin, key, "a"), frame(fin|bin, key, "b")},
			[]string{"tunnel 61"}, 1002, "message inside a message"},
		{"tunnel-text", Client, Tunnel, [][]byte{frame(fin|text, key, "a")}, nil, 1003, "wrong type of message"},
		{"tunnel-server-text", Server, Tunnel, [][]byte{frame(fin|text, "", "a")}, nil, 1003, "wrong type of message"},

		{"base64-binary-of-server", Server, Base64V4, [][]byte{frame(fin|bin, "", "1YQ==")}, nil, 1003, "wrong type of message"},
		{"base64-binary-of-client", Client, Base64V4, [][]byte{frame(fin|bin, key, "0YQ==")}, []string{"channel 0 61"}, 0, ""},
		{"base64-empty", Server, Base64V1, [][]byte{frame(fin|text, "", "1")}, []string{"channel 1"}, 0, ""},
		{"base64-fragments", Server, Base64V1, [][]byte{frame(text, "", "1Y"), frame(cont, "", "WI"), frame(fin|cont, "", "=")},
			[]string{"channel 1 6162"}, 0, ""},
		{"base64-channel-not-a-digit", Server, Base64V1, [][]byte{frame(fin|text, "", "\x01YQ==")}, nil, 1002,
			"channel that servers do not write"},
		{"base64-unknown-channel", Client, Base64V1, [][]byte{frame(fin|text, key, "AYQ==")}, []string{"channel 17 61"}, 0, ""},
		{"base64-no-padding", Client, Base64V4, [][]byte{frame(fin|text, key, "0YQ")}, nil, 1007, "incomplete group of base64"},
		{"base64-half-padding", Client, Base64V4, [][]byte{frame(fin|text, key, "0YQ=")}, nil, 1007, "incomplete group of base64"},
		{"base64-padding-alone", Client, Base64V4, [][]byte{frame(fin|text, key, "0====")}, nil, 1007, "octet not allowed in base64"},
		{"base64-padding-early", Client, Base64V4, [][]byte{frame(fin|text, key, "0Y===")}, nil, 1007, "octet not allowed in base64"},
		{"base64-padding-inside", Client, Base64V4, [][]byte{frame(fin|text, key, "0YQ=a")}, nil, 1007, "octet not allowed in base64"},
		{"base64-behind-padding", Client, Base64V4, [][]byte{frame(fin|text, key, "0YQ==YQ==")}, nil, 1007,
			"octets behind the padding of base64"},
		{"base64-line-end", Client, Base64V4, [][]byte{frame(fin|text, key, "0YW\nJj")}, nil, 1007, "octet not allowed in base64"},
		{"base64-url-alphabet", Client, Base64V4, [][]byte{frame(fin|text, key, "0__--")}, nil, 1007, "octet not allowed in base64"},
		{"base64-stray-bits-of-two", Client, Base64V4, [][]byte{frame(fin|text, key, "0YR==")}, nil, 1007,
			"bits behind the last octet of base64"},
		{"base64-stray-bits-of-three", Client, Base64V4, [][]byte{frame(fin|text, key, "0YWJ=")}, nil, 1007,
			"bits behind the last octet of base64"},
		{"base64-next-message", Client, Base64V4, [][]byte{frame(fin|text, key, "0YQ=="), frame(fin|text, key, "0YWJj")},
			[]string{"channel 0 61", "channel 0 616263"}, 0, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			stream := slices.Concat(row.frames...)
			last := int64(len(stream) - len(row.frames[len(row.frames)-1]))
			for _, pieces := range [][][]byte{{stream}, slices.Collect(slices.Chunk(stream, 1))} {
				events, err := read(NewDecoder(row.from, row.protocol, nil), row.protocol == Tunnel, pieces...)
				if row.code == 1007 {
					events = slices.DeleteFunc(events, isIncomplete) // what came of it before depends on the pieces
				}
				if !slices.Equal(events, row.want) {
					t.Errorf("read as %q, want %q", events, row.want)
				}
				refusal, _ := err.(*Error)
				switch {
				case row.reason == "" && err != nil:
					t.Error(err)
				case row.reason != "" && (refusal == nil || *refusal != Error{row.code, last, row.reason}):
					t.Errorf("error %#v, want %d %q at octet %d", err, row.code, row.reason, last)
				}
			}
		})
	}
}

func isIncomplete(event string) bool { return strings.HasSuffix(event, "...") }

// TestPorts: a port-forward with channels has two for each port, and the server writes all.
func TestPorts(t *testing.T) {
	for channel, want := range map[string]string{"\x00": "channel 0 61", "\x03": "channel 3 61", "\x04": ""} {
		d := NewDecoder(Server, ChannelV4, &Options{Ports: 2})
		events, err := read(d, false, frame(fin|bin, "", channel+"a"))
		if got := strings.Join(events, ""); got != want || (err == nil) != (want != "") {
			t.Errorf("channel %q of 2 ports is read as %q, %v, want %q", channel, got, err, want)
		}
	}
}

// TestMessageLimit tries the limit from both sides, for a message and one in fragments. Other frames don't count.
func TestMessageLimit(t *testing.T) {
	for limit, fits := range map[int64]bool{10: true, 9: false} {
		for _, stream := range [][]byte{
			frame(fin|bin, "", "\x01234567890"),
			slices.Concat(frame(bin, "", "\x012345"), frame(fin|9, "", "0123456789"), frame(fin|cont, "", "67890")),
		} {
			d := NewDecoder(Server, ChannelV5, &Options{Message: limit})
			if _, err := read(d, false, stream, stream); (err == nil) != fits {
				t.Errorf("limit %d: %v, want it to fit: %v", limit, err, fits)
			}
		}
	}
	d := NewDecoder(Server, ChannelV5, nil)
	if _, _, err := d.Next(long(fin|bin, 127, "", 0, 0, 0, 0, 2, 0, 0, 0)); err != nil {
		t.Errorf("32 MiB are refused: %v", err)
	}
}

// TestPieces: octets are handed on as they come, with the message's ends marked.
func TestPieces(t *testing.T) {
	stream := frame(fin|bin, "", "\x01abc")
	d := NewDecoder(Server, ChannelV5, nil)
	for _, piece := range []struct {
		octets, data string
		start, end   bool
	}{{string(stream[:3]), "", false, false}, {"a", "a", true, false}, {"bc", "bc", false, true}} {
		n, ev, err := d.Next([]byte(piece.octets))
		if err != nil || n != len(piece.octets) || string(ev.Data) != piece.data || ev.Start != piece.start ||
			ev.End != piece.end || (ev.Kind == Data) != (piece.data != "") {
			t.Errorf("Next(%q) = %d, %+v, %v, want %+v", piece.octets, n, ev, err, piece)
		}
	}
}

// TestEnd tells an end between messages from one inside.
func TestEnd(t *testing.T) {
	for _, row := range []struct {
		stream []byte
		want   bool
	}{
		{nil, true},
		{frame(fin|bin, "", "\x01a"), true},
		{frame(fin|8, "", ""), true},
		{[]byte{fin | bin}, false},
		{frame(fin|bin, "", "\x01a")[:3], false},
		{frame(bin, "", "\x01a"), false},
	} {
		d := NewDecoder(Server, ChannelV5, nil)
		if _, err := read(d, false, row.stream); err != nil {
			t.Fatal(err)
		}
		err := d.End()
		if (err == nil) != row.want {
			t.Errorf("End behind %x = %v, want it to be one: %v", row.stream, err, row.want)
		}
		if _, _, again := d.Next(nil); again != err {
			t.Errorf("Next behind the end = %v, want %v", again, err)
		}
	}
}

// TestParseProtocol: names are as they are, and each has its own.
func TestParseProtocol(t *testing.T) {
	for p := ChannelV1; p <= Tunnel; p++ {
		if got, ok := ParseProtocol(p.String()); got != p || !ok {
			t.Errorf("ParseProtocol(%q) = %v, %v", p, got, ok)
		}
	}
	if p, ok := ParseProtocol(""); p != ChannelV1 || !ok {
		t.Errorf("ParseProtocol of none = %v, %v", p, ok)
	}
	for _, name := range []string{"v3.channel.k8s.io", "V5.channel.k8s.io", "v5.channel.k8s.io ", "SPDY/3.1+v5.channel.k8s.io", "chat"} {
		if p, ok := ParseProtocol(name); ok {
			t.Errorf("ParseProtocol(%q) = %v", name, p)
		}
	}
}

// TestMasks: data comes out of every mask as it went in, wherever it is cut and however it is aligned.
func TestMasks(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		var octets, k strings.Builder
		for range random.IntN(12 << 10) {
			octets.WriteByte(byte(random.Uint32()))
		}
		binary.Write(&k, binary.BigEndian, random.Uint32())
		payload := octets.String()
		want := fmt.Sprintf("channel 0%s", show([]byte(payload)))
		stream := frame(fin|bin, k.String(), "\x00"+payload)
		if got, err := read(NewDecoder(Client, ChannelV5, nil), false, chop(random, stream)...); err != nil || got[0] != want {
			t.Fatalf("%.99q masked with %x is read as %.99q, %v", want, k.String(), got, err)
		}
		text := frame(fin|text, k.String(), "0"+base64.StdEncoding.EncodeToString([]byte(payload)))
		if got, err := read(NewDecoder(Client, Base64V4, nil), false, chop(random, text)...); err != nil || got[0] != want {
			t.Fatalf("%.99q in base64 masked with %x is read as %.99q, %v", want, k.String(), got, err)
		}
	}
}

// chop cuts a stream into pieces at random.
func chop(random *rand.Rand, stream []byte) (pieces [][]byte) {
	for len(stream) > 0 {
		n := 1 + random.IntN(min(len(stream), 1<<random.IntN(13)))
		pieces = append(pieces, stream[:n:n])
		stream = stream[n:]
	}
	return pieces
}
