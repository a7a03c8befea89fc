package tlsmux

import (
	"context"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spliceway/spliceway/internal/testnet"
)

// stoppable is a listener with deadlines whose Accept can be made to hang.
type stoppable struct {
	*testnet.Listener
	hang     chan struct{} // closed: Accept returns at its deadline again
	gone     chan struct{} // closed by Close
	once     sync.Once
	deadline time.Time
}

func newStoppable() *stoppable {
	return &stoppable{Listener: testnet.Listen(), hang: make(chan struct{}), gone: make(chan struct{})}
}

func (l *stoppable) Close() error {
	l.once.Do(func() { close(l.gone) })
	return l.Listener.Close()
}

func (l *stoppable) SetDeadline(t time.Time) error { l.deadline = t; return nil }

func (l *stoppable) Accept() (net.Conn, error) {
	select {
	case <-l.hang:
	case <-l.gone:
		return nil, net.ErrClosed
	}
	select {
	case <-time.After(time.Until(l.deadline)):
		return nil, os.ErrDeadlineExceeded
	case <-l.gone:
		return nil, net.ErrClosed
	}
}

func TestStuck(t *testing.T) {
	bubble(t, nil, func(t *testing.T, g *gateway) {
		ln := newStoppable()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go g.mux.Serve(ctx, ln)
		synctest.Wait()
		if stuck := g.mux.Stuck(5 * time.Second); stuck != nil {
			t.Errorf("Stuck = %v at once, want nil", stuck)
		}
		time.Sleep(6 * time.Second)
		if stuck := g.mux.Stuck(5 * time.Second); stuck == nil || stuck.String() != ln.Addr().String() {
			t.Errorf("Stuck = %v, want the listener that hangs", stuck)
		}
		close(ln.hang)
		time.Sleep(time.Minute) // in which nobody connects
		if stuck := g.mux.Stuck(5 * time.Second); stuck != nil {
			t.Errorf("Stuck = %v, want nil: the loop goes round", stuck)
		}
	})
}

// To be full is no fault.
func TestStuckNotAtLimit(t *testing.T) {
	bubble(t, func(cfg *Config) { cfg.MaxConnections = 1 }, func(t *testing.T, g *gateway) {
		inner := g.tunnel(g.ln.Dial())
		ln := newStoppable()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go g.mux.Serve(ctx, ln)
		time.Sleep(time.Hour)
		if stuck := g.mux.Stuck(5 * time.Second); stuck != nil {
			t.Errorf("Stuck = %v, want nil", stuck)
		}
		close(ln.hang)
		inner.Close()
	})
}
