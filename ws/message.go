package ws

// message is the message at hand: one frame, or several that follow each other.
type message struct {
	open    bool  // there is one
	addr    bool  // its channel is known
	begun   bool  // an event was made of it
	channel uint8 // if addr
	signal  bool  // it closes a channel
	size    int64 // of its frames so far
}

// begin begins the data frame of which the decoder has the head: a message, or a fragment of one (RFC 6455, Section 5.4).
//
// A client's messages on channels have no fragments. The API server and the runtimes take every frame for a message, so
// that the first octet of a fragment would be a channel to them, and data to all others. Where there are no channels
// both is the same. A server's client joins them; a server that writes in fragments is one that does so too.
func (m *message) begin(d *Decoder) (bad refusal) {
	f := &d.frame
	switch {
	case d.from == Client && d.protocol != Tunnel && (f.op == opContinuation || !f.fin):
		return refuse(codeUnsupported, "fragment of a client's message")
	case f.op == opContinuation && !m.open:
		return refuse(codeProtocol, "continuation of nothing")
	case f.op != opContinuation && m.open:
		return refuse(codeProtocol, "message inside a message")
	case f.op == opText && !d.takesText() || f.op == opBinary && !d.takesBinary():
		return refuse(codeUnsupported, "wrong type of message")
	}
	if !m.open {
		*m = message{open: true, addr: d.protocol == Tunnel}
	}
	if f.length > d.limit-m.size {
		return refuse(codeTooBig, "message too large")
	}
	m.size += f.length
	return refusal{}
}

// takesText and takesBinary tell what type messages have. A server goes by the subprotocol alone in what it reads, and
// writes the type that belongs to it; clients don't all take another one. The ends of a tunnel insist on binary.
func (d *Decoder) takesText() bool {
	return d.protocol.base64() || d.from == Client && d.protocol != Tunnel
}

func (d *Decoder) takesBinary() bool { return !d.protocol.base64() || d.from == Client }

// data takes octets of a data frame.
func (d *Decoder) data(p []byte, ev *Event) (n int, bad refusal) {
	limit := len(p)
	if d.scratch != nil {
		limit = pieceSize
	}
	piece := d.payload(p, limit)
	n = len(piece)
	end := d.frame.fin && d.taken == d.frame.length
	m := &d.message
	if !m.addr && n > 0 {
		if bad = d.address(piece[0]); !bad.ok() {
			return 0, bad
		}
		piece = piece[1:]
	}
	if end {
		m.open = false
	}
	switch {
	case !m.addr && end && d.from == Server:
		return 0, refuse(codeProtocol, "message without a channel")
	case !m.addr:
		return n, refusal{} // or one of the client's, which servers ignore
	case m.signal:
		return n, d.closeChannel(piece, ev)
	case d.protocol.base64():
		if piece, bad = d.decode(piece, end); !bad.ok() {
			return 0, bad
		}
	}
	if len(piece) > 0 || end {
		*ev = Event{Kind: Data, Channel: m.channel, Start: !m.begun, End: end, Data: piece}
		m.begun = true
	}
	return n, refusal{}
}

// address takes the first octet of a message.
func (d *Decoder) address(octet byte) (bad refusal) {
	m := &d.message
	m.addr, m.channel = true, octet
	if d.protocol.base64() {
		m.channel = octet - '0'
	}
	if d.from == Server {
		if !d.serverWrites(m.channel) {
			return refuse(codeProtocol, "channel that servers do not write")
		}
		return refusal{}
	}
	if m.signal = d.protocol == ChannelV5 && octet == closeSignal; m.signal && d.frame.length != 2 {
		return refuse(codeProtocol, "close of not exactly one channel")
	}
	return refusal{}
}

// serverWrites tells whether a server sends on the channel.
func (d *Decoder) serverWrites(channel uint8) bool {
	if d.ports > 0 {
		return int(channel) < 2*d.ports
	}
	return channel >= ChannelStdout && channel <= ChannelError
}

// closeChannel takes the octet behind a close signal, if it is there.
func (d *Decoder) closeChannel(piece []byte, ev *Event) (bad refusal) {
	if len(piece) == 0 {
		return refusal{}
	}
	if piece[0] >= execChannels {
		return refuse(codeProtocol, "close of a channel that does not exist")
	}
	*ev = Event{Kind: CloseChannel, Channel: piece[0]}
	return refusal{}
}

// decode decodes a piece of a message in base64, to the storage of the decoder.
func (d *Decoder) decode(piece []byte, end bool) (decoded []byte, bad refusal) {
	n, bad := d.base64.decode(d.scratch, piece)
	if bad.ok() && end {
		bad = d.base64.end()
	}
	return d.scratch[:n:n], bad
}
