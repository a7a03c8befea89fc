package tlsmux

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
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
	cfg          Config
	outer, inner *tls.Config

	slots chan struct{} // one element for each connection, open or about to be accepted

	accepting context.Context // ends with Shutdown
	stop      context.CancelFunc
	abort     context.Context // of the handlers; ends with the patience of Shutdown
	abortAll  context.CancelCauseFunc

	mu       sync.Mutex
	open     int           // guarded by mu
	stopped  bool          // guarded by mu
	drained  chan struct{} // closed, with mu held, when stopped and open is zero
	fullSaid time.Time     // guarded by mu; when the limit was last logged
}

// New returns a Mux that serves nothing yet. Its error is of the Config.
func New(cfg Config) (*Mux, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	m := &Mux{
		cfg:     cfg,
		slots:   make(chan struct{}, cfg.MaxConnections),
		drained: make(chan struct{}),
	}
	m.accepting, m.stop = context.WithCancel(context.Background())
	m.abort, m.abortAll = context.WithCancelCause(context.Background())
	m.outer = &tls.Config{
		MinVersion:     tls.VersionTLS13,
		MaxVersion:     tls.VersionTLS13,
		GetCertificate: cfg.Certificates,

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

// innerCertificate makes the host of the CONNECT the server name of a client
// that sends none.
func (m *Mux) innerCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if hello.ServerName != "" {
		return m.cfg.Certificates(hello)
	}
	named := *hello
	named.ServerName = hello.Conn.(*aheadConn).host
	return m.cfg.Certificates(&named)
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
		attempt: &Attempt{ID: newID(), Started: time.Now(), Peer: peer, RemoteAddr: peer},
		raw:     conn,
	}
	go c.serve()
	return true
}

// end undoes start.
func (m *Mux) end() {
	<-m.slots
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open--
	if m.stopped && m.open == 0 {
		close(m.drained)
	}
}

// Shutdown stops accepting and waits until all connections have ended. When
// ctx is done before that, it ends the context of the handlers, gives them
// Config.ShutdownGrace to return, and returns ctx's error if it was too short
// for any of them or for ctx. Serve returns nil once it was called.
func (m *Mux) Shutdown(ctx context.Context) error {
	m.mu.Lock()
	if !m.stopped {
		m.stopped = true
		if m.open == 0 {
			close(m.drained)
		}
	}
	m.mu.Unlock()
	m.stop()

	select {
	case <-m.drained:
		m.abortAll(ErrShutdown)
		return nil
	case <-ctx.Done():
	}
	m.abortAll(ErrShutdown)
	grace := time.NewTimer(m.cfg.ShutdownGrace)
	defer grace.Stop()
	select {
	case <-m.drained:
		return fmt.Errorf("tlsmux: ending connections that were still open: %w", context.Cause(ctx))
	case <-grace.C:
		return fmt.Errorf("tlsmux: %d connections do not end: %w", m.Connections(), context.Cause(ctx))
	}
}
