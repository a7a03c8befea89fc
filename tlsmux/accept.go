package tlsmux

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// Serve accepts connections from ln until ctx is done or Shutdown is called,
// and returns nil then; connections go on. It returns an error when ln fails
// for good. In either case it has closed ln. It may be called for several
// listeners at once.
func (m *Mux) Serve(ctx context.Context, ln net.Listener) error {
	defer ln.Close()
	if !m.enter() {
		return nil
	}
	defer m.leave()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(m.accepting, cancel)()
	defer context.AfterFunc(ctx, func() { ln.Close() })()

	loop, unwatch := m.watch(ln)
	defer unwatch()
	var pause backoff
	for {
		// Before Accept, so that what is beyond the limit stays in the
		// kernel and costs us neither a file nor memory.
		done := loop.await()
		taken := m.slots.take(ctx, m.sayFull)
		if done(); !taken {
			return nil
		}
		conn, err := loop.accept()
		if err == nil {
			pause.reset()
			keepAlive(conn)
			if m.start(conn) {
				continue
			}
			conn.Close()
		}
		m.slots.free()
		switch {
		case err == nil || ctx.Err() != nil:
			return nil
		case !transient(err):
			return fmt.Errorf("tlsmux: accepting on %s: %w", ln.Addr(), err)
		}
		m.acceptFailed(ln, err, pause.next == 0)
		done = loop.await()
		again := pause.wait(ctx)
		if done(); !again {
			return nil
		}
	}
}

// fullSilence is the least time between two log lines about the limit: at it,
// every connection would be worth one.
const fullSilence = time.Minute

func (m *Mux) sayFull() {
	cfg := m.cfg.Load()
	if cfg.Full != nil {
		cfg.Full()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if now := time.Now(); m.fullSaid.IsZero() || now.Sub(m.fullSaid) >= fullSilence {
		m.fullSaid = now
		cfg.Log.Warn().Int("limit", cfg.MaxConnections).Msg("connection limit reached")
	}
}

// acceptFailed logs the first failure of a run.
func (m *Mux) acceptFailed(ln net.Listener, err error, first bool) {
	cfg := m.cfg.Load()
	if cfg.AcceptFailed != nil {
		cfg.AcceptFailed(err)
	}
	if first {
		cfg.Log.Error().Err(err).Stringer("local_addr", ln.Addr()).Msg("accepting connections fails, trying again")
	}
}

// transient tells whether Accept is worth another try. Almost every error is:
// a shortage of files or memory goes by, and Linux reports the network errors
// of a connection that failed before it was accepted (accept(2)). Only an
// error that is none of the system, or one that says that the socket itself
// is wrong, is not.
func transient(err error) bool {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		var timeout net.Error
		return errors.As(err, &timeout) && timeout.Timeout()
	}
	switch errno {
	case syscall.EBADF, syscall.EFAULT, syscall.EINVAL, syscall.ENOTSOCK:
		return false
	}
	return true
}

// keepAlive has the kernel find out, within some 90 seconds of silence, that
// a client is gone.
func keepAlive(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		// An error means that the connection is dead: the next read says so.
		tcp.SetKeepAliveConfig(net.KeepAliveConfig{
			Enable:   true,
			Idle:     30 * time.Second,
			Interval: 10 * time.Second,
			Count:    6,
		})
	}
}

// A backoff is the pause after failures of Accept, which doubles with each in
// a row.
type backoff struct {
	next time.Duration // zero: nothing has failed
}

const (
	backoffFirst = 5 * time.Millisecond
	backoffLast  = time.Second
)

func (b *backoff) reset() { b.next = 0 }

// wait returns false when ctx is done.
func (b *backoff) wait(ctx context.Context) bool {
	b.next = min(max(2*b.next, backoffFirst), backoffLast)
	timer := time.NewTimer(b.next)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
