package conn

import (
	"context"
	"errors"
	"net/http"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/limit"
)

// Reasons of requests that a limit turns away. They are the gateway's doing, and the
// connection goes on: a client that is told so once would only come back by a
// handshake, which costs more.
const (
	ReasonRequestRate = "request-rate"
	ReasonStreams     = "too-many-streams"
	ReasonQueueFull   = "queue-full"
	ReasonQueueTime   = "queue-timeout"
)

// allow counts the request against what its caller may have. None of the answers
// has a Retry-After: kubectl would try ten times, in silence.
func (c *Conn) allow() *Error {
	a := c.caller.Account
	switch {
	case a == nil:
		return nil
	case !a.Request(c.x.start):
		return &Error{Blame: audit.BlameGateway, Status: http.StatusTooManyRequests, Reason: ReasonRequestRate,
			Say: "you make too many requests in too short a time; wait a moment"}
	case c.x.kind == limit.Short:
		return nil
	case !a.OpenStream():
		return &Error{Blame: audit.BlameGateway, Status: http.StatusTooManyRequests, Reason: ReasonStreams,
			Say: "you have too many watches and sessions open; end some of them"}
	}
	c.x.counted = true
	return nil
}

// enter gets the right to an upstream connection, waiting for it if need be.
func (c *Conn) enter(ctx context.Context) *Error {
	if c.config.Gate == nil {
		return nil
	}
	if c.x.place = c.config.Gate.TryEnter(c.x.kind); c.x.place {
		return nil
	}
	return c.queue(ctx)
}

// queue waits for the right to an upstream connection until the client goes away.
func (c *Conn) queue(ctx context.Context) *Error {
	ctx, giveUp := context.WithCancel(ctx)
	defer giveUp()
	c.waitFor(giveUp)
	c.uplink.arm() // what it reads of a body is sent with the head
	err := c.config.Gate.Enter(ctx, c.caller.Connection.User, c.x.kind)
	c.x.place = err == nil
	c.waitFor(nil)
	c.uplink.stop()
	if gone := c.uplink.gone(); gone != nil {
		return gone
	}
	if err == nil {
		return nil
	}
	e := &Error{Blame: audit.BlameGateway, Status: http.StatusServiceUnavailable, Reason: ReasonQueueFull, Err: err,
		Say: "too many requests wait for this cluster's API server; try again later"}
	if errors.Is(err, limit.ErrQueueTime) {
		e.Reason = ReasonQueueTime
	}
	return e
}

// leave gives back what allow and enter have taken.
func (c *Conn) leave() {
	if c.x.place {
		c.x.place = false
		c.config.Gate.Leave(c.x.kind)
	}
	if c.x.counted {
		c.x.counted = false
		c.caller.Account.CloseStream()
	}
}
