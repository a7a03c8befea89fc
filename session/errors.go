package session

// Reasons of an Error, fit for a metric label.
const (
	ReasonProtocol = "protocol" // octets that can't be decoded with certainty
	ReasonUnknown  = "unknown"  // a protocol was negotiated that nobody here speaks
	ReasonRecorder = "recorder" // the Sink did not take an event
	ReasonFinished = "finished" // the gateway ended the session, see Session.Finish
)

// Error is the end of a session that is not in order. It is final.
type Error struct {
	Blame  string // one of audit's Blame constants
	Reason string // one of the Reason constants
	Err    error  // the precise cause
}

// Error implements the error interface.
func (e *Error) Error() string { return "session: " + e.Err.Error() }

// Unwrap returns the precise cause.
func (e *Error) Unwrap() error { return e.Err }

// text is a cause that is a short constant text.
type text string

func (t text) Error() string { return string(t) }

// side is which peer sends: the direction of octets.
type side uint8

const (
	client side = iota
	server
)
