package conn

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/httpparse"
	"github.com/spliceway/spliceway/limit"
	"github.com/spliceway/spliceway/trace"
)

// maxInterim is how many interim responses one request may have.
const maxInterim = 16

// exchange is the state of one request and its response. It is part of Conn and
// used again for the next.
type exchange struct {
	start    time.Time
	waited   time.Duration // from start to the head of a final response; 0 if there was none
	id       []byte        // aliases Conn.auditID
	info     audit.RequestInfo
	trace    trace.Context     // zero unless Config.Trace is set
	up       body              // request body; owned by the uplink while that runs
	downBody body              // response body
	sent     []byte            // what the API server is sent first: head, and body octets that came with it
	head     int               // length of the head in sent
	answer   int               // length of the response's head, which lies in front of c.down's r
	whole    bool              // sent is the whole request
	pooled   *[bufferSize]byte // backs sent
	upstream *upstreamConn
	reserved Reservation // nil if there is none, or the stream has it
	kind     limit.Kind
	place    bool // it has one of Config.Gate
	counted  bool // it is one of the streams of its account
	heard    bool // an octet of a response has come
	answered bool // an octet of a final response has gone to the client
	complete bool // and its last one
	status   int
	auditID  []byte // the API server's, of the response
	protocol httpparse.Protocol
	bytes    traffic
	err      *Error
}

// begin starts an exchange with the request that has just been parsed, whose
// head is n octets long. From here to the end of the exchange c.in keeps the
// head in front of its r.
func (x *exchange) begin(c *Conn, n int) {
	if c.config.Begun != nil {
		c.config.Begun()
	}
	x.start = time.Now()
	x.id = c.nextID()
	x.info.Parse(c.req.Method, c.req.Target)
	if c.config.Trace != nil {
		x.trace = c.config.Trace(parentOf(c.req.Header))
	}
	x.up.start(c.req.Framing)
	x.upstream, x.status, x.err, x.waited = nil, 0, nil, 0
	x.kind = limit.Short
	if x.longRunning(&c.req) {
		x.kind = limit.Stream
	}
	x.whole, x.heard, x.answered, x.complete = false, false, false, false
	c.uplink.lost = nil
	x.auditID, x.protocol, x.bytes = x.auditID[:0], httpparse.ProtocolNone, traffic{}
	c.in.skip(n)
}

// longRunning says that silence is normal on this request.
func (x *exchange) longRunning(req *httpparse.Request) bool {
	return req.Upgrade != httpparse.ProtocolNone || x.info.LongRunning()
}

// exchange serves one request to its end.
func (c *Conn) exchange(ctx context.Context) {
	defer c.abandon()
	err := c.forward(ctx)
	c.release()
	c.endUpstream(err == nil)
	if err != nil {
		c.fail(ctx, err)
	}
	c.report()
	c.settle()
	c.uplink.handOver()
}

// abandon gives back what a panic would keep, and tells of the exchange, before the
// panic goes on.
func (c *Conn) abandon() {
	value := recover()
	if value == nil {
		return
	}
	c.own(nil)
	if u := c.x.upstream; u != nil {
		c.x.upstream = nil
		c.config.Pool.drop(u)
	}
	c.release()
	c.leave()
	c.x.err = &Error{Blame: audit.BlameGateway, Reason: reasonPanic}
	c.report()
	panic(value)
}

// endUpstream ends the exchange's use of its upstream connection, and with it
// the uplink. The connection goes back to the pool only if the exchange was
// clean: both messages complete, and nothing left over.
func (c *Conn) endUpstream(complete bool) {
	u := c.x.upstream
	c.x.upstream = nil
	c.own(nil)
	reusable := complete && c.responseClean() && c.uplink.body.Load() == bodySent && c.uplink.gone() == nil
	if u != nil && !reusable {
		c.config.Pool.drop(u) // before stop: the uplink may be blocked in writing to it
	}
	c.uplink.stop()
	if u != nil && reusable {
		c.config.Pool.put(u)
	}
	c.leave() // only now, so that the next one finds the connection idle
	c.releaseSent()
	c.down.release() // and with it what was left over: the next response is not to begin with it
}

