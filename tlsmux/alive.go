package tlsmux

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// beat is how long Accept waits before it shows that its loop is alive.
const beat = time.Second

// acceptor is the accept loop of one listener.
type acceptor struct {
	net.Listener
	begun   time.Time
	seen    atomic.Int64 // when the loop was last at work, in nanoseconds since begun
	waiting atomic.Bool  // for a place, or out a pause: on purpose
}

// accept is Accept of the listener that says from time to time that it waits.
func (a *acceptor) accept() (net.Conn, error) {
	timed, ok := a.Listener.(interface{ SetDeadline(time.Time) error })
	for {
		a.show()
		if ok {
			timed.SetDeadline(time.Now().Add(beat)) // of a listener that is closed; Accept says so
		}
		conn, err := a.Accept()
		if err == nil || !ok || !errors.Is(err, os.ErrDeadlineExceeded) {
			return conn, err
		}
	}
}

// show notes that the loop is at work.
func (a *acceptor) show() { a.seen.Store(int64(time.Since(a.begun))) }

// quiet is for how long the loop has not shown itself.
func (a *acceptor) quiet() time.Duration { return time.Since(a.begun) - time.Duration(a.seen.Load()) }

// await notes that the loop waits on purpose until done is called.
func (a *acceptor) await() (done func()) {
	a.waiting.Store(true)
	return a.resume
}

func (a *acceptor) resume() {
	a.show()
	a.waiting.Store(false)
}

// Stuck returns the address of a listener whose loop has neither accepted nor
// waited on purpose for so long, which must be some seconds; nil if there is none.
// A loop shows that it is alive every second, even if nobody connects. Listeners
// without deadlines are not watched.
func (m *Mux) Stuck(within time.Duration) net.Addr {
	m.mu.Lock()
	defer m.mu.Unlock()
	for a := range m.acceptors {
		if !a.waiting.Load() && a.quiet() > max(within, 2*beat) {
			return a.Addr()
		}
	}
	return nil
}

// watch has Stuck look at a listener until unwatch is called.
func (m *Mux) watch(ln net.Listener) (a *acceptor, unwatch func()) {
	a = &acceptor{Listener: ln, begun: time.Now()}
	if _, ok := ln.(interface{ SetDeadline(time.Time) error }); !ok {
		return a, func() {}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.acceptors == nil {
		m.acceptors = make(map[*acceptor]struct{})
	}
	m.acceptors[a] = struct{}{}
	return a, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.acceptors, a)
	}
}
