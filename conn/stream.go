package conn

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/httpparse"
)

// stream splices a client and an upstream connection after the 101. It has two
// directions, each with an end of its own: when one side has sent all it has,
// the other side is told so and may go on.
type stream struct {
	c     *Conn
	tap   Tap
	begun time.Time
	moved atomic.Int64 // when octets last went either way, in nanoseconds since begun

	mu     sync.Mutex
	ending bool   // guarded by mu; nothing more goes to the client
	woken  bool   // guarded by mu; the tap is to be asked for an insertion
	over   bool   // guarded by mu; the connections are no longer the stream's
	err    *Error // guarded by mu; of the direction that failed first

	last        bool      // guarded by mu; the API server has said all but its end
	told        bool      // guarded by mu; the client knows that nothing more comes
	clientUntil time.Time // guarded by mu; when the client's Reads end; zero: when it is idle
}

// partingTime is how long a side may go on that has nothing more to wait for: the
// client, in all, behind the end of the API server, and the API server, from octet to
// octet, behind the end of the session. A session that is over has to end, so that its
// recording is sealed.
const partingTime = 5 * time.Second

// errWoken is how a wait for the API server ends when the tap wants to say
// something.
var errWoken = errors.New("conn: the tap wants to insert")

// direction is one of the two ways through a stream. One goroutine owns it.
type direction struct {
	src, dst         net.Conn
	srcSide, dstSide string // blamed for a failed Read, a failed Write
	writes           *deadline
	tap              func([]byte) (int, error)
	insert           func() ([]byte, error) // of our own, towards dst
	wait             func() error           // sets the deadline of the next Read of src
	passed           int64                  // octets
	crash            crash                  // of the tap, mostly
}

// stream relays the 101 and then both directions, until both have ended or one
// has failed. The client connection is of no use afterwards.
func (c *Conn) stream(ctx context.Context) *Error {
	c.closing = true
	c.uplink.stop() // what the client has sent since its head is in c.in
	if gone := c.uplink.gone(); gone != nil {
		return gone
	}
	c.keepResponse()
	s := &stream{c: c}
	if err := s.open(); err != nil {
		return err
	}
	defer s.abandon()
	c.x.status, c.x.protocol, c.x.answered = c.resp.Status, c.resp.Upgrade, true
	c.releaseSent()
	err := c.writeClient(httpparse.AppendResponse(nil, &c.resp, false))
	if err == nil {
		err = s.run()
	}
	if err == nil {
		s.closeTap(nil)
		return nil
	}
	err = overruled(ctx, err)
	s.closeTap(err)
	return err
}

// closeTap closes the tap, once.
func (s *stream) closeTap(cause error) {
	tap := s.tap
	s.tap = untapped{}
	tap.Close(cause)
}

// abandon closes the tap before a panic goes on: nobody else ends the session and
// its recording.
func (s *stream) abandon() {
	if value := recover(); value != nil {
		s.closeTap(&Error{Blame: audit.BlameGateway, Reason: reasonPanic})
		panic(value)
	}
}

// keepResponse moves the head of the response out of the buffer that the stream
// is going to use, for the tap may look at it for as long as the stream lasts.
func (c *Conn) keepResponse() {
	head := bytes.Clone(c.down.b[c.down.r-c.x.answer : c.down.r])
	if _, err := httpparse.ParseResponse(head, &c.limits, &c.req, &c.resp); err != nil {
		panic("conn: internal error: a head does not parse again: " + err.Error())
	}
}

// open asks for the tap. What it refuses, the client never learns to have begun.
func (s *stream) open() *Error {
	c := s.c
	s.tap = untapped{}
	if c.config.Tap == nil {
		return nil
	}
	reserved := c.x.reserved
	c.x.reserved = nil
	tap, err := c.config.Tap(&Upgrade{
		Caller: c.caller, ID: c.x.id, Trace: c.x.trace, Info: &c.x.info, Request: &c.req, Response: &c.resp,
		Reservation: reserved, wake: s.wake, end: s.end, finish: s.finish,
	})
	if err == nil {
		s.tap = tap
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Blame: audit.BlameRecorder, Status: http.StatusServiceUnavailable, Reason: "recorder", Err: err,
		Say: "the session can't be recorded, so it was not started; tell your administrator"}
}