// forward sends the request and relays its response. It returns nil when the
// client has got a complete response.
func (c *Conn) forward(ctx context.Context) *Error {
	if err := c.allow(); err != nil {
		return err
	}
	if err := c.enter(ctx); err != nil {
		return err
	}
	if err := c.admit(); err != nil {
		return err
	}
	if err := c.assemble(); err != nil {
		return err
	}
	if err := c.send(ctx); err != nil {
		return err
	}
	if err := c.receive(ctx); err != nil {
		return err
	}
	if c.resp.Status == 101 {
		return c.stream(ctx)
	}
	return c.relayResponse()
}

// admit asks whether the request may be sent.
func (c *Conn) admit() (refused *Error) {
	if c.config.Admit != nil {
		c.x.reserved, refused = c.config.Admit(c.caller, c.x.id, &c.req, &c.x.info)
	}
	return refused
}

// release gives back what was reserved for a stream that did not begin.
func (c *Conn) release() {
	if r := c.x.reserved; r != nil {
		c.x.reserved = nil
		r.Release()
	}
}

// assemble builds what is sent first: the rewritten head, and what has already
// come in of the body, so that a small request is one write.
func (c *Conn) assemble() *Error {
	c.x.pooled = buffers.Get().(*[bufferSize]byte)
	c.x.sent = c.appendHead(c.x.pooled[:0])
	c.x.head = len(c.x.sent)
	var err error
	if c.x.sent, err = c.x.up.appendNext(c.x.sent, &c.in); err != nil {
		return malformed(err)
	}
	c.x.whole = c.x.up.done
	return nil
}

func (c *Conn) appendHead(dst []byte) []byte {
	c.lines = [4][]byte{c.caller.Lines, c.config.Credential.Authorization(), c.auditID}
	if c.config.Trace != nil {
		c.lines[3] = c.traceLine()
	}
	return httpparse.AppendRequest(dst, &c.req, &httpparse.RequestEdit{Host: c.config.Host, Lines: c.lines[:]})
}

// releaseSent gives back what a repetition would have needed.
func (c *Conn) releaseSent() {
	if c.x.pooled != nil {
		buffers.Put(c.x.pooled)
	}
	c.x.pooled, c.x.sent = nil, nil
}

// send gets an upstream connection and writes the request to it.
func (c *Conn) send(ctx context.Context) *Error {
	// An upgrade uses its connection up and can't be repeated, so it never takes
	// one that the API server may be about to close.
	fresh := c.req.Upgrade != httpparse.ProtocolNone
	if err := c.connect(ctx, fresh); err != nil {
		return err
	}
	if err := c.writeUpstream(); err != nil {
		return err
	}
	c.keepHead()
	c.uplink.start()
	return nil
}

// connect makes an upstream connection the exchange's.
func (c *Conn) connect(ctx context.Context, fresh bool) *Error {
	get := c.config.Pool.get
	if fresh {
		get = c.config.Pool.dial
	}
	u, err := get(ctx)
	if err != nil {
		return unreachable(err)
	}
	c.x.upstream = u
	c.own(u)
	if gone := c.uplink.gone(); gone != nil {
		return gone // while there was nothing to close
	}
	return nil
}

// writeUpstream writes what was assembled.
func (c *Conn) writeUpstream() *Error {
	u := c.x.upstream
	u.writes.extend(c.times.BodyIdle)
	n, err := u.Write(c.x.sent)
	c.x.bytes.up += int64(n)
	return stalled(err)
}

