package tlsmux

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"time"

	"github.com/spliceway/spliceway/httpparse"
	"github.com/spliceway/spliceway/internal/tlsio"
)

// A connection is served, from accept to close, by the one goroutine that
// runs serve, which owns all its fields.
type connection struct {
	mux     *Mux
	cfg     *Config // immutable
	attempt *Attempt

	share share // of the quota
	raw   *tlsio.Base
	ahead []byte    // read from raw behind the PROXY header, until outer is there
	outer *tls.Conn // nil before PhaseOuterTLS
	inner *tls.Conn // nil before PhaseInnerTLS
	top   *tlsio.Conn

	phase  Phase     // the current one
	since  time.Time // when it began
	linger bool      // something was said that the client should get to read
}

// serve opens the tunnel, runs its handler and closes everything.
func (c *connection) serve() {
	defer c.finish() // one, for it takes room on the stack as long as the handler runs
	if handler, tunnel := c.open(c.mux.abort); handler != nil {
		c.enter(PhaseTunnel)
		c.linger = true
		handler(c.mux.abort, tunnel)
		c.leave(ResultOK, 0, nil)
	}
}

// finish ends what serve has begun, also behind a panic.
func (c *connection) finish() {
	value := recover()
	defer c.mux.end()
	defer c.share.give()
	defer c.close()
	if value != nil {
		c.panicked(value)
	}
}

// panicked is the one place where a panic ends. Nothing is said to the client:
// the panic may have left a TLS layer locked.
func (c *connection) panicked(value any) {
	c.raw.Close()
	c.outer, c.inner = nil, nil
	c.cfg.Log.Error().
		Str("conn_id", c.attempt.ID).
		Stringer("remote_addr", c.attempt.RemoteAddr).
		Str("state", string(c.phase)).
		Str("error", fmt.Sprint(value)).
		Bytes("stack", debug.Stack()).
		Msg("panic while serving a connection")
	defer func() { _ = recover() }() // if it was Observe that panicked, it does so again
	c.leave(ResultPanic, 0, fmt.Errorf("tlsmux: panic: %v", value))
}

// open takes the connection through its phases. It returns no handler when
// one of them has ended it.
func (c *connection) open(ctx context.Context) (Handler, *Tunnel) {
	// Wakes the phases when Shutdown has waited long enough.
	watch := context.AfterFunc(ctx, func() { c.raw.SetDeadline(time.Unix(1, 0)) })
	defer watch()

	if c.cfg.trusts(c.attempt.Peer) && !c.run(PhaseProxyHeader, c.proxyHeader) {
		return nil, nil
	}
	if !c.run(PhaseOuterTLS, c.outerHandshake) {
		return nil, nil
	}
	var connect *Connect
	var ahead []byte
	if !c.run(PhaseConnect, func() (err error) { connect, ahead, err = c.readConnect(); return err }) {
		return nil, nil
	}
	var handler Handler
	if !c.run(PhaseAuthn, func() (err error) { handler, err = c.authenticate(ctx, connect); return err }) {
		return nil, nil
	}
	c.share.authenticated()
	if !c.run(PhaseInnerTLS, func() error { return c.innerHandshake(ahead, watch) }) {
		return nil, nil
	}
	name := normalName(c.inner.ConnectionState().ServerName)
	if name == "" {
		name = hostOf(c.attempt.Target)
	}
	return handler, &Tunnel{Attempt: c.attempt, Conn: c.top, ServerName: name}
}

// run runs a phase, tells its outcome and answers the client if that is due.
func (c *connection) run(phase Phase, step func() error) (passed bool) {
	c.enter(phase)
	err := step()
	if err == nil {
		c.leave(ResultOK, 0, nil)
		return true
	}
	if err == errHealthz {
		c.leave(ResultHealthz, 200, nil)
		c.answer(func(w io.Writer) error { _, err := io.WriteString(w, replyHealthy); return err })
		return false
	}
	result := c.classify(err)
	if phase == PhaseInnerTLS {
		c.linger = result == ResultFailed || result == ResultMalformed // an alert is under way
	}
	refusal := refusalFor(phase, err)
	if refusal == nil || result == ResultShutdown {
		c.leave(result, 0, err)
		return false
	}
	c.leave(result, refusal.Status, err)
	c.answer(refusal.writeTo)
	return false
}

func (c *connection) enter(phase Phase) {
	c.phase, c.since = phase, time.Now()
}

func (c *connection) leave(result Result, status int, err error) {
	if c.cfg.Observe == nil {
		return
	}
	c.cfg.Observe(c.attempt, Outcome{
		Phase:  c.phase,
		Result: result,
		Status: status,
		Took:   time.Since(c.since),
		Err:    err,
	})
}

