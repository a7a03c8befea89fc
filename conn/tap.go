package conn

import (
	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/httpparse"
)

// Upgrade is a stream that the API server has agreed to. What it points at is
// valid for as long as the stream lasts.
type Upgrade struct {
	Caller   *Caller
	ID       []byte // of the request
	Info     *audit.RequestInfo
	Request  *httpparse.Request
	Response *httpparse.Response
}

// Tap watches one stream. The methods of one direction are called in order, from
// one goroutine; those of the other direction may run at the same time. The
// octets are valid during the call only, and must not be changed.
type Tap interface {
	// Up sees octets of the client before they go to the API server. An error
	// ends the stream; the octets are then not sent.
	Up(p []byte) error
	// Down sees octets of the API server before they go to the client. What the
	// client has seen, Down has taken. An error ends the stream.
	Down(p []byte) error
	// Close tells that the stream has ended in both directions, and why: nil if
	// both ended in order. It is called once, after all other calls.
	Close(cause error)
}

// untapped is the Tap of a stream that nobody watches.
type untapped struct{}

func (untapped) Up([]byte) error   { return nil }
func (untapped) Down([]byte) error { return nil }
func (untapped) Close(error)       {}
