package conn

import (
	"errors"
	"fmt"
)

// Error is the end of a request that did not go well.
type Error struct {
	Blame  string // one of audit's Blame constants
	Status int    // what the client is told, unless its response has already begun
	Reason string // one word of a small fixed set, fit for a metric label
	Say    string // what the client is told: one sentence that gives nothing away
	Err    error  // the precise cause, for the operator

	ended   bool // the API server has ended its octets in order
	unheard bool // the API server takes nothing more; what it sent before can still be read
	tapped  bool // the tap did not take what was sent
	said    bool // the tap has told the client on the stream itself
}

func (e *Error) Error() string {
	if e.Err == nil {
		return "conn: " + e.Reason
	}
	return fmt.Sprintf("conn: %s: %v", e.Reason, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Causes for cancelling the context that Serve got. They become the reason of
// the connection's end.
var (
	ErrTokenExpired = errors.New("conn: the token has expired")
	ErrShutdown     = errors.New("conn: the gateway is shutting down")
)

var (
	errIncomplete    = errors.New("the connection ended inside the message")
	errInterimFlood  = errors.New("too many interim responses")
	errCredential    = errors.New("the API server answers 401 to the gateway's own credential")
	errNoIdentity    = errors.New("conn: identity without a user name")
	errPoolClosed    = errors.New("conn: the pool is closed")
	errUplinkStopped = errors.New("conn: the uplink was stopped")
)