// stalled describes an API server that takes nothing any more. Another failed
// Write is none: there may be a response that says why, and if not, the next
// Read fails.
func stalled(err error) *Error {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return &Error{Blame: audit.BlameUpstream, Status: http.StatusGatewayTimeout, Reason: reasonUpstreamTimeout, Err: err,
		Say: "the API server did not take the request in time"}
}

// keepHead moves the head of a request that may last for hours out of a pooled
// buffer, into memory of its own size with room for the uplink.
func (c *Conn) keepHead() {
	if !c.x.longRunning(&c.req) || c.in.pooled == nil && !c.in.full() {
		return
	}
	n := c.in.r
	c.in.r = 0
	c.in.shrink(smallBuffer)
	// It parses as it did before; the slices now alias the new memory.
	if _, err := httpparse.ParseRequest(c.in.bytes(), &c.limits, &c.req); err != nil {
		panic("conn: internal error: a head does not parse again: " + err.Error())
	}
	c.x.info.Parse(c.req.Method, c.req.Target)
	c.in.skip(n)
}

// receive reads the head of the final response. It sends the request a second
// time where that is right: see repeatReason.
func (c *Conn) receive(ctx context.Context) *Error {
	c.down.grab()
	for attempt := 1; ; attempt++ {
		err := c.readResponse()
		if err == nil && c.credentialRefused() {
			err = credentialError(errCredential)
		}
		if err == nil {
			return nil
		}
		reason := c.repeatReason(err)
		if reason == "" || attempt > 1 {
			return err
		}
		if err := c.repeat(ctx, reason); err != nil {
			return err
		}
	}
}

// credentialRefused reports whether the response is the API server's refusal of
// the gateway itself. Behind a proxy path it is an application that speaks.
func (c *Conn) credentialRefused() bool {
	return c.resp.Status == 401 && c.x.info.Stream() != audit.StreamProxy
}

// The reasons for sending a request twice.
const (
	retryStale      = "stale-connection"
	retryCredential = "credential"
)

// repeatReason decides whether a request that failed may be sent a second time,
// and says why. The empty reason means that it may not.
func (c *Conn) repeatReason(err *Error) string {
	switch {
	case c.uplink.gone() != nil:
	case err.Reason == reasonCredential && c.x.whole:
		return retryCredential // it was not acted on
	case err.Reason == reasonUpstreamClosed && c.x.upstream.reused && !c.x.heard && c.x.whole && idempotent(c.req.Method):
		return retryStale
	}
	return ""
}

// repeat sends the request again, on a new connection and with the credential
// that is in force now.
func (c *Conn) repeat(ctx context.Context, reason string) *Error {
	if c.config.Retried != nil {
		c.config.Retried(reason)
	}
	c.own(nil)
	c.config.Pool.drop(c.x.upstream)
	c.x.upstream = nil
	if reason == retryCredential {
		if _, err := c.config.Credential.Refresh(); err != nil {
			return credentialError(err)
		}
		body := c.x.sent[c.x.head:]
		again := c.appendHead(nil)
		c.x.head = len(again)
		c.x.sent = append(again, body...)
	}
	c.down.r, c.down.w = 0, 0
	if err := c.connect(ctx, true); err != nil {
		return err
	}
	return c.writeUpstream()
}

// readResponse reads response heads until a final one, and relays the interim
// ones.
func (c *Conn) readResponse() *Error {
	for interim := 0; ; {
		n, err := httpparse.ParseResponse(c.down.bytes(), &c.limits, &c.req, &c.resp)
		switch {
		case errors.Is(err, httpparse.ErrNeedMore):
			if err := c.readUpstream(c.headWait()); err != nil {
				return err
			}
		case err != nil:
			return badResponse(err)
		case c.resp.Status >= 200 || c.resp.Status == 101:
			c.down.skip(n)
			c.x.answer = n
			c.x.waited = time.Since(c.x.start)
			c.x.auditID = append(c.x.auditID[:0], c.resp.Header.Get("Audit-Id")...) // the buffer is used on
			return nil
		default:
			if interim++; interim > maxInterim {
				return badResponse(errInterimFlood)
			}
			c.down.skip(n)
			if err := c.writeClient(httpparse.AppendResponse(nil, &c.resp, false)); err != nil {
				return err
			}
		}
	}
}