// run copies both directions. The one towards the client runs here, the other on
// a goroutine that ends when its Read or Write fails: both connections are
// closed as soon as one direction has failed.
func (s *stream) run() *Error {
	c, u := s.c, s.c.x.upstream
	s.begun = time.Now()
	up := &direction{
		src: c.client, dst: u, srcSide: audit.BlameClient, dstSide: audit.BlameUpstream,
		writes: &u.writes, tap: s.tapUp, insert: untapped{}.Insert, wait: s.waitClient,
	}
	down := &direction{
		src: u.Conn, dst: c.client, srcSide: audit.BlameUpstream, dstSide: audit.BlameClient,
		writes: &c.writes, tap: s.tap.Down, insert: s.tap.Insert, wait: s.waitUpstream,
	}
	upEnded := make(chan struct{})
	go s.copyUp(up, upEnded)
	switch err := s.guarded(down, &c.down); {
	case err == nil:
		timer := s.part()
		defer timer.Stop()
	case err.said:
		s.leave(err)
	default:
		s.fail(err)
	}
	<-upEnded
	up.crash.rethrow()
	down.crash.rethrow()
	c.x.bytes.up += up.passed
	c.x.bytes.down += down.passed
	return s.close()
}

// close keeps Wake and End off the connections, and returns what ended the stream.
func (s *stream) close() *Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	return s.err
}

// copyUp is the goroutine of the direction towards the API server. That one may
// close before the client has said its last words, as it does behind a command
// that has ended: they are then nobody's, and what it sent before is still to be
// read.
func (s *stream) copyUp(up *direction, ended chan<- struct{}) {
	defer close(ended)
	switch err := s.guarded(up, &s.c.in); {
	case err == nil || err.unheard:
	case err.tapped:
		s.awaitLastWords(err)
	default:
		s.fail(err)
	}
}

// tapUp takes all or nothing.
func (s *stream) tapUp(p []byte) (int, error) { return len(p), s.tap.Up(p) }

// guarded is copy, which a panic ends like any other failure: the other direction is
// to end as well before the panic goes on.
func (s *stream) guarded(d *direction, buf *buffer) (err *Error) {
	defer d.crash.catch(func() { err = &Error{Blame: audit.BlameGateway, Reason: reasonPanic} })
	return s.copy(d, buf)
}

// copy moves octets until src ends or something fails. It begins with those that
// buf already holds, and passes the end of src on.
func (s *stream) copy(d *direction, buf *buffer) *Error {
	for {
		if err := s.pass(d, buf.bytes()); err != nil {
			return err
		}
		buf.r, buf.w = 0, 0
		err := s.read(d, buf)
		switch {
		case err == nil || errors.Is(err, errWoken):
		case errors.Is(err, io.EOF) || s.parted(d, err):
			return s.passEnd(d)
		default:
			return streamError(d.srcSide, err)
		}
	}
}

// pass gives octets to the tap and then to the other side, with what the tap
// inserts among them.
func (s *stream) pass(d *direction, p []byte) *Error {
	for {
		own, err := d.insert()
		if err := s.write(d, own); err != nil {
			return err
		}
		if err != nil {
			e := *streamError(audit.BlameRecorder, err)
			e.said = len(own) > 0
			return &e
		}
		if len(p) == 0 {
			return nil
		}
		n, err := d.tap(p)
		if err != nil {
			e := *streamError(audit.BlameRecorder, err)
			e.tapped = true
			return &e
		}
		if err := s.write(d, p[:n]); err != nil {
			return err
		}
		p = p[n:]
	}
}

// write writes octets to the other side.
func (s *stream) write(d *direction, p []byte) *Error {
	if len(p) == 0 {
		return nil
	}
	d.writes.extend(s.c.times.StreamIdle)
	n, err := d.dst.Write(p)
	d.passed += int64(n)
	if err != nil {
		e := streamError(d.dstSide, err)
		e.unheard = d.dstSide == audit.BlameUpstream && !errors.Is(err, os.ErrDeadlineExceeded)
		return e
	}
	s.moved.Store(int64(time.Since(s.begun)))
	return nil
}

// passEnd tells the other side that nothing more will come. One that can't be told
// any more has ended already, in order or not: the other direction knows.
func (s *stream) passEnd(d *direction) *Error {
	if err := closeWrite(d.dst); errors.Is(err, errors.ErrUnsupported) {
		return streamError(d.dstSide, err)
	}
	return nil
}

