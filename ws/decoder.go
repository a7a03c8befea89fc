package ws

import (
	"encoding/binary"
	"unicode/utf8"
)

// Peer is one end of a connection.
type Peer uint8

const (
	Client Peer = iota
	Server
)

// Kind is what an Event tells.
type Kind uint8

const (
	None         Kind = iota // nothing yet: the Decoder needs more octets
	Data                     // octets of a message
	CloseChannel             // the client has nothing more to send on Channel
	Ping                     // a ping
	Pong                     // a pong
	Close                    // the peer's last frame: nothing of it is to be forwarded any more
)

// String returns the kind in words.
func (k Kind) String() string { return kindNames[k] }

var kindNames = [...]string{
	None: "none", Data: "data", CloseChannel: "close-channel", Ping: "ping", Pong: "pong", Close: "close",
}

// Event is a message or a piece of one, or a control frame. Data is valid until the next call of the Decoder that made
// it; it is part of what was given to the Decoder, or of its own storage.
type Event struct {
	Kind Kind

	// Channel is the channel of Data, and that which a CloseChannel closes. A client may use any: servers ignore messages
	// on those that there are not, and on those that only they write. Zero for a Tunnel.
	Channel uint8

	// Start and End say that Data is the first or the last piece of a message. A message without octets on its channel
	// is one event with both.
	Start, End bool

	// Data is octets of the channel or, for a Tunnel, of the message. Of a control frame it is the payload, without the
	// code of a Close.
	Data []byte

	// Code is that of a Close, 0 if it has none.
	Code uint16
}

// Options are settings of a Decoder. A nil *Options and a zero field mean the defaults.
type Options struct {
	// Ports is the number of ports that a port-forward with channels asked for: port i has the channels 2*i and 2*i+1. If
	// zero, the channels are those of exec and attach.
	Ports int

	// Message is the most octets of a message. If zero, 32 MiB: servers skip longer ones.
	Message int64
}

const (
	defaultMessage = 32 << 20

	// pieceSize is the most octets that are unmasked or decoded at once.
	pieceSize = 4 << 10
	// pieceRoom is in front of them, for octets that earlier pieces complete with theirs.
	pieceRoom = 4
)

// Decoder reads what one peer sends. It has storage of 4 KiB if that is masked or base64, else of less than 300 octets.
type Decoder struct {
	from     Peer
	protocol Protocol
	ports    int
	limit    int64

	octets [longestHead]byte // of a head
	have   int               // of those
	need   int               // of those; zero if the first are not judged

	frame head // once have is need
	taken int64
	small [maxControl]byte // payload of a control frame that comes in pieces

	message message
	base64  base64Reader
	scratch []byte
	closed  bool // the peer sent a close frame

	offset int64 // octets taken
	start  int64 // of those, in front of the frame
	err    error // the first, for ever
}

// NewDecoder returns a decoder for what the peer sends behind the heads of the upgrade. The protocol is the one that the
// server chose. opts may be nil.
func NewDecoder(from Peer, protocol Protocol, opts *Options) *Decoder {
	d := &Decoder{from: from, protocol: protocol, limit: defaultMessage}
	if opts != nil {
		d.ports = opts.Ports
		if opts.Message != 0 {
			d.limit = opts.Message
		}
	}
	if from == Client || protocol.base64() {
		d.scratch = make([]byte, pieceRoom+pieceSize)
	}
	return d
}

// Next takes octets from the beginning of p, at least one unless p is empty, and returns how many. They complete at most
// one event; if there is none yet, its Kind is None. Call it again with p[n:] until that is empty. p is never changed.
//
// An error is an *Error. Then nothing of p is to be forwarded, and every further call returns the same error.
func (d *Decoder) Next(p []byte) (n int, ev Event, err error) {
	if d.err != nil {
		return 0, Event{}, d.err
	}
	n, bad := d.next(p, &ev)
	if !bad.ok() {
		d.err = &Error{Code: bad.code, Offset: d.start, Reason: bad.reason}
		return 0, Event{}, d.err
	}
	d.offset += int64(n)
	return n, ev, nil
}

