package session

import (
	"strconv"
	"time"
)

// EventType is what an Event tells.
type EventType uint8

const (
	Started     EventType = iota + 1 // the first event, with none of its own fields
	Stdin                            // Data: octets of the client
	StdinClosed                      // the client has sent all of its input
	Stdout                           // Data: octets of the command
	Stderr                           // Data: octets of the command
	Resize                           // Cols, Rows: the client's terminal
	Notice                           // Data: words of the gateway, as the client gets them; Stream says where
	Exit                             // Code, Text: how the command ended, as the API server says
	PortOpened                       // Port, Conn: a forwarded connection
	PortClosed                       // Port, Conn, Up, Down, Text: its end
	Ended                            // Cause, Up, Down: the last event
)

// String returns the type as a word for logs.
func (t EventType) String() string {
	if int(t) < len(eventNames) && t > 0 {
		return eventNames[t]
	}
	return "event " + strconv.Itoa(int(t))
}

var eventNames = [...]string{
	Started: "started", Stdin: "stdin", StdinClosed: "stdin-closed", Stdout: "stdout", Stderr: "stderr", Resize: "resize",
	Notice: "notice", Exit: "exit", PortOpened: "port-opened", PortClosed: "port-closed", Ended: "ended",
}

// CodeUnknown is the Code of an Exit that says no number: the command was never started, or a runtime's text is all
// there is.
const CodeUnknown = -1

// Event is one thing that happened in a session. Those of one session follow each other in time. The fields that belong
// to the Type are set, the others are zero.
//
// An Event and its Data are valid during the call of the Sink only.
type Event struct {
	Type EventType

	// Time is since the session started, on a clock that never goes back.
	Time time.Duration

	// Data is never empty for the types that have it. It ends wherever the network cut it, inside a character too.
	Data []byte

	// Stream is where the client sees a Notice: Stdout or Stderr. Zero for the words at the end that have a place of
	// their own in the protocol.
	Stream EventType

	Cols, Rows uint16 // of a Resize, neither of them zero

	// Code is the exit code of an Exit: 0 to 255, or CodeUnknown.
	Code int

	// Text is what is said about an Exit that is not a success, or about a connection that failed. The peer's words, of
	// at most 4 KiB.
	Text string

	// Port is the pod's port and Conn counts the connections of the session, from 1.
	Port uint16
	Conn uint32

	// Up and Down are octets, of a connection or of the whole session. What has been framed counts, not the frames,
	// but for an application session, of which only frames are known.
	Up, Down int64

	// Cause is nil if the session ended in order.
	Cause error
}

// Sink takes the events of one session, one at a time and in their order. Output reaches the client after the Sink has
// taken it and only then; an error ends the session. It must not call back into the Session.
type Sink interface {
	Event(*Event) error
}

// Gatherer is a Sink that can take all events of one Down at once: between Gather and Flush it may keep what it is given,
// and Flush answers for it. What it does not take then, nothing of that Down's octets reaches the client.
type Gatherer interface {
	Sink
	Gather()
	Flush() error
}
