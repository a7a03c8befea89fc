package conn

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/internal/tlsio"
)

// uplink is the client's direction while the loop is busy with the API server:
// it sends what is left of the request body, and then reads on, only to notice
// when the client goes away. What comes in meanwhile is kept for the loop.
//
// It is off, armed (the vigil will start a goroutine) or running. The loop owns
// the client's read side while it is off, the uplink otherwise.
type uplink struct {
	c     *Conn
	reads deadline      // of the client
	state uplinkState   // owned by the loop
	done  chan struct{} // has a value when the goroutine has ended
	buf   buffer        // what was read behind the body
	body  atomic.Uint32 // a bodyState
	crash crash

	round uint64 // guarded by vigil.mu; in which it was armed
	place int    // guarded by vigil.mu; among those that wait; -1: none

	mu       sync.Mutex
	stopping bool   // guarded by mu; no Read may begin
	lost     *Error // guarded by mu; why the exchange can't go on
}

type uplinkState uint8

const (
	uplinkOff     uplinkState = iota
	uplinkArmed               // the vigil waits, or has just started the goroutine
	uplinkRunning             // the goroutine is running, or has ended
)

// bodyState is how far the request body is.
type bodyState = uint32

const (
	bodySent   bodyState = iota // completely; also if there is none
	bodyMoving                  // the uplink is sending it
	bodyStuck                   // the uplink has given up
)

func (l *uplink) init(c *Conn) {
	l.c = c
	l.reads.set = c.client.SetReadDeadline
	l.done = make(chan struct{}, 1)
}

// start lets the uplink begin for the exchange whose first octets have just
// been sent. stop ends it.
func (l *uplink) start() {
	if l.c.x.up.done {
		l.arm()
		return
	}
	l.state = uplinkRunning
	l.body.Store(bodyMoving)
	go l.sendBody(l.c.x.upstream)
}

// arm has the vigil begin to watch the client in a while. stop ends it.
func (l *uplink) arm() {
	l.state = uplinkArmed
	l.c.config.Pool.vigil.add(l)
}

// stop ends the uplink and waits for it. After it the loop owns the read side.
func (l *uplink) stop() {
	if l.state == uplinkOff || l.state == uplinkArmed && l.c.config.Pool.vigil.remove(l) {
		l.state = uplinkOff
		return
	}
	l.mu.Lock()
	l.stopping = true
	l.reads.expire()
	l.mu.Unlock()
	l.c.writes.extend(l.c.times.BodyIdle) // for the answer to a key update, inside of a Read
	<-l.done
	l.mu.Lock()
	l.stopping = false
	l.reads.forget()
	l.mu.Unlock()
	l.state = uplinkOff
	l.crash.rethrow()
}

// handOver gives the loop what was read behind the request body, and is ready
// for the next exchange.
func (l *uplink) handOver() {
	l.body.Store(bodySent)
	if l.buf.len() == 0 {
		l.buf.release()
		return
	}
	l.c.in.release() // the body went on behind it, so it is used up
	l.c.in, l.buf = l.buf, buffer{}
}

// gone returns why the exchange can't go on, nil if it can: mostly because the
// client is gone.
func (l *uplink) gone() *Error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost
}

// lose notes why the exchange can't go on and wakes the loop, which may be waiting
// for the API server, or for its turn.
func (l *uplink) lose(err *Error) {
	l.mu.Lock()
	l.lost = err
	l.mu.Unlock()
	l.c.wake()
}

// watchClient runs on a goroutine of its own, started by the vigil.
func (l *uplink) watchClient() {
	defer l.finish()
	defer l.crash.catch(l.crashed)
	l.watch(&l.c.in)
}

// sendBody runs on a goroutine of its own. It ends when the client or the API
// server ends, or by stop.
func (l *uplink) sendBody(u *upstreamConn) {
	defer l.finish()
	defer l.crash.catch(l.crashed)
	if err := l.copyBody(u); err != nil {
		l.body.Store(bodyStuck)
	} else {
		l.body.Store(bodySent)
		l.watch(&l.buf)
	}
}

// finish says that the goroutine has ended.
func (l *uplink) finish() { l.done <- struct{}{} }

// crashed wakes the loop when the goroutine has panicked.
func (l *uplink) crashed() { l.lose(&Error{Blame: audit.BlameGateway, Reason: reasonPanic}) }

// copyBody sends the rest of the request body. When the API server has closed it
// just ends: there may be a response that says why.
func (l *uplink) copyBody(u *upstreamConn) error {
	x := &l.c.x
	l.buf.grab()
	for !x.up.done {
		if err := l.read(&l.buf, l.c.bodyWait()); err != nil {
			if !errors.Is(err, errUplinkStopped) {
				l.lose(l.c.clientError("body", err))
			}
			return err
		}
		if err := l.passBody(u); err != nil {
			return err
		}
	}
	return nil
}

// passBody sends what the buffer holds of the body.
func (l *uplink) passBody(u *upstreamConn) error {
	x := &l.c.x
	for l.buf.len() > 0 && !x.up.done {
		octets := l.buf.bytes()
		n, keep, err := x.up.next(octets)
		if err != nil {
			l.lose(malformed(err))
			return err
		}
		l.buf.skip(n) // also if they can't be sent: the next request is behind them
		if keep {
			u.writes.extend(l.c.bodyWait())
			sent, err := u.Write(octets[:n])
			x.bytes.up += int64(sent)
			if err != nil {
				if stalled := stalled(err); stalled != nil {
					l.lose(stalled)
				}
				return err
			}
		}
	}
	l.buf.compact()
	return nil
}

// watch reads until the client is gone, the buffer is full or stop is called.
func (l *uplink) watch(buf *buffer) {
	for !buf.full() {
		err := l.awaitArrival()
		if err == nil {
			err = l.read(buf, 0)
		}
		switch {
		case err == nil:
			continue
		case errors.Is(err, errUplinkStopped):
		case errors.Is(err, io.EOF):
			l.lose(&Error{Blame: audit.BlameClient, Reason: reasonClientClosed})
		default:
			l.lose(l.c.clientError("", err))
		}
		return
	}
}

// awaitArrival waits for something to come from the client, with a stack that is
// small: most of the time of most watches goes by here. What came with the request
// and lies between the layers of TLS is seen with what comes next.
func (l *uplink) awaitArrival() error {
	c, ok := l.c.client.(*tlsio.Conn)
	if !ok {
		return nil
	}
	if err := l.mayRead(0); err != nil {
		return err
	}
	err := c.AwaitArrival()
	if stopped := l.mayRead(0); stopped != nil {
		return stopped
	}
	return err
}

// read appends to buf what the client sends next, within wait (0: without
// limit).
func (l *uplink) read(buf *buffer, wait time.Duration) error {
	if err := l.mayRead(wait); err != nil {
		return err
	}
	err := readArrived(l.c.client, buf)
	if err == nil {
		return nil
	}
	if stopped := l.mayRead(wait); stopped != nil {
		return stopped
	}
	return err
}

// mayRead sets the deadline of a Read, unless stop has been called: it must not
// undo the one that stop has set.
func (l *uplink) mayRead(wait time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopping {
		return errUplinkStopped
	}
	l.reads.extend(wait)
	return nil
}