// End says that the peer sends nothing more. It returns an *Error if that is in the middle of a frame or message, or the
// error that there was.
func (d *Decoder) End() error {
	if d.err == nil && (d.have > 0 || d.message.open) {
		d.err = &Error{Offset: d.start, Reason: "end of the connection"}
	}
	return d.err
}

// next is Next without what is the same for every outcome.
func (d *Decoder) next(p []byte, ev *Event) (n int, bad refusal) {
	if len(p) == 0 {
		return 0, refusal{}
	}
	if d.have == 0 {
		d.start = d.offset
		if d.closed {
			return 0, refuse(0, "octets behind a close frame")
		}
	}
	if d.have < firstOctets || d.have < d.need {
		if n, bad = d.head(p); !bad.ok() || d.need == 0 || d.have < d.need {
			return n, bad
		}
	}
	var m int
	if d.frame.op.isControl() {
		m, bad = d.control(p[n:], ev)
	} else {
		m, bad = d.data(p[n:], ev)
	}
	if d.taken == d.frame.length {
		d.have, d.need = 0, 0
	}
	return n + m, bad
}

// head takes octets of a frame's head, and begins the frame when that is complete.
func (d *Decoder) head(p []byte) (n int, bad refusal) {
	if d.have < firstOctets {
		n = copy(d.octets[d.have:firstOctets], p)
		if d.have += n; d.have < firstOctets {
			return n, refusal{}
		}
		if d.need, bad = judgeFirst(d.octets[:], d.from); !bad.ok() {
			return 0, bad
		}
	}
	m := copy(d.octets[d.have:d.need], p[n:])
	n += m
	if d.have += m; d.have < d.need {
		return n, refusal{}
	}
	d.taken = 0
	if d.frame, bad = parseHead(d.octets[:d.need]); bad.ok() && !d.frame.op.isControl() {
		bad = d.message.begin(d)
	}
	return n, bad
}

// payload takes up to limit octets of the frame's payload and returns them without their mask.
func (d *Decoder) payload(p []byte, limit int) (piece []byte) {
	n := int(min(int64(len(p)), int64(limit), d.frame.length-d.taken))
	piece = p[:n:n]
	if d.from == Client {
		piece = d.scratch[pieceRoom:][:n:n]
		unmask(piece, p[:n], d.frame.key, d.taken)
	}
	d.taken += int64(n)
	return piece
}

// control takes octets of a control frame. It is reported as a whole.
func (d *Decoder) control(p []byte, ev *Event) (n int, bad refusal) {
	before := d.taken
	n = copy(d.small[before:], d.payload(p, maxControl))
	if d.taken < d.frame.length {
		return n, refusal{}
	}
	ev.Data = d.small[:d.taken:d.taken]
	switch d.frame.op {
	case opPing:
		ev.Kind = Ping
	case opPong:
		ev.Kind = Pong
	default:
		ev.Kind, d.closed = Close, true
		return n, judgeClose(ev)
	}
	return n, refusal{}
}

// judgeClose takes the code from the payload of a close frame (RFC 6455, Section 5.5.1).
func judgeClose(ev *Event) (bad refusal) {
	if len(ev.Data) == 0 {
		return refusal{}
	}
	if len(ev.Data) == 1 {
		return refuse(codeProtocol, "half a close code")
	}
	ev.Code, ev.Data = binary.BigEndian.Uint16(ev.Data), ev.Data[2:]
	switch {
	case !isCloseCode(ev.Code):
		return refuse(codeProtocol, "close code that is not sent")
	case !utf8.Valid(ev.Data):
		return refuse(codeInvalid, "close reason is not UTF-8")
	}
	return refusal{}
}
