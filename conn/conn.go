package conn

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/httpparse"
	"github.com/spliceway/spliceway/internal/tlsio"
)

// smallBuffer holds most request heads, and is all that a connection keeps
// while it waits for the next one.
const smallBuffer = 1 << 10

// defaultLine is what package httpparse takes a zero Limits.Line for.
const defaultLine = 16 << 10

// Conn is the request loop of one client connection.
type Conn struct {
	client net.Conn // read by the loop or by the uplink, never by both; written by the loop
	caller *Caller
	config *Config
	times  Timeouts
	limits httpparse.Limits

	// Owned by the goroutine that called Serve.
	in      buffer // of the client; starts with the head of the request that is being served
	down    buffer // of the API server
	req     httpparse.Request
	resp    httpparse.Response
	writes  deadline // of client
	served  int64    // requests
	traffic traffic  // sum of all requests
	closing bool     // no further request is read
	end     *Error   // why, unless it is orderly
	x       exchange
	told    audit.Request // what Done gets
	lines   [4][]byte
	auditID []byte // "Audit-ID: …\r\n"
	parent  []byte // "traceparent: …\r\n"; nil unless Config.Trace is set
	small   [smallBuffer]byte

	uplink uplink

	draining atomic.Bool

	mu      sync.Mutex
	idle    bool          // guarded by mu; waiting for a request, with nothing read of it
	current *upstreamConn // guarded by mu; closed by abort
	queued  func()        // guarded by mu; ends the wait for the right to one; nil: there is none
	aborted bool          // guarded by mu
	usage   Usage         // guarded by mu; when it was idle last
}

// Usage is what a connection has been used for. The request that is being served
// is not in it.
type Usage struct {
	Idle      bool // waits for a request
	Requests  int64
	BytesUp   int64 // of forwarded messages, heads included
	BytesDown int64
}

// traffic counts octets of forwarded messages, heads included: up is towards
// the API server.
type traffic struct{ up, down int64 }

// New prepares a request loop. The connection stays the caller's, who closes it
// after Serve.
func New(client net.Conn, caller *Caller, config *Config) *Conn {
	c := &Conn{client: client, caller: caller, config: config, times: config.Timeouts, limits: config.Limits}
	c.times.setDefaults()
	if most := bufferSize - 1; c.limits.Head == 0 || c.limits.Head > most {
		c.limits.Head = most // so that a full buffer is always a refused head
	}
	if c.limits.Line == 0 {
		c.limits.Line = defaultLine
	}
	c.writes.set = client.SetWriteDeadline
	c.in = buffer{b: c.small[:]}
	c.uplink.init(c)
	c.x.up.init(false, &c.limits)
	c.x.downBody.init(true, &c.limits)
	return c
}

// Serve forwards requests until the client ends, an error ends the connection,
// or ctx is cancelled, whose cause then is the reason. It returns how it ended.
func (c *Conn) Serve(ctx context.Context) *audit.ConnectionEnd {
	start := time.Now()
	stop := context.AfterFunc(ctx, c.abort)
	defer stop()
	for !c.closing && c.readHead(ctx) {
		c.served++
		c.exchange(ctx)
	}
	c.releaseBuffers() // not behind a panic: the uplink may still be reading into them
	return c.summary(ctx, time.Since(start))
}

// Usage may be called by any goroutine.
func (c *Conn) Usage() Usage {
	c.mu.Lock()
	defer c.mu.Unlock()
	usage := c.usage
	usage.Idle = c.idle
	return usage
}

// Drain lets the request that is being served end and then ends Serve. An idle
// connection ends at once.
func (c *Conn) Drain() {
	c.draining.Store(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle {
		c.uplink.reads.expire()
	}
}

// abort ends everything at once, from any goroutine. Only a client that waits for
// nothing is told in order, by whoever called Serve; to any other one, what it has got
// must not look complete.
func (c *Conn) abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.aborted = true
	if c.current != nil {
		c.current.abort()
	}
	if !c.idle {
		c.cut()
		return
	}
	c.uplink.reads.expire()
	// A Read of TLS answers key updates, and waits in a Write for a client that asks
	// for them and does not read.
	c.client.SetWriteDeadline(longAgo)
}

// own makes u the connection that abort closes; nil: none.
func (c *Conn) own(u *upstreamConn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = u
	if c.aborted && u != nil {
		u.abort()
	}
}

// waitFor makes giveUp what ends the wait for an upstream connection; nil: none.
func (c *Conn) waitFor(giveUp func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queued = giveUp
}

// wake ends what the loop may wait for: for its turn, or for the API server, whose
// connection it closes.
func (c *Conn) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queued != nil {
		c.queued()
	}
	if c.current != nil {
		c.current.abort()
	}
}

// cut closes the client connection below its TLS, without the alerts that would make
// what was sent look complete, and that would wait for a Write. Any goroutine may call
// it.
func (c *Conn) cut() {
	if t, ok := c.client.(*tlsio.Conn); ok {
		t.Socket().Close()
		return
	}
	c.client.Close()
}

