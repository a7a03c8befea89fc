package spdy_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/moby/spdystream/spdy"

	. "github.com/spliceway/spliceway/spdy"
)

// control makes a control frame from its parts, right or wrong.
func control(kind, flags byte, payload ...byte) []byte {
	frame := []byte{0x80, 3, 0, kind, flags, 0, 0, 0}
	binary.BigEndian.PutUint32(frame[4:], uint32(flags)<<24|uint32(len(payload)))
	return append(frame, payload...)
}

// data makes a data frame.
func data(stream uint32, flags byte, octets string) []byte {
	frame := binary.BigEndian.AppendUint32(nil, stream)
	frame = binary.BigEndian.AppendUint32(frame, uint32(flags)<<24|uint32(len(octets)))
	return append(frame, octets...)
}

var execStreams = []wireStream{{ID: 1, StreamType: "error"}, {ID: 3, StreamType: "stdin"}, {ID: 5, StreamType: "stdout"}}

// TestNextRefuses has single frames of a connection with streams 1, 3 and 5.
func TestNextRefuses(t *testing.T) {
	const client, server = Client, Server
	for _, row := range []struct {
		name  string
		from  Peer
		frame []byte
		want  string
	}{
		{"version-0", client, []byte{0x80, 0, 0, 6, 0, 0, 0, 4}, "version is not 3"},
		{"version-of-15-bits", client, []byte{0xc0, 3, 0, 6, 0, 0, 0, 4}, "version is not 3"},
		{"type-10", client, control(10, 0, 0, 0, 0, 1), "unknown type of control frame"},
		{"type-of-16-bits", client, []byte{0x80, 3, 1, 6, 0, 0, 0, 4}, "unknown type of control frame"},
		{"syn-unidirectional", client, control(1, 2, make([]byte, 20)...), "flag that the control frame must not have"},
		{"reply-fin", server, control(2, 1, make([]byte, 20)...), "flag that the control frame must not have"},
		{"headers-fin", client, control(8, 1, make([]byte, 20)...), "flag that the control frame must not have"},
		{"reset-flags", client, control(3, 1, 0, 0, 0, 1, 0, 0, 0, 5), "flag that the control frame must not have"},
		{"settings-flags", client, control(4, 2, 0, 0, 0, 0), "flag that the control frame must not have"},
		{"goaway-flags", client, control(7, 1, make([]byte, 8)...), "flag that the control frame must not have"},
		{"window-update-flags", client, control(9, 1, make([]byte, 8)...), "flag that the control frame must not have"},
		{"settings-without-count", client, control(4, 0, 0, 0), "wrong length of a control frame"},
		{"settings-count-of-32-bits", client, control(4, 0, 0x20, 0, 0, 0), "wrong length of a control frame"},
		{"headers-of-3", client, control(8, 0, 0, 0, 1), "wrong length of a control frame"},
		{"goaway-of-4", client, control(7, 0, 0, 0, 0, 1), "wrong length of a control frame"},
		{"control-of-64-kib-and-1", client, []byte{0x80, 3, 0, 1, 0, 1, 0, 1}, "control frame too large"},
		{"syn-id-of-32-bits", client, control(1, 0, 0x80, 0, 0, 9, 0, 0, 0, 0, 0, 0), "stream id of 32 bits"},
		{"syn-associated-id-of-32-bits", client, control(1, 0, 0, 0, 0, 9, 0x80, 0, 0, 0, 0, 0), "stream id of 32 bits"},
		{"reset-id-of-32-bits", client, control(3, 0, 0x80, 0, 0, 1, 0, 0, 0, 5), "stream id of 32 bits"},
		{"goaway-id-of-32-bits", client, control(7, 0, 0x80, 0, 0, 1, 0, 0, 0, 0), "stream id of 32 bits"},
		{"window-update-id-of-32-bits", client, control(9, 0, 0x80, 0, 0, 1, 0, 0, 0, 1), "stream id of 32 bits"},
		{"syn-without-block", client, control(1, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0), "header block is not deflate"},
		{"reply-without-block", server, control(2, 0, 0, 0, 0, 1), "header block too short for its zlib head"},
		{"reply-id-zero", server, control(2, 0, 0, 0, 0, 0), "stream id zero"},
		{"headers-id-zero", server, control(8, 0, 0, 0, 0, 0), "stream id zero"},
		{"reset-status-zero", client, control(3, 0, 0, 0, 0, 1, 0, 0, 0, 0), "reset status zero"},
		{"syn-of-server", server, newFramer(t).frames(syn(7, "streamtype", "stderr")), "stream opened by the server"},
		{"reset-unknown", client, control(3, 0, 0, 0, 0, 9, 0, 0, 0, 5), "stream that was not opened"},
		{"reset-in-a-gap", client, control(3, 0, 0, 0, 0, 2, 0, 0, 0, 5), "stream that was not opened"},
		{"reply-unknown", server, newFramer(t).frames(&spdy.SynReplyFrame{StreamId: 7}), "stream that was not opened"},
		{"reply-from-client", client, control(2, 0, 0, 0, 0, 1), "reply from the client"},
		{"headers-unknown", server, newFramer(t).frames(&spdy.HeadersFrame{StreamId: 7}), "stream that was not opened"},
		{"headers-before-reply", server, newFramer(t).frames(&spdy.HeadersFrame{StreamId: 5}),
			"frame on a stream that was not replied to"},
		{"data-before-reply", server, data(5, 0, "x"), "frame on a stream that was not replied to"},
		{"data-unknown", client, data(7, 0, "x"), "stream that was not opened"},
		{"data-unknown-low-7-bits", client, data(128+3, 0, "x"), "stream that was not opened"},
		{"data-flag-02", client, data(3, 2, "x"), "flag that a data frame does not have"},
		{"data-flag-80", client, data(3, 0x80, "x"), "flag that a data frame does not have"},
	} {
		t.Run(row.name, func(t *testing.T) {
			conn := NewConn(Exec, nil)
			offset := open(t, conn, execStreams...)
			if row.from == Server {
				offset = 0
			}
			_, err := read(conn.From(row.from), row.frame)
			wantError(t, err, row.want, offset)
		})
	}
}

