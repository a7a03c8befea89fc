package httpparse

import (
	"errors"
	"strconv"
)

// ErrNeedMore says that the octets given so far are the beginning of a head that may become acceptable: read
// more and call again with all of them. It is never returned for a head that can only be refused.
var ErrNeedMore = errors.New("httpparse: need more octets")

// Error is a refusal. It is final: no further octet can make the message acceptable, and where the message ends
// is unknown, so the connection it came on is of no use for another one.
type Error struct {
	// Status is what to answer: 400, 405, 414, 417, 431, 501 or 505 when a client is to blame, 502 when the
	// server is.
	Status int

	// Offset counts the octets in front of the one that decided, from the beginning of the head, or of the body
	// for a ChunkDecoder.
	Offset int

	// Reason is a short constant text. It never holds anything that the peer sent.
	Reason string
}

// Error implements the error interface.
func (e *Error) Error() string {
	return "httpparse: " + e.Reason + " at octet " + strconv.Itoa(e.Offset)
}