// headWait is how long the API server may take to begin a response.
func (c *Conn) headWait() time.Duration {
	if c.x.longRunning(&c.req) {
		return c.times.StreamIdle
	}
	return c.times.ResponseHead
}

// bodyWait is how long a body may stand still, either way. On a long-running
// request it is as long as silence may last.
func (c *Conn) bodyWait() time.Duration {
	if c.x.longRunning(&c.req) {
		return c.times.StreamIdle
	}
	return c.times.BodyIdle
}

// readUpstream reads what comes next of a response into c.down. A head that has begun
// has to end within the wait that it began in.
func (c *Conn) readUpstream(wait time.Duration) *Error {
	read := readLean
	if !c.x.longRunning(&c.req) {
		read = readArrived
		c.down.grab()
	}
	for anew := c.down.len() == 0; ; anew = true {
		// The API server has its time from the end of the request on. While the
		// body is moving, the uplink sees to it that it does.
		moving := c.uplink.body.Load() == bodyMoving
		if anew || moving {
			c.x.upstream.reads.extend(wait)
		}
		err := read(c.x.upstream.Conn, &c.down)
		if err == nil {
			c.x.heard = true
			return nil
		}
		if !moving || !errors.Is(err, os.ErrDeadlineExceeded) {
			return c.upstreamError(err)
		}
	}
}

// upstreamError describes a failed Read of the API server, which is the
// client's doing if that has gone away meanwhile.
func (c *Conn) upstreamError(err error) *Error {
	if gone := c.uplink.gone(); gone != nil {
		return gone
	}
	e := &Error{Blame: audit.BlameUpstream, Status: http.StatusBadGateway, Reason: reasonUpstreamClosed, Err: err,
		Say: "the API server closed the connection before it had answered"}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		e.Status, e.Reason, e.Say = http.StatusGatewayTimeout, reasonUpstreamTimeout, "the API server did not answer in time"
	case errors.Is(err, io.EOF):
		e.Err, e.ended = errIncomplete, c.x.upstream.ended(err)
	}
	return e
}

// idempotent tells the methods that may be sent twice. RFC 9110, Section 9.2.2.
func idempotent(method []byte) bool {
	switch string(method) {
	case "GET", "HEAD", "OPTIONS", "PUT", "DELETE":
		return true
	}
	return false
}

// writeClient writes octets of a response.
func (c *Conn) writeClient(p []byte) *Error {
	c.writes.extend(c.bodyWait())
	n, err := c.client.Write(p)
	c.x.bytes.down += int64(n)
	if err == nil {
		return nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &Error{Blame: audit.BlameClient, Reason: "client-stalled", Err: err}
	}
	return &Error{Blame: audit.BlameClient, Reason: reasonClientClosed, Err: err}
}

// report tells of the exchange, and adds it to the connection's sums.
func (c *Conn) report() {
	x := &c.x
	c.traffic.up += x.bytes.up
	c.traffic.down += x.bytes.down
	if c.config.Done == nil {
		return
	}
	c.told = audit.Request{
		Connection: c.caller.Connection, ID: x.id, Trace: x.trace, Info: &x.info, Method: c.req.Method,
		Status: x.status, Protocol: x.protocol.String(), BytesUp: x.bytes.up, BytesDown: x.bytes.down,
		Duration: time.Since(x.start), Answered: x.waited, AuditID: x.auditID, UserAgent: c.req.Header.Get("User-Agent"),
	}
	if x.err != nil {
		c.told.Blame, c.told.Reason, c.told.Err = x.err.Blame, x.err.Reason, x.err.Err
	}
	c.config.Done(&c.told)
}
