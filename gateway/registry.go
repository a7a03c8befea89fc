package gateway

import (
	"sync"
	"time"

	"github.com/spliceway/spliceway/conn"
	"github.com/spliceway/spliceway/tlsmux"
)

// admitted is who was let in, and where to.
type admitted struct {
	gateway    *Gateway
	generation *generation // that did so; acquired
	caller     *conn.Caller
	backend    *backend
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
	open     map[*openTunnel]struct{} // guarded by mu
	draining bool                     // guarded by mu
}

// add reports false when the gateway is draining: o should then end soon.
func (t *tunnels) add(o *openTunnel) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open = make(map[*openTunnel]struct{})
	}
	t.open[o] = struct{}{}
	return !t.draining
}

func (t *tunnels) remove(o *openTunnel) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, o)
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
	for o := range t.open {
		o.conn.Drain()
	}
}

// expire ends the tunnels whose token has ended.
func (t *tunnels) expire(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for o := range t.open {
		if !now.Before(o.expires()) {
			o.expire()
		}
	}
}
