//go:build linux

package soak

import (
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// relay copies octets between its callers and an address, and can cut them off.
type relay struct {
	listener net.Listener
	target   string
	cutting  atomic.Bool
	cuts     atomic.Int64
	open     sync.WaitGroup
}

func startRelay(t *testing.T, target string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: l, target: target}
	go r.accept() // ends with the listener
	t.Cleanup(func() { l.Close(); r.open.Wait() })
	return r
}

func (r *relay) address() string { return r.listener.Addr().String() }

func (r *relay) accept() {
	for {
		c, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.open.Go(func() { r.carry(c.(*net.TCPConn)) })
	}
}

// carry copies both ways until either end closes, or it is cut.
func (r *relay) carry(near *net.TCPConn) {
	defer near.Close()
	c, err := net.Dial("tcp", r.target)
	if err != nil {
		near.SetLinger(0)
		return
	}
	far := c.(*net.TCPConn)
	defer far.Close()
	left := new(atomic.Int64) // octets before the cut, both ways
	left.Store(1<<62 - 1)
	if r.cutting.Load() {
		left.Store(int64(1) << rand.IntN(19)) // most in the handshakes, some in the middle of bodies
	}
	var both sync.WaitGroup
	both.Go(func() { r.copy(far, near, left) })
	both.Go(func() { r.copy(near, far, left) })
	both.Wait()
}

// copy copies one way. The cut is in the middle of what is read: by a reset, an
// end, or silence and then a reset.
func (r *relay) copy(to, from *net.TCPConn, left *atomic.Int64) {
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		if over := left.Add(-int64(n)); over < 0 && r.cutting.Load() {
			to.Write(buf[:max(0, int64(n)+over)])
			r.cuts.Add(1)
			switch rand.IntN(3) {
			case 0:
				to.Close()
				from.Close()
				return
			case 1:
				time.Sleep(300 * time.Millisecond)
			}
			to.SetLinger(0)
			from.SetLinger(0)
			to.Close()
			from.Close()
			return
		}
		if _, e := to.Write(buf[:n]); e != nil {
			from.SetLinger(0)
			from.Close()
			return
		}
		if err == io.EOF {
			to.CloseWrite()
			return
		}
		if err != nil {
			to.SetLinger(0)
			to.Close()
			return
		}
	}
}