func (c *Conn) releaseBuffers() {
	c.in.release()
	c.down.release()
	c.uplink.buf.release()
}

// readHead reads the next request head. It reports false when there is none:
// the client has ended, or what it sent was refused.
func (c *Conn) readHead(ctx context.Context) bool {
	c.rewind()
	if c.in.len() == 0 && !c.awaitRequest() {
		return false
	}
	for more := false; ; more = true {
		n, err := httpparse.ParseRequest(c.in.bytes(), &c.limits, &c.req)
		if err == nil {
			c.x.begin(c, n)
			return true
		}
		if !errors.Is(err, httpparse.ErrNeedMore) {
			c.refuseHead(malformed(err))
			return false
		}
		if !more { // once, because it is for the whole head
			c.uplink.reads.extend(c.times.RequestHead)
		}
		if err := c.readLine(); err != nil {
			c.refuseHead(overruled(ctx, c.clientError("head", err)))
			return false
		}
	}
}

// rewind makes room for the next head: what the client has already sent of it
// goes to the front.
func (c *Conn) rewind() {
	if c.in.len() == 0 {
		c.in.release()
		c.in = buffer{b: c.small[:]}
	}
	c.in.compact()
}

// awaitRequest waits for the first octets of a head.
func (c *Conn) awaitRequest() bool {
	if !c.becomeIdle() {
		return false
	}
	n, err := c.client.Read(c.in.free())
	c.becomeBusy()
	c.in.w += n
	if n > 0 {
		return true
	}
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || c.draining.Load():
		// In order. A client that just exits sends no close_notify, and nothing is
		// missing without it.
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.finish(&Error{Reason: "idle"})
	default:
		c.finish(c.clientError("idle", err))
	}
	return false
}

// becomeIdle sets the deadline of the wait for a request, which Drain may cut
// short. It reports false if the connection is to end instead.
func (c *Conn) becomeIdle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining.Load() {
		return false
	}
	c.idle = true
	c.usage = Usage{Requests: c.served, BytesUp: c.traffic.up, BytesDown: c.traffic.down}
	c.uplink.reads.extend(c.times.Idle)
	return true
}

// becomeBusy ends what becomeIdle has begun. The deadline may be the one that
// Drain has set just as the request came in.
func (c *Conn) becomeBusy() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = false
	if c.draining.Load() {
		c.uplink.reads.forget()
	}
}

// readLine reads until another line feed has come in, or as much as is beyond a
// limit: nothing else can change what the parser says, and a client that sends
// single octets can't make it parse over and over.
func (c *Conn) readLine() error {
	line := bytes.LastIndexByte(c.in.bytes(), '\n') + 1 // where it begins
	most := min(line+c.limits.Line, c.limits.Head) + 1  // with so many octets and no line feed it is refused
	for {
		if c.in.full() {
			c.in.grab() // the parser refuses a head before it fills a pooled buffer
		}
		from := c.in.w
		n, err := c.client.Read(c.in.free())
		c.in.w += n
		if read := c.in.b[from:c.in.w]; bytes.IndexByte(read, '\n') >= 0 || n > 0 && c.in.len() >= most {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// clientError describes a failed Read of the client.
func (c *Conn) clientError(phase string, err error) *Error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &Error{Blame: audit.BlameClient, Status: http.StatusRequestTimeout, Reason: phase + "-timeout", Err: err,
			Say: "the request did not arrive in time"}
	case errors.Is(err, io.EOF):
		err = errIncomplete
	}
	return &Error{Blame: audit.BlameClient, Reason: reasonClientClosed, Err: err}
}

// finish ends the loop. The first error is the one that is told.
func (c *Conn) finish(err *Error) {
	c.closing = true
	if c.end == nil {
		c.end = err
	}
}

// summary says how the connection ended.
func (c *Conn) summary(ctx context.Context, took time.Duration) *audit.ConnectionEnd {
	end := &audit.ConnectionEnd{
		Reason: "closed", Requests: c.served,
		BytesUp: c.traffic.up, BytesDown: c.traffic.down, Duration: took,
	}
	switch cause := context.Cause(ctx); {
	case cause != nil:
		end.Reason = endReason(cause)
	case c.end != nil:
		end.Reason, end.Blame, end.Err = c.end.Reason, c.end.Blame, c.end.Err
	case c.draining.Load():
		end.Reason = "drained"
	}
	return end
}

// endReason is the word for a cause that ended the connection from outside.
func endReason(cause error) string {
	if errors.Is(cause, ErrTokenExpired) {
		return "token-expired"
	}
	return "shutdown"
}

// nextID makes the id of the next request, and with it the line that makes the
// API server use the same one in its own audit log.
func (c *Conn) nextID() []byte {
	const name = "Audit-ID: "
	line := append(c.auditID[:0], name...)
	line = append(line, c.caller.Connection.ID...)
	line = append(line, '-')
	line = strconv.AppendInt(line, c.served+1, 10)
	c.auditID = append(line, "\r\n"...)
	return c.auditID[len(name) : len(c.auditID)-2]
}
