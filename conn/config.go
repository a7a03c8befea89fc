package conn

import (
	"time"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/httpparse"
	"github.com/spliceway/spliceway/limit"
	"github.com/spliceway/spliceway/trace"
)

// Credential is how the gateway itself authenticates to the API server.
type Credential interface {
	// Authorization returns a complete Authorization line, or nil when the TLS
	// client certificate is the credential. The slice is not changed afterwards.
	Authorization() []byte
	// Refresh reads the credential again and reports whether it has changed.
	Refresh() (changed bool, err error)
}

// Config is what all connections to one cluster share. It must not be changed
// once it is in use.
type Config struct {
	Pool       *Pool
	Credential Credential
	Host       []byte // the API server's authority, for the Host line
	Limits     httpparse.Limits
	Timeouts   Timeouts
	Gate       *limit.Gate // lets so many have an upstream connection at once; nil: any number

	// Admit is asked for each request before anything of it is sent, with the
	// request's id; what it gets is valid during the call only. An error refuses the
	// request. If Admit is nil, none is refused.
	Admit func(c *Caller, id []byte, req *httpparse.Request, info *audit.RequestInfo) (Reservation, *Error)
	// Tap is asked for each upgrade that the API server has agreed to, before the
	// client learns of it. An error refuses the upgrade; an *Error says how. If
	// Tap is nil, streams are spliced unwatched.
	Tap func(*Upgrade) (Tap, error)
	// Trace is asked for the place of each request in a trace, below the parent that
	// the client has named, if any. If it is nil, what the client says of a trace goes
	// on as it came.
	Trace func(parent trace.Context) trace.Context
	// Begun is called at the beginning of each request, and may be nil.
	Begun func()
	// Done is told of each request when it has ended. What it gets is valid
	// during the call only. It may be nil.
	Done func(*audit.Request)
	// Retried is told of each request that is sent to the API server a second
	// time, with the reason. It may be nil.
	Retried func(reason string)
}

// Timeouts bounds every wait. For a field that is zero the default applies.
type Timeouts struct {
	Idle         time.Duration // between two requests; default 2 min
	RequestHead  time.Duration // from the first octet of a head to its last; default 10 s
	ResponseHead time.Duration // from the request to the response, unless it is long-running; default 2 min
	BodyIdle     time.Duration // without progress of a body, either way, unless it is long-running; default 1 min
	StreamIdle   time.Duration // without an octet on a long-running request; default 4 h
}

func (t *Timeouts) setDefaults() {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&t.Idle, 2 * time.Minute},
		{&t.RequestHead, 10 * time.Second},
		{&t.ResponseHead, 2 * time.Minute},
		{&t.BodyIdle, time.Minute},
		{&t.StreamIdle, 4 * time.Hour},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
}

// Caller is who sends the requests of one connection.
type Caller struct {
	// Connection names the caller in events. Its ID starts every request id.
	Connection *audit.Connection
	// Lines are complete header lines that every request gets. They carry the
	// identity: see Impersonate.
	Lines []byte
	// Account limits the requests of the caller, over all connections. It must be
	// open until Serve has returned. If nil, there is no limit.
	Account *limit.Account
}