// TestNextRefusesHeaders has header blocks, inflated.
func TestNextRefusesHeaders(t *testing.T) {
	for _, row := range []struct {
		name, block, want string
	}{
		{"empty", "", "header block without a count"},
		{"no-streamtype", "\x00\x00\x00\x00", "streamtype missing or unknown"},
		{"count-of-3-octets", "\x00\x00\x00", "header block without a count"},
		{"count-too-large", "\x00\x00\x00\x01", "header block shorter than its count"},
		{"count-of-32-bits", "\xff\xff\xff\xff", "header block shorter than its count"},
		{"octet-behind", "\x00\x00\x00\x00x", "octets behind the fields of a header block"},
		{"name-too-long", field("a", "b")[:8] + "aaaa", "header field longer than its block"},
		{"value-too-long", field("streamtype", "error") + "\x00", "octets behind the fields of a header block"},
		{"value-cut", strings.TrimSuffix(field("streamtype", "error"), "r"), "header field longer than its block"},
		{"value-of-32-bits", "\x00\x00\x00\x01\x00\x00\x00\x01a\xff\xff\xff\xff", "header field longer than its block"},
		{"no-name", field("", "b"), "header field without a name"},
		{"upper-case", field("A", "b"), "octet not allowed in a header name"},
		{"colon", field(":host", "b"), "octet not allowed in a header name"},
		{"nul-in-name", field("a\x00", "b"), "octet not allowed in a header name"},
		{"two-values", field("streamtype", "stdin\x00stdout"), "octet not allowed in a header value"},
		{"line-feed-in-value", field("streamtype", "stdin\n"), "octet not allowed in a header value"},
		{"delete-in-value", field("streamtype", "stdin\x7f"), "octet not allowed in a header value"},
		{"twice", field("streamtype", "stdin", "a", "b", "streamtype", "stdout"), "header field twice"},
		{"unknown", field("streamtype", "stdall"), "streamtype missing or unknown"},
		{"port-forward", field("streamtype", "data"), "streamtype missing or unknown"},
		{"space", field("streamtype", " stdin"), "streamtype missing or unknown"},
		{"case", field("streamtype", "STDIN"), "streamtype missing or unknown"},
		{"used", field("streamtype", "stdout"), "streamtype twice"},
		{"too-many", field(many(65)...), "too many header fields"},
		{"most", field(many(64)...), "streamtype missing or unknown"},
		{"good", field("streamtype", "stderr", "a-b_c.1", "\x80 x"), ""},
		{"good-empty-value", field("streamtype", "stderr", "a", ""), ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			conn := NewConn(Exec, nil)
			offset := open(t, conn, execStreams...)
			payload := append([]byte{0, 0, 0, 7, 0, 0, 0, 0, 0, 0}, stored(row.block)...)
			_, err := read(conn.From(Client), control(1, 0, payload...))
			if row.want != "" {
				wantError(t, err, row.want, offset)
			} else if err != nil {
				t.Errorf("block %q: %v", row.block, err)
			}
		})
	}
}

// field returns an inflated block of names and values in turn.
func field(fields ...string) string {
	block := binary.BigEndian.AppendUint32(nil, uint32(len(fields)/2))
	for _, s := range fields {
		block = binary.BigEndian.AppendUint32(block, uint32(len(s)))
		block = append(block, s...)
	}
	return string(block)
}

func many(n int) (fields []string) {
	for i := range n {
		fields = append(fields, fmt.Sprint("a", i), "b")
	}
	return fields
}

// stored compresses a block without compressing it, as a part of a stream that has begun.
func stored(block string) []byte {
	payload := []byte{0, 0, 0, 0, 0}
	binary.LittleEndian.PutUint16(payload[1:], uint16(len(block)))
	binary.LittleEndian.PutUint16(payload[3:], ^uint16(len(block)))
	if block != "" {
		payload = append(payload, block...)
		payload = append(payload, 0, 0, 0, 0xff, 0xff)
	}
	return payload
}