// closeWrite ends what c sends and leaves what it receives.
func closeWrite(c net.Conn) error {
	half, ok := c.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// read waits for octets. A direction may be silent for as long as it likes while
// the other one moves.
func (s *stream) read(d *direction, buf *buffer) error {
	for {
		if err := d.wait(); err != nil {
			return err
		}
		err := readLean(d.src, buf)
		if !errors.Is(err, os.ErrDeadlineExceeded) || s.idle(d) {
			return err
		}
	}
}

// idle reports whether nothing has moved for too long. A wait for the API server may
// have been cut short because the tap wants to say something; one for the client never is,
// and nobody takes the wish back when the direction towards the client has ended.
func (s *stream) idle(d *direction) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.woken && d.srcSide == audit.BlameUpstream {
		return false
	}
	quiet := time.Since(s.begun) - time.Duration(s.moved.Load())
	return s.ending || s.partingLocked(d) || quiet >= s.c.times.StreamIdle*3/4
}

// parted reports whether a Read failed because the time to part is over, which is an
// end in order.
func (s *stream) parted(d *direction, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err == nil && errors.Is(err, os.ErrDeadlineExceeded) && s.partingLocked(d)
}

// partingLocked reports whether nobody waits for what d may still bring.
func (s *stream) partingLocked(d *direction) bool {
	if d.srcSide == audit.BlameClient {
		return s.told
	}
	return s.last
}

// waitUpstream sets the deadline of the next Read of the API server, unless the
// tap has asked to be heard first.
func (s *stream) waitUpstream() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	reads := &s.c.x.upstream.reads
	if s.woken {
		s.woken = false
		reads.forget()
		return errWoken
	}
	if s.err != nil {
		return s.err // of the other direction, and the tap has had its last words
	}
	if s.last {
		reads.extend(partingTime)
	} else {
		reads.extend(s.c.times.StreamIdle)
	}
	return nil
}

// wake is Upgrade.Wake.
func (s *stream) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || s.woken {
		return
	}
	s.woken = true
	s.c.x.upstream.reads.expire()
}

// end is Upgrade.End.
func (s *stream) end(cause *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.failLocked(cause)
	}
}

// finish is Upgrade.Finish.
func (s *stream) finish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || s.last {
		return
	}
	s.last = true
	s.c.x.upstream.reads.extend(partingTime)
}

// waitClient sets the deadline of the next Read of the client.
func (s *stream) waitClient() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waitClientLocked()
	return nil
}

func (s *stream) waitClientLocked() {
	wait := s.c.times.StreamIdle
	if !s.clientUntil.IsZero() {
		wait = max(time.Until(s.clientUntil), 1)
	}
	s.c.uplink.reads.extend(wait)
}

// part is called when the API server has ended and the client was told. What the client
// still says is passed on, as far as anybody takes it.
func (s *stream) part() *time.Timer {
	s.mu.Lock()
	s.told = true
	s.mu.Unlock()
	s.shortenClient(partingTime)
	return time.AfterFunc(partingTime+lingerTime, func() {
		s.end(&Error{Blame: audit.BlameUpstream, Reason: "idle", Err: os.ErrDeadlineExceeded})
	})
}

// shortenClient is called when nothing more will go to the client: told so, it has
// no reason to go on for long.
func (s *stream) shortenClient(wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ending = true
	s.clientUntil = time.Now().Add(wait)
	s.waitClientLocked()
}

// leave ends the stream behind last words, which a connection that is cut would
// take with it: the client gets a moment to read them.
func (s *stream) leave(err *Error) {
	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	s.mu.Unlock()
	s.c.x.upstream.abort()
	s.shortenClient(lingerTime)
}

// awaitLastWords is called when the tap has not taken what the client sent: it is
// asked once more, and then the stream ends. If the other direction is busy with a
// client that does not read, it is not waited for.
func (s *stream) awaitLastWords(err *Error) {
	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	s.mu.Unlock()
	s.wake()
	time.AfterFunc(lingerTime, func() { s.end(err) })
}

// fail ends both connections, so that both directions return. Neither end looks
// like one in order. What fails because of that is not what is told.
func (s *stream) fail(err *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failLocked(err)
}

func (s *stream) failLocked(err *Error) {
	if s.err == nil {
		s.err = err
	}
	s.c.cut()
	s.c.x.upstream.abort()
}

// streamError is a failure on one side of a stream.
func streamError(side string, err error) *Error {
	var own *Error
	if errors.As(err, &own) {
		return own // the tap's own words
	}
	e := &Error{Blame: side, Err: err}
	switch {
	case side == audit.BlameRecorder:
		e.Reason = "recorder"
	case errors.Is(err, os.ErrDeadlineExceeded):
		e.Reason = "idle"
	case side == audit.BlameClient:
		e.Reason = reasonClientClosed
	default:
		e.Reason = reasonUpstreamClosed
	}
	return e
}
