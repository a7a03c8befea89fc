package gateway

import (
	"sync"
	"time"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/conn"
	"github.com/spliceway/spliceway/tlsmux"
)

// admitted is who was let in, and where to.
type admitted struct {
	gateway    *Gateway
	generation *generation // that did so; acquired
	caller     *conn.Caller
	backend    *backend
	expires    time.Time // of the token
}

// opening holds who has been let in and has not yet finished the inner
// handshake, so that its failure can be told with a name. The zero value is
// ready.
type opening struct {
	mu  sync.Mutex
	all map[*tlsmux.Attempt]*admitted // guarded by mu
}

func (o *opening) add(a *tlsmux.Attempt, in *admitted) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.all == nil {
		o.all = make(map[*tlsmux.Attempt]*admitted)
	}
	o.all[a] = in
}

// take removes an entry and returns it; nil: there is none.
func (o *opening) take(a *tlsmux.Attempt) *admitted {
	o.mu.Lock()
	defer o.mu.Unlock()
	in := o.all[a]
	delete(o.all, a)
	return in
}

// tunnels holds the request loops that are running, for draining and for showing
// them. The zero value is ready.
type tunnels struct {
	mu       sync.Mutex
	open     map[*conn.Conn]opened // guarded by mu
	draining bool                  // guarded by mu
}

// opened is whose tunnel it is, and since when.
type opened struct {
	who   *audit.Connection
	since time.Time
}

// add reports false when the gateway is draining: c should then end soon.
func (t *tunnels) add(c *conn.Conn, who *audit.Connection) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open = make(map[*conn.Conn]opened)
	}
	t.open[c] = opened{who, time.Now()}
	return !t.draining
}

func (t *tunnels) remove(c *conn.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, c)
}

func (t *tunnels) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.open)
}

// drain lets every loop end behind the request that it serves.
func (t *tunnels) drain() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.draining = true
	for c := range t.open {
		c.Drain()
	}
}
