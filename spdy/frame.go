package spdy

import "encoding/binary"

// StreamID is the id of a stream: 31 bits, not zero.
type StreamID uint32

// Kind is what an Event tells.
type Kind uint8

const (
	None         Kind = iota // nothing yet: the Decoder needs more octets
	Data                     // octets on a stream, or its end
	Open                     // SYN_STREAM: the client opens a stream
	Reply                    // SYN_REPLY: the server accepts it
	Reset                    // RST_STREAM: either peer abandons it
	Headers                  // HEADERS: more header fields for a stream; Kubernetes has no use for them
	Settings                 // SETTINGS; likewise
	WindowUpdate             // WINDOW_UPDATE; likewise, there is no flow control
	Ping                     // PING, or the answer to one
	GoAway                   // GOAWAY: the peer takes no new streams
)

// String returns the kind as the specification writes it.
func (k Kind) String() string { return kindNames[k] }

var kindNames = [...]string{
	None: "none", Data: "DATA", Open: "SYN_STREAM", Reply: "SYN_REPLY", Reset: "RST_STREAM", Headers: "HEADERS",
	Settings: "SETTINGS", WindowUpdate: "WINDOW_UPDATE", Ping: "PING", GoAway: "GOAWAY",
}

// Event is a frame, or a piece of a data frame. Its slices are valid until the next call of the Decoder that made it;
// Data is part of what was given to it.
type Event struct {
	Kind Kind

	// Label is that of Stream, for all kinds that have one.
	//
	// A port-forward has any number of streams, so those that are closed are forgotten. What is still under way on them,
	// which the peer that reset one drops, is NoLabel. An exec has no such stream.
	Label Label

	// Fin says that the sender has nothing more to send on Stream: Data and Open. It is with the last piece of a frame.
	// Data may follow all the same, when a write and an end cross in the sender; peers drop it.
	Fin bool

	// Stream is the stream, the last one for a GoAway, and zero for the kinds without one.
	Stream StreamID

	// Rest is how many octets of a data frame are still to come: the next event is another piece of it. Zero for the
	// last piece.
	Rest int

	// Data is octets of a data frame. It is empty for a frame that has none.
	Data []byte

	// Header is that of Open, Reply and Headers.
	Header Header

	// Port and RequestID are those that an Open of a PortForward asks for. RequestID says which two streams belong
	// together; it is empty with old clients, whose data stream's id is that of the error stream and 2.
	Port      uint16
	RequestID []byte

	// Value is the status of Reset and GoAway, the id of Ping, the delta of WindowUpdate, the number of Settings.
	Value uint32
}

// headSize is the octets in front of the payload of a frame.
//
//	control: 1|version(15)=3 | type(16) | flags(8) | length(24)
//	data:    0|stream id(31)            | flags(8) | length(24)      (SPDY/3, Section 2.2)
const headSize = 8

const (
	version     = 3
	controlBit  = 1 << 31
	streamMask  = controlBit - 1
	lengthMask  = 1<<24 - 1
	flagFin     = 0x01
	flagClear   = 0x01 // of SETTINGS
	synFixed    = 10   // octets of SYN_STREAM in front of its header block
	headerFixed = 4    // of SYN_REPLY and HEADERS
)

// controls is what there is to control frames: each has flags that are allowed, and a payload of exactly so many octets,
// or of more if it has a header block or entries (SPDY/3, Section 2.6). Peers read as many as there have to be, however
// many the frame says to have.
var controls = [...]struct {
	kind  Kind
	flags byte
	size  int
	more  bool
}{
	1: {Open, flagFin, synFixed, true},
	2: {Reply, 0, headerFixed, true},
	3: {Reset, 0, 8, false},
	4: {Settings, flagClear, 4, true},
	6: {Ping, 0, 4, false},
	7: {GoAway, 0, 8, false},
	8: {Headers, 0, headerFixed, true},
	9: {WindowUpdate, 0, 8, false},
}

// parseHead reads the head of a frame. id is that of a data frame.
func parseHead(head *[headSize]byte, maxControl int) (kind Kind, id StreamID, fin bool, length int, reason string) {
	first, second := binary.BigEndian.Uint32(head[:]), binary.BigEndian.Uint32(head[4:])
	flags, length := byte(second>>24), int(second&lengthMask)
	fin = flags&flagFin != 0
	if first&controlBit != 0 {
		kind, reason = parseControl(first, flags, length, maxControl)
		return kind, 0, fin, length, reason
	}
	switch {
	case first == 0:
		reason = "stream id zero"
	case flags&^flagFin != 0:
		reason = "flag that a data frame does not have"
	}
	return Data, StreamID(first), fin, length, reason
}

// parseControl judges the head of a control frame.
func parseControl(first uint32, flags byte, length, limit int) (kind Kind, reason string) {
	number := first & 0xffff
	switch {
	case first&streamMask>>16 != version:
		return None, "version is not 3"
	case number >= uint32(len(controls)) || controls[number].kind == None:
		return None, "unknown type of control frame"
	}
	control := controls[number]
	switch {
	case flags&^control.flags != 0:
		return None, "flag that the control frame must not have"
	case length < control.size || length > control.size && !control.more:
		return None, "wrong length of a control frame"
	case length > limit:
		return None, "control frame too large"
	}
	return control.kind, ""
}