// limit sets the deadline of what follows. It fails once Shutdown has ended
// its patience, whose own deadline in the past it may have overwritten.
func (c *connection) limit(d time.Duration) error {
	if err := c.raw.SetDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	return context.Cause(c.mux.abort)
}

func (c *connection) proxyHeader() error {
	if err := c.limit(c.cfg.ProxyTimeout); err != nil {
		return err
	}
	client, ahead, err := readProxyHeader(c.raw)
	if err != nil {
		return fmt.Errorf("reading the PROXY header: %w", err)
	}
	if client.IsValid() {
		c.attempt.RemoteAddr = client
	}
	c.ahead = ahead
	return nil
}

func (c *connection) outerHandshake() error {
	if err := c.share.take(c.mux.quota, c.cfg, c.attempt.RemoteAddr.Addr()); err != nil {
		return err
	}
	// For this phase and the next.
	if err := c.limit(c.cfg.HandshakeTimeout); err != nil {
		return err
	}
	var conn net.Conn = c.raw
	c.raw.Begin(c.ahead)
	if c.ahead != nil {
		conn, c.ahead = &aheadConn{Conn: c.raw, ahead: c.ahead}, nil
	}
	c.outer = tls.Server(conn, c.mux.outer)
	if err := c.outer.Handshake(); err != nil {
		return fmt.Errorf("outer handshake: %w", err)
	}
	c.attempt.OuterServerName = c.outer.ConnectionState().ServerName
	return nil
}

func (c *connection) readConnect() (connect *Connect, ahead []byte, err error) {
	var req httpparse.Request
	if ahead, err = readHead(c.outer, &c.cfg.HeadLimits, &req); err != nil {
		return nil, nil, fmt.Errorf("reading the CONNECT head: %w", err)
	}
	state := c.outer.ConnectionState()
	connect, err = checkHead(&req, c.attempt, &state)
	return connect, ahead, err
}

func (c *connection) authenticate(ctx context.Context, connect *Connect) (Handler, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.AuthenticateTimeout)
	defer cancel()
	handler, err := c.cfg.Authenticate(ctx, connect)
	if err == nil && handler == nil {
		panic("tlsmux: Authenticate returned neither a handler nor an error")
	}
	return handler, err
}

// innerHandshake confirms the CONNECT and does the second handshake. On
// success no deadline is left and watch does nothing any more.
func (c *connection) innerHandshake(ahead []byte, watch func() bool) error {
	if err := c.limit(c.cfg.InnerTimeout); err != nil {
		return err
	}
	if _, err := io.WriteString(c.outer, replyEstablished); err != nil {
		return fmt.Errorf("confirming the CONNECT: %w", err)
	}
	base := tlsio.NewBase(c.outer)
	base.Begin(ahead)
	c.inner = tls.Server(&aheadConn{Conn: base, ahead: ahead, host: hostOf(c.attempt.Target)}, c.mux.inner)
	c.top = tlsio.New(c.inner, base, c.raw)
	if err := c.inner.Handshake(); err != nil {
		return fmt.Errorf("inner handshake: %w", err)
	}
	if !watch() {
		return context.Cause(c.mux.abort)
	}
	return c.raw.SetDeadline(time.Time{})
}

const (
	// answerTimeout is for a refusal or the last close_notify to a client that
	// does not read.
	answerTimeout = 5 * time.Second

	// lingerTime and lingerOctets bound what is read and discarded before a
	// connection is closed.
	lingerTime   = time.Second
	lingerOctets = 4 << 20
)

// answer sends the last words. Whether they arrive is not ours to know.
func (c *connection) answer(write func(io.Writer) error) {
	c.linger = true
	if c.limit(answerTimeout) == nil {
		write(c.outer)
	}
}

// close closes the layers from the inside out. A second close_notify is not
// sent and what the handler has closed stays so.
//
// A TCP socket that is closed with octets unread sends a reset, and a reset
// makes the other end forget what it has received and not yet read
// (RFC 9112, Section 9.6). So after last words the direction towards the
// client is closed and the other one read for a while.
func (c *connection) close() {
	defer c.raw.Close()
	if c.outer == nil {
		return
	}
	// A handler that has left a write behind has broken its contract, but a
	// write that is stuck would hold the lock that CloseWrite needs for ever.
	c.raw.SetWriteDeadline(time.Now().Add(answerTimeout))
	c.raw.Gather(func() {
		if c.inner != nil {
			c.inner.CloseWrite()
		}
		c.outer.CloseWrite()
		// Each has left a deadline in the past, and nothing has been sent so far.
		c.raw.SetWriteDeadline(time.Now().Add(answerTimeout))
	})
	if !c.linger || c.raw.CloseWrite() != nil {
		return
	}
	c.raw.SetReadDeadline(time.Now().Add(lingerTime))
	io.CopyN(io.Discard, c.raw, lingerOctets)
}
