package spdy

import "strconv"

// Error is a refusal. It is final: where the next frame begins, or what it means to the peers, is unknown.
type Error struct {
	// Offset counts the octets of the direction in front of the frame that is refused.
	Offset int64

	// Reason is a short constant text. It never holds anything that a peer sent.
	Reason string
}

// Error implements the error interface.
func (e *Error) Error() string {
	return "spdy: " + e.Reason + " in the frame at octet " + strconv.FormatInt(e.Offset, 10)
}
