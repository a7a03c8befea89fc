package conn

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/spliceway/spliceway/internal/tlsio"
)

// Dialer opens one TLS connection to an API server. It must put wrap around
// the socket, below TLS, and must offer HTTP/1.1 only.
type Dialer func(ctx context.Context, wrap func(net.Conn) net.Conn) (net.Conn, error)

// PoolConfig says how a Pool opens and keeps connections.
type PoolConfig struct {
	Dial        Dialer                              // required
	MaxIdle     int                                 // idle connections kept; if zero, 256; if negative, none
	IdleTimeout time.Duration                       // how long one is kept; if zero, 60 s, less than the API server's 90 s
	DialTimeout time.Duration                       // for one Dial; if zero, 10 s
	Dialed      func(took time.Duration, err error) // told of each Dial; may be nil
}

// Pool keeps idle connections to one API server. Identity travels in headers,
// so a connection may serve one user after another; it is the exchange that
// vouches for its cleanliness when it gives one back. It is safe for concurrent
// use.
type Pool struct {
	config PoolConfig
	vigil  vigil // over the clients of requests that are under way

	mu     sync.Mutex
	idle   []*upstreamConn // guarded by mu; last used last
	active int             // guarded by mu; connections that exchanges own
	reaper *time.Timer     // guarded by mu; nil while nothing is idle
	closed bool            // guarded by mu
	round  int             // guarded by mu; counts calls of CloseIdle
}

// PoolStats is a count of connections at one moment.
type PoolStats struct {
	Idle   int
	Active int // owned by a request or a stream
}

// NewPool returns an empty pool.
func NewPool(config PoolConfig) *Pool {
	if config.MaxIdle == 0 {
		config.MaxIdle = 256
	}
	if config.IdleTimeout == 0 {
		config.IdleTimeout = time.Minute
	}
	if config.DialTimeout == 0 {
		config.DialTimeout = 10 * time.Second
	}
	return &Pool{config: config}
}

// get returns an idle connection, the last used first, or dials. The caller
// owns it and ends with put or drop.
func (p *Pool) get(ctx context.Context) (*upstreamConn, error) {
	for {
		u := p.takeIdle()
		if u == nil {
			return p.dial(ctx)
		}
		if u.alive() {
			return u, nil
		}
		p.drop(u)
	}
}

// dial opens a connection that has carried nothing yet.
func (p *Pool) dial(ctx context.Context) (*upstreamConn, error) {
	round, err := p.begin()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.config.DialTimeout)
	defer cancel()
	var base *tlsio.Base
	start := time.Now()
	c, err := p.config.Dial(ctx, func(c net.Conn) net.Conn {
		base = tlsio.NewBase(c)
		return base
	})
	if p.config.Dialed != nil {
		p.config.Dialed(time.Since(start), err)
	}
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.active++
	p.mu.Unlock()
	u := newUpstreamConn(tlsio.New(c, base))
	u.round = round
	return u, nil
}

// put gives a connection back. The caller has read the whole response and
// nothing more.
func (p *Pool) put(u *upstreamConn) {
	if u.broken || !u.Drained() || !p.keep(u) {
		p.drop(u)
	}
}

// keep takes u as idle, unless there are enough.
func (p *Pool) keep(u *upstreamConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if u.round != p.round || len(p.idle) >= p.config.MaxIdle {
		return false
	}
	u.reused, u.idleAt = true, time.Now()
	p.idle = append(p.idle, u)
	p.active--
	if p.reaper == nil {
		p.reaper = time.AfterFunc(p.config.IdleTimeout, p.reap)
	}
	return true
}

// drop closes a connection that the caller owns.
func (p *Pool) drop(u *upstreamConn) {
	p.mu.Lock()
	p.active--
	p.mu.Unlock()
	u.Close()
}

func (p *Pool) takeIdle() *upstreamConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.idle) - 1
	if last < 0 {
		return nil
	}
	u := p.idle[last]
	p.idle[last] = nil
	p.idle = p.idle[:last]
	p.active++
	return u
}

// reap closes what has been idle for too long and sets its timer for the rest.
func (p *Pool) reap() {
	p.mu.Lock()
	now := time.Now()
	old := 0
	for old < len(p.idle) && now.Sub(p.idle[old].idleAt) >= p.config.IdleTimeout {
		old++
	}
	gone := append([]*upstreamConn(nil), p.idle[:old]...)
	n := copy(p.idle, p.idle[old:])
	clear(p.idle[n:])
	p.idle = p.idle[:n]
	p.reaper = nil
	if n > 0 && !p.closed {
		p.reaper = time.AfterFunc(p.config.IdleTimeout-now.Sub(p.idle[0].idleAt), p.reap)
	}
	p.mu.Unlock()
	for _, u := range gone {
		u.Close()
	}
}

// Stats returns how many connections there are now.
func (p *Pool) Stats() PoolStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return PoolStats{Idle: len(p.idle), Active: p.active}
}

// CloseIdle closes the idle connections, and those that are in use or being opened
// now when they come back: for instance because the credential or the CA they were
// opened with is no longer in force.
func (p *Pool) CloseIdle() {
	p.mu.Lock()
	p.round++
	gone := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, u := range gone {
		u.Close()
	}
}

// Close closes the idle connections and makes every later get fail. Those in
// use are closed when they come back.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closed = true
	if p.reaper != nil {
		p.reaper.Stop()
	}
	p.mu.Unlock()
	p.CloseIdle()
}

// begin is the beginning of a dial. It returns the round it belongs to.
func (p *Pool) begin() (round int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return 0, errPoolClosed
	}
	return p.round, nil
}