// TestPorts tries ports and request ids of port-forwards.
func TestPorts(t *testing.T) {
	for _, row := range []struct {
		port, id string
		want     uint16
		reason   string
	}{
		{"1", "0", 1, ""},
		{"8080", "", 8080, ""},
		{"65535", strings.Repeat("9", 32), 65535, ""},
		{"65536", "0", 0, "port missing or not a port"},
		{"70000", "0", 0, "port missing or not a port"},
		{"100000", "0", 0, "port missing or not a port"},
		{"0", "0", 0, "port missing or not a port"},
		{"", "0", 0, "port missing or not a port"},
		{"080", "0", 0, "port missing or not a port"},
		{"+80", "0", 0, "port missing or not a port"},
		{"8o", "0", 0, "port missing or not a port"},
		{"80", strings.Repeat("9", 33), 0, "requestid too long"},
	} {
		frame := newFramer(t).frames(syn(1, "streamtype", "data", "port", row.port, "requestid", row.id))
		_, ev, err := NewConn(PortForward, nil).From(Client).Next(frame)
		if row.reason != "" {
			wantError(t, err, row.reason, 0)
		} else if err != nil || ev.Port != row.want || string(ev.RequestID) != row.id || ev.Label != LabelData {
			t.Errorf("port %q, id %q: %d, %q, %v, %v", row.port, row.id, ev.Port, ev.RequestID, ev.Label, err)
		}
	}
}

// TestLimits tries each limit from both sides.
func TestLimits(t *testing.T) {
	syn := newFramer(t).frames(syn(1, "streamtype", "error", "a", strings.Repeat("b", 100)))
	block := len(field("streamtype", "error", "a", strings.Repeat("b", 100)))
	for _, row := range []struct {
		limits Limits
		want   string
	}{
		{Limits{Control: len(syn) - 8, Block: block, Fields: 2, Streams: 1}, ""},
		{Limits{Control: len(syn) - 9}, "control frame too large"},
		{Limits{Block: block - 1}, "header block too large when inflated"},
		{Limits{Fields: 1}, "too many header fields"},
	} {
		_, err := read(NewConn(Exec, &row.limits).From(Client), syn)
		if row.want != "" {
			wantError(t, err, row.want, 0)
		} else if err != nil {
			t.Errorf("limits %+v: %v", row.limits, err)
		}
	}
}

// TestSeveralFrames: one call takes one event, and leaves the octets behind it.
func TestSeveralFrames(t *testing.T) {
	conn := NewConn(Exec, nil)
	open(t, conn, execStreams...)
	d := conn.From(Client)
	stream := slices.Concat(data(3, 0, ""), data(3, 0, "ab"), control(6, 0, 0, 0, 0, 1), data(3, 1, "c"))
	for _, want := range []struct {
		n    int
		text string
	}{{8, "DATA 3"}, {10, "DATA 3 6162"}, {12, "PING value=1"}, {9, "DATA 3 fin 63"}, {0, "none"}} {
		n, ev, err := d.Next(stream)
		if got := text(ev, ev.Data); err != nil || n != want.n || got != want.text {
			t.Fatalf("Next(%x) = %d, %q, %v, want %d, %q", stream, n, got, err, want.n, want.text)
		}
		if len(ev.Data) != cap(ev.Data) {
			t.Errorf("Data of %s reaches into the next frame", want.text)
		}
		stream = stream[n:]
	}
}

// TestPieces: data is handed on as it comes, with what is still to come, and its end with the last piece.
func TestPieces(t *testing.T) {
	conn := NewConn(Exec, nil)
	open(t, conn, execStreams...)
	d := conn.From(Client)
	frame := data(3, 1, "abc")
	for _, piece := range []struct {
		octets []byte
		data   string
		rest   int
		fin    bool
	}{{frame[:9], "a", 2, false}, {frame[9:10], "b", 1, false}, {frame[10:], "c", 0, true}} {
		n, ev, err := d.Next(piece.octets)
		if err != nil || n != len(piece.octets) || string(ev.Data) != piece.data || ev.Rest != piece.rest ||
			ev.Fin != piece.fin || ev.Label != LabelStdin {
			t.Errorf("Next(%x) = %d, %+v, %v, want %+v", piece.octets, n, ev, err, piece)
		}
	}
}

// TestEnd tells the end of a connection between frames from one inside.
func TestEnd(t *testing.T) {
	ping := control(6, 0, 0, 0, 0, 1)
	for n := range len(ping) + 1 {
		d := NewConn(Exec, nil).From(Client)
		if _, err := read(d, ping, ping[:n]); err != nil {
			t.Fatal(err)
		}
		if n == 0 || n == len(ping) {
			if err := d.End(); err != nil {
				t.Errorf("End behind a frame = %v", err)
			}
			continue
		}
		wantError(t, d.End(), "end of the connection", 12)
		if _, _, err := d.Next(ping); err != d.End() {
			t.Errorf("Next behind the end = %v, want %v", err, d.End())
		}
	}
}
