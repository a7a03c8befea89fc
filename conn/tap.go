package conn

import (
	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/httpparse"
	"github.com/spliceway/spliceway/trace"
)

// Upgrade is a stream that the API server has agreed to. What it points at is
// valid for as long as the stream lasts.
type Upgrade struct {
	Caller   *Caller
	ID       []byte // of the request
	Trace    trace.Context
	Info     *audit.RequestInfo
	Request  *httpparse.Request
	Response *httpparse.Response

	// Reservation is what Admit returned, and the Tap's to release from now on.
	Reservation Reservation

	wake   func()
	end    func(*Error)
	finish func()
}

// Wake has the Tap's Insert called soon. It may be called by any goroutine, also
// when the stream has ended.
func (u *Upgrade) Wake() { u.wake() }

// End ends the stream, with that as its cause. It may be called by any goroutine,
// also when the stream has ended.
func (u *Upgrade) End(cause *Error) { u.end(cause) }

// Finish says that the session is over, and the API server has only to end the stream:
// if it does not do so within a few seconds of silence, the stream ends as if it had.
// It may be called by any goroutine, also when the stream has ended.
func (u *Upgrade) Finish() { u.finish() }

// Reservation is what a request holds that may become a stream: it is there before
// the API server hears of the request, so that nothing can be missing when it agrees.
type Reservation interface {
	// Release gives it back. It is called once, when the request has ended without
	// a stream.
	Release()
}

// Tap watches one stream, and may say something of its own to the client between
// two octets of it. Up runs on one goroutine, Down and Insert on another; Close is
// called when both are done. Octets are valid during the call only, and must not
// be changed.
type Tap interface {
	// Up sees octets of the client before they go to the API server. An error
	// ends the stream, and the octets are not sent; Insert is asked once more, for
	// last words.
	Up(p []byte) error
	// Down takes octets of the API server, p[:n], which then go to the client: what
	// the client has seen, Down has taken. The rest is offered again, after Insert,
	// which has an error if n is 0. An error ends the stream; no octet of p is then
	// sent.
	Down(p []byte) (n int, err error)
	// Insert returns octets that are to go to the client at this point of the
	// stream, nil if there are none or if this is no point for them. It is asked
	// at the beginning, behind every Down, and after Upgrade.Wake. They are valid
	// until the next call of Down or Insert. An error ends the stream behind them.
	Insert() ([]byte, error)
	// Close tells that the stream has ended in both directions, and why: nil if
	// both ended in order. It is called once, after all other calls.
	Close(cause error)
}

// untapped is the Tap of a stream that nobody watches.
type untapped struct{}

func (untapped) Up([]byte) error            { return nil }
func (untapped) Down(p []byte) (int, error) { return len(p), nil }
func (untapped) Insert() ([]byte, error)    { return nil, nil }
func (untapped) Close(error)                {}
