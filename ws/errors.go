package ws

import "strconv"

// Close codes for a refusal (RFC 6455, Section 7.4.1).
const (
	codeProtocol    = 1002
	codeUnsupported = 1003
	codeInvalid     = 1007
	codeTooBig      = 1009
)

// Error is a refusal. It is final: where the next frame begins, or what it means to the peers, is unknown.
type Error struct {
	// Code is what a close frame may say about it, or 0 if there is nothing to be said any more.
	Code int

	// Offset counts the octets of the direction in front of the frame that is refused.
	Offset int64

	// Reason is a short constant text. It never holds anything that a peer sent.
	Reason string
}

// Error implements the error interface.
func (e *Error) Error() string {
	return "ws: " + e.Reason + " in the frame at octet " + strconv.FormatInt(e.Offset, 10)
}

// refusal is what is wrong with a frame. It is the zero value if nothing is.
type refusal struct {
	code   int
	reason string
}

func refuse(code int, reason string) refusal { return refusal{code, reason} }

func (r refusal) ok() bool { return r.reason == "" }
