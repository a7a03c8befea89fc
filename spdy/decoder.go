package spdy

import "encoding/binary"

// Decoder reads what one peer of a Conn sends. Conn.From returns it.
type Decoder struct {
	conn *Conn
	from Peer

	head [headSize]byte
	have int // octets of head; all of them while the payload is read

	// The frame whose head is complete.
	kind   Kind
	stream StreamID // of a data frame
	label  Label    // of stream
	fin    bool
	left   int // octets of its payload that are still to come

	payload []byte // of a control frame, as far as it came in earlier calls
	blocks  inflater
	header  Header // storage
	gone    bool   // the peer sent GOAWAY

	offset int64 // octets taken
	start  int64 // of those, in front of the frame
	err    error // the first, for ever
}

// Next takes octets from the beginning of p, at least one unless p is empty, and returns how many. They complete at most
// one event; if there is none yet, its Kind is None. Call it again with p[n:] until that is empty.
//
// An error is an *Error. Then nothing of p is to be forwarded, and every further call returns the same error.
func (d *Decoder) Next(p []byte) (n int, ev Event, err error) {
	if d.err != nil {
		return 0, Event{}, d.err
	}
	n, reason := d.next(p, &ev)
	if reason != "" {
		d.err = &Error{Offset: d.start, Reason: reason}
		return 0, Event{}, d.err
	}
	d.offset += int64(n)
	return n, ev, nil
}

// End says that the peer sends nothing more. It returns an *Error if that is in the middle of a frame, or the error that
// there was.
func (d *Decoder) End() error {
	if d.err == nil && d.have > 0 {
		d.err = &Error{Offset: d.start, Reason: "end of the connection"}
	}
	return d.err
}

// next is Next without what is the same for every outcome.
func (d *Decoder) next(p []byte, ev *Event) (n int, reason string) {
	if d.have < headSize {
		if d.have == 0 {
			d.start = d.offset
		}
		n = copy(d.head[d.have:], p)
		if d.have += n; d.have < headSize {
			return n, ""
		}
		if reason = d.begin(); reason != "" {
			return 0, reason
		}
	}
	if d.kind == Data {
		return n + d.data(p[n:], ev), ""
	}
	m, reason := d.control(p[n:], ev)
	return n + m, reason
}

// begin takes the head of a frame.
func (d *Decoder) begin() (reason string) {
	d.kind, d.stream, d.fin, d.left, reason = parseHead(&d.head, d.conn.limits.Control)
	if reason != "" {
		return reason
	}
	if d.kind == Data {
		d.label, reason = d.conn.label(d.stream, d.from)
	}
	return reason
}

// data takes octets of a data frame.
func (d *Decoder) data(p []byte, ev *Event) (n int) {
	n = min(len(p), d.left)
	if n == 0 && d.left > 0 {
		return 0
	}
	d.left -= n
	*ev = Event{Kind: Data, Label: d.label, Stream: d.stream, Data: p[:n:n], Rest: d.left}
	if d.left == 0 {
		d.have = 0
		if ev.Fin = d.fin; d.fin {
			d.conn.end(d.stream, d.from)
		}
	}
	return n
}

// control takes octets of a control frame. Those of an incomplete one are kept; they are never more than came.
func (d *Decoder) control(p []byte, ev *Event) (n int, reason string) {
	n = min(len(p), d.left)
	d.left -= n
	payload := p[:n]
	if d.left > 0 || len(d.payload) > 0 {
		d.payload = append(d.payload, payload...)
		payload = d.payload
	}
	if d.left > 0 {
		return n, ""
	}
	d.have, d.payload = 0, d.payload[:0]
	ev.Kind = d.kind
	return n, d.judge(payload, ev)
}

// judge takes the payload of a control frame, of which parseControl has seen that its fixed part is there.
func (d *Decoder) judge(payload []byte, ev *Event) (reason string) {
	first := binary.BigEndian.Uint32(payload)
	switch d.kind {
	case Settings:
		ev.Value = first
		if uint64(len(payload)) != 4+8*uint64(first) {
			return "wrong length of a control frame"
		}
		return ""
	case Ping:
		if ev.Value = first; first == 0 {
			return "ping id zero"
		}
		return ""
	}
	if ev.Stream = StreamID(first); first&controlBit != 0 {
		return "stream id of 32 bits"
	}
	if d.kind == GoAway || d.kind == WindowUpdate {
		d.gone = d.gone || d.kind == GoAway
		ev.Value = binary.BigEndian.Uint32(payload[4:])
		return ""
	}
	if first == 0 {
		return "stream id zero"
	}
	return d.judgeStream(payload[4:], ev)
}

// judgeStream takes the rest of the payload of a control frame that is for the stream ev.Stream.
func (d *Decoder) judgeStream(rest []byte, ev *Event) (reason string) {
	switch d.kind {
	case Open:
		return d.open(rest, ev)
	case Reply:
		if d.from != Server {
			return "reply from the client"
		}
		if ev.Header, reason = d.fields(rest); reason == "" {
			ev.Label, reason = d.conn.reply(ev.Stream)
		}
	case Headers:
		if ev.Header, reason = d.fields(rest); reason == "" {
			ev.Label, reason = d.conn.label(ev.Stream, d.from)
		}
	case Reset:
		if ev.Value = binary.BigEndian.Uint32(rest); ev.Value == 0 {
			return "reset status zero"
		}
		ev.Label, reason = d.conn.reset(ev.Stream)
	}
	return reason
}

// open takes the payload of a SYN_STREAM behind its id. The associated stream, the priority and the slot mean nothing to
// the peers.
func (d *Decoder) open(rest []byte, ev *Event) (reason string) {
	switch {
	case d.from != Client:
		return "stream opened by the server"
	case d.gone:
		return "stream opened behind a GOAWAY"
	case binary.BigEndian.Uint32(rest)&controlBit != 0:
		return "stream id of 32 bits"
	}
	if ev.Header, reason = d.fields(rest[synFixed-headerFixed:]); reason != "" {
		return reason
	}
	if ev.Label = parseLabel(d.conn.mode, ev.Header.Get("streamtype")); ev.Label == NoLabel {
		return "streamtype missing or unknown"
	}
	if d.conn.mode == PortForward {
		if ev.Port = parsePort(ev.Header.Get("port")); ev.Port == 0 {
			return "port missing or not a port"
		}
		if ev.RequestID = ev.Header.Get("requestid"); len(ev.RequestID) > maxRequestID {
			return "requestid too long"
		}
	}
	ev.Fin = d.fin
	return d.conn.open(ev.Stream, ev.Label, d.fin)
}

// maxRequestID is more than the digits of any number that a client counts to.
const maxRequestID = 32

// fields reads a header block.
func (d *Decoder) fields(compressed []byte) (header Header, reason string) {
	block, reason := d.blocks.inflate(compressed, d.conn.limits.Block)
	if reason != "" {
		return nil, reason
	}
	header, reason = parseHeader(block, d.header[:0], d.conn.limits.Fields)
	if reason == "" {
		d.header = header
	}
	return header, reason
}
