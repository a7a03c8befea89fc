package gateway

import (
	"sync"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/conn"
	"github.com/spliceway/spliceway/tlsmux"
)

// opening holds who has been let in and has not yet finished the inner
// handshake, so that its failure can be told with a name. The zero value is
// ready.
type opening struct {
	mu  sync.Mutex
	who map[*tlsmux.Attempt]*audit.Connection // guarded by mu
}

func (o *opening) add(a *tlsmux.Attempt, who *audit.Connection) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.who == nil {
		o.who = make(map[*tlsmux.Attempt]*audit.Connection)
	}
	o.who[a] = who
}

// take removes an entry and returns it, or nil.
func (o *opening) take(a *tlsmux.Attempt) *audit.Connection {
	o.mu.Lock()
	defer o.mu.Unlock()
	who := o.who[a]
	delete(o.who, a)
	return who
}

// tunnels holds the request loops that are running, for draining them. The zero
// value is ready.
type tunnels struct {
	mu       sync.Mutex
	open     map[*conn.Conn]struct{} // guarded by mu
	draining bool                    // guarded by mu
}

// add reports false when the gateway is draining: c should then end soon.
func (t *tunnels) add(c *conn.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open = make(map[*conn.Conn]struct{})
	}
	t.open[c] = struct{}{}
	return !t.draining
}

func (t *tunnels) remove(c *conn.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, c)
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
