package conn

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/spliceway/spliceway/internal/testnet"
)

func TestPoolLastUsedFirst(t *testing.T) {
	conversation(t, func(s *site) {
		ups := fill(s, 3)
		for range 2 {
			u := take(s)
			s.wantPool(2, 1)
			u.Write([]byte("x"))
			s.pool.put(u)
		}
		ups[2].hears("xx")
		ups[0].hearsNothing()
	})
}

// fill puts n connections into the pool and returns the API server's ends.
func fill(s *site, n int) []*peer {
	s.t.Helper()
	var us []*upstreamConn
	var ups []*peer
	for range n {
		us = append(us, take(s))
		ups = append(ups, s.accepts())
	}
	for _, u := range us {
		s.pool.put(u)
	}
	return ups
}

func take(s *site) *upstreamConn {
	s.t.Helper()
	u, err := s.pool.get(context.Background())
	if err != nil {
		s.t.Fatalf("get() = %v", err)
	}
	return u
}

func TestPoolReapsIdle(t *testing.T) {
	conversation(t, func(s *site) {
		ups := fill(s, 1)
		after(30 * time.Second)
		busy, second := take(s), take(s)
		s.pool.put(second)
		after(29 * time.Second)
		s.pool.put(busy)
		s.wantPool(2, 0)
		after(31 * time.Second)
		s.wantPool(1, 0) // the second has been idle for a minute
		s.accepts().hearsEnd()
		ups[0].hearsNothing()
		after(29 * time.Second)
		s.wantPool(0, 0)
		ups[0].hearsEnd()
	})
}

func TestPoolKeepsSoManyIdle(t *testing.T) {
	conversation(t, func(s *site) {
		s.pool = NewPool(PoolConfig{Dial: s.dial, MaxIdle: 2})
		ups := fill(s, 3)
		s.wantPool(2, 0)
		ups[2].hearsEnd()
	})
}

func TestPoolCloseIdle(t *testing.T) {
	conversation(t, func(s *site) {
		ups := fill(s, 2)
		busy := take(s)
		s.dialing(time.Second)
		dialed := make(chan *upstreamConn, 1)
		go func() {
			u, _ := s.pool.dial(context.Background())
			dialed <- u
		}()
		after(500 * time.Millisecond)
		s.pool.CloseIdle()
		ups[0].hearsEnd()
		ups[1].hearsNothing()
		s.pool.put(busy) // it was opened with what is no longer in force
		s.pool.put(<-dialed)
		s.wantPool(0, 0)
		ups[1].hearsEnd()
		s.accepts().hearsEnd()
		s.pool.put(take(s)) // a new one is as good as any
		s.wantPool(1, 0)
	})
}

func TestPoolClose(t *testing.T) {
	conversation(t, func(s *site) {
		ups := fill(s, 2)
		busy := take(s)
		s.pool.Close()
		if _, err := s.pool.get(context.Background()); !errors.Is(err, errPoolClosed) {
			t.Errorf("get() = %v, want %v", err, errPoolClosed)
		}
		s.pool.put(busy)
		s.wantPool(0, 0)
		ups[0].hearsEnd()
		ups[1].hearsEnd()
	})
}

func TestPoolTellsOfDials(t *testing.T) {
	conversation(t, func(s *site) {
		var told []error
		var took time.Duration
		s.pool = NewPool(PoolConfig{Dial: s.dial, DialTimeout: 3 * time.Second, Dialed: func(d time.Duration, err error) {
			told, took = append(told, err), d
		}})
		s.pool.put(take(s))
		s.pool.drop(take(s))
		s.dialing(time.Minute)
		if _, err := s.pool.get(context.Background()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("get() = %v, want %v", err, context.DeadlineExceeded)
		}
		if len(told) != 2 || told[0] != nil || told[1] == nil || took != 3*time.Second {
			t.Errorf("Dialed was told %v, the last after %v; want nil and an error after 3s", told, took)
		}
	})
}

// The API server answers a request of which it could not be sent all. Whatever is
// written next on that connection would be the rest of it.
func TestPoolNotBehindFailedWrite(t *testing.T) {
	conversation(t, func(s *site) {
		f := &fault{faultKind: faultKind{"API server", "write", faultEnd}, left: 1, begun: func() int { return 1 }}
		s.pool = NewPool(PoolConfig{Dial: func(ctx context.Context, wrap func(net.Conn) net.Conn) (net.Conn, error) {
			return s.dial(ctx, func(c net.Conn) net.Conn {
				return wrap(&faulty{PipeConn: c.(*testnet.PipeConn), f: f, side: "API server"})
			})
		}})
		s.config.Pool = s.pool
		c := s.connect()
		c.says(request("PUT /x", "Content-Length: 300") + strings.Repeat("x", 300))
		up := s.accepts()
		up.heard()
		up.says(response("200 OK", "{}"))
		c.hears(response("200 OK", "{}"))
		up.hearsEnd()
		s.wantPool(0, 0)
		c.says(request("GET /y"))
		s.accepts().hears(forwarded(2, "GET /y"))
	})
}
