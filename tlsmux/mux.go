package tlsmux

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spliceway/spliceway/internal/tlsio"
)

// A Handler serves a tunnel. It returns when the tunnel has ended, and must do
// so soon after ctx ends, which happens when a Shutdown runs out of patience,
// with [ErrShutdown] as the cause. No goroutine may use t after the handler
// has returned.
type Handler func(ctx context.Context, t *Tunnel)

// ErrShutdown is why the context of a Handler ended.
var ErrShutdown = errors.New("tlsmux: shut down")

// A Mux makes tunnels of the connections of any number of listeners. All
// methods may be called concurrently.
type Mux struct {
	cfg          atomic.Pointer[Config] // complete; a connection keeps the one that it began with
	outer, inner *tls.Config            // for all configurations, so that session tickets stay good

	slots slots
	quota *quota

	accepting context.Context // ends with Shutdown
	stop      context.CancelFunc
	abort     context.Context // of the handlers; ends with the patience of Shutdown
	abortAll  context.CancelCauseFunc

	mu        sync.Mutex
	acceptors map[*acceptor]struct{} // guarded by mu
	loops     int                    // guarded by mu; calls of Serve
	quiet     chan struct{}          // closed, with mu held, when accepting has ended and loops is zero
	open      int                    // guarded by mu
	stopped   bool                   // guarded by mu
	drained   chan struct{}          // closed, with mu held, when stopped and open is zero
	fullSaid  time.Time              // guarded by mu; when the limit was last logged
}

// New returns a Mux that serves nothing yet. Its error is of the Config.
func New(cfg Config) (*Mux, error) {
	m := &Mux{quota: newQuota(), drained: make(chan struct{}), quiet: make(chan struct{})}
	if err := m.Configure(cfg); err != nil {
		return nil, err
	}
	m.accepting, m.stop = context.WithCancel(context.Background())
	m.abort, m.abortAll = context.WithCancelCause(context.Background())
	m.outer = &tls.Config{
		MinVersion:     tls.VersionTLS13,
		MaxVersion:     tls.VersionTLS13,
		GetCertificate: m.outerCertificate,

		DynamicRecordSizingDisabled: true,
	}
	m.inner = &tls.Config{
		MinVersion:     tls.VersionTLS12,
		MaxVersion:     tls.VersionTLS13,
		GetCertificate: m.innerCertificate,
		// A client that offers h2 as well gets http/1.1, one that offers
		// nothing speaks it anyway, one that offers only h2 gets an alert.
		NextProtos: []string{"http/1.1"},

		// A new connection would otherwise send its first 128 KiB in records of
		// one TCP segment, each of them split again by the outer layer: four
		// writes where one does.
		DynamicRecordSizingDisabled: true,
	}
	return m, nil
}

// Configure puts another configuration in force for the connections that are
// accepted from now on; the others go on with theirs. If it leaves less room
// than is taken, no connection is accepted until enough have ended. With an
// error nothing has changed.
func (m *Mux) Configure(cfg Config) error {
	if err := cfg.complete(); err != nil {
		return err
	}
	m.cfg.Store(&cfg)
	m.slots.resize(cfg.MaxConnections)
	return nil
}

func (m *Mux) outerCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return m.cfg.Load().Certificates(hello)
}

// innerCertificate makes the host of the CONNECT the server name of a client
// that sends none.
func (m *Mux) innerCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if hello.ServerName != "" {
		return m.cfg.Load().Certificates(hello)
	}
	named := *hello
	named.ServerName = hello.Conn.(*aheadConn).host
	return m.cfg.Load().Certificates(&named)
}

// Connections returns how many connections are being opened or served.
func (m *Mux) Connections() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.open
}

// start has a goroutine serve the connection; it ends with the connection.
// It returns false after Shutdown.
func (m *Mux) start(conn net.Conn) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped {
		return false
	}
	m.open++
	peer := addrPort(conn.RemoteAddr())
	c := &connection{
		mux:     m,
		cfg:     m.cfg.Load(),
		attempt: &Attempt{ID: newID(), Started: time.Now(), Peer: peer, RemoteAddr: peer},
		raw:     tlsio.NewBase(conn),
	}
	go c.serve()
	return true
}

// end undoes start.
func (m *Mux) end() {
	m.slots.free()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open--
	if m.stopped && m.open == 0 {
		close(m.drained)
	}
}

// enter counts a call of Serve until leave. It returns false after Shutdown.
func (m *Mux) enter() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.accepting.Err() != nil {
		return false
	}
	m.loops++
	return true
}

func (m *Mux) leave() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.loops--; m.loops == 0 && m.accepting.Err() != nil {
		close(m.quiet)
	}
}

// stopAccepting ends the calls of Serve and waits for that, so that what they have
// accepted is served: to the client it looks connected.
func (m *Mux) stopAccepting(ctx context.Context) {
	m.mu.Lock()
	if m.accepting.Err() == nil {
		m.stop()
		if m.loops == 0 {
			close(m.quiet)
		}
	}
	m.mu.Unlock()
	select {
	case <-m.quiet:
	case <-ctx.Done():
	}
}

// Shutdown stops accepting and waits until all connections have ended. When
// ctx is done before that, it ends the context of the handlers, gives them
// Config.ShutdownGrace to return, and returns ctx's error if it was too short
// for any of them or for ctx. Serve returns nil once it was called.
func (m *Mux) Shutdown(ctx context.Context) error {
	m.stopAccepting(ctx)
	m.mu.Lock()
	if !m.stopped {
		m.stopped = true
		if m.open == 0 {
			close(m.drained)
		}
	}
	m.mu.Unlock()

	select {
	case <-m.drained:
		m.abortAll(ErrShutdown)
		return nil
	case <-ctx.Done():
	}
	m.abortAll(ErrShutdown)
	grace := time.NewTimer(m.cfg.Load().ShutdownGrace)
	defer grace.Stop()
	select {
	case <-m.drained:
		return fmt.Errorf("tlsmux: ending connections that were still open: %w", context.Cause(ctx))
	case <-grace.C:
		return fmt.Errorf("tlsmux: %d connections do not end: %w", m.Connections(), context.Cause(ctx))
	}
}
