package testnet

import (
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// pipeBuffer is how many octets a direction of a pipe holds before Write
// waits, as a socket buffer would.
const pipeBuffer = 64 << 10

// A PipeConn is one end of a [Pipe]. All methods may be called concurrently.
type PipeConn struct {
	in, out *direction // what this end reads from and writes to
	local   net.Addr
	remote  net.Addr
}

var _ net.Conn = (*PipeConn)(nil)

// pipePorts makes the addresses of pipes distinct, so that a test can tell
// the log lines of two connections apart.
var pipePorts atomic.Uint32

// Pipe returns the two ends of an in-memory, full-duplex connection. The
// addresses are TCP addresses: a is 192.0.2.1 with a port of its own, b is
// 192.0.2.2 port 443.
func Pipe() (a, b *PipeConn) {
	client := &net.TCPAddr{
		IP:   net.IPv4(192, 0, 2, 1),
		Port: 1024 + int(pipePorts.Add(1)%60000),
	}
	return pipeFrom(client, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 2), Port: 443})
}

// pipeFrom is [Pipe] with the addresses of the two ends.
func pipeFrom(client, server net.Addr) (a, b *PipeConn) {
	up, down := newDirection(), newDirection()
	a = &PipeConn{in: down, out: up, local: client, remote: server}
	b = &PipeConn{in: up, out: down, local: server, remote: client}
	return a, b
}

// Read returns octets of at most one Write of the other end. After the other
// end's Close or CloseWrite, and once the octets before it are read, it
// returns io.EOF.
func (c *PipeConn) Read(p []byte) (int, error) {
	n, err := c.in.read(p)
	return n, c.wrap("read", err)
}

// Write copies p and waits only while the buffer towards the other end is
// full.
func (c *PipeConn) Write(p []byte) (int, error) {
	n, err := c.out.write(p)
	return n, c.wrap("write", err)
}

// CloseWrite ends the direction towards the other end, which reads io.EOF
// after what was written before. Reading goes on.
func (c *PipeConn) CloseWrite() error {
	return c.wrap("close", c.out.finish(nil))
}

// Close ends both directions. The other end can still read what was written
// before; its writes fail with EPIPE. A second Close returns net.ErrClosed.
func (c *PipeConn) Close() error {
	c.out.finish(nil)
	return c.wrap("close", c.in.abandon())
}

// Reset ends both directions at once, as a TCP RST does: what is in flight is
// lost and the other end's calls fail with ECONNRESET.
func (c *PipeConn) Reset() {
	c.out.finish(syscall.ECONNRESET)
	c.in.abandon()
}

// Buffered returns how many octets were written by the other end and not yet
// read by this one.
func (c *PipeConn) Buffered() int {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	return c.in.size
}

// LocalAddr returns the address of this end.
func (c *PipeConn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the address of the other end.
func (c *PipeConn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines.
func (c *PipeConn) SetDeadline(t time.Time) error {
	c.SetReadDeadline(t)
	return c.SetWriteDeadline(t)
}

// SetReadDeadline sets the time after which Read fails with
// os.ErrDeadlineExceeded, also a Read that waits already. Zero: never.
func (c *PipeConn) SetReadDeadline(t time.Time) error {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	if c.in.abandoned {
		return c.wrap("set", net.ErrClosed)
	}
	c.in.readBy.set(c.in, t)
	return nil
}

// SetWriteDeadline is SetReadDeadline for Write.
func (c *PipeConn) SetWriteDeadline(t time.Time) error {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.out.writeBy.set(c.out, t)
	return nil
}

// wrap dresses err as the net package does. io.EOF stays io.EOF.
func (c *PipeConn) wrap(op string, err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &net.OpError{Op: op, Net: "pipe", Source: c.local, Addr: c.remote, Err: err}
}

// A direction carries octets one way.
type direction struct {
	mu   sync.Mutex
	cond *sync.Cond // on mu; every change of state is broadcast

	writes    [][]byte // guarded by mu; one element a Write, never empty
	size      int      // guarded by mu; octets in writes
	finished  bool     // guarded by mu; the writer has closed
	abandoned bool     // guarded by mu; the reader has closed
	reset     error    // guarded by mu; set with finished: the writer sent a reset

	readBy, writeBy deadline // guarded by mu
}

func newDirection() *direction {
	d := &direction{}
	d.cond = sync.NewCond(&d.mu)
	return d
}

func (d *direction) read(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		switch {
		case d.abandoned:
			return 0, net.ErrClosed
		case d.readBy.passed:
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case d.reset != nil:
			return 0, d.reset
		case d.size > 0:
			return d.take(p), nil
		case d.finished:
			return 0, io.EOF
		}
		d.cond.Wait()
	}
}

// take moves octets of the oldest write to p. d.mu is held, d.size > 0.
func (d *direction) take(p []byte) int {
	n := copy(p, d.writes[0])
	d.writes[0] = d.writes[0][n:]
	if len(d.writes[0]) == 0 {
		d.writes[0] = nil
		d.writes = d.writes[1:]
	}
	d.size -= n
	d.cond.Broadcast()
	return n
}

func (d *direction) write(p []byte) (n int, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		switch {
		case d.finished:
			return n, net.ErrClosed
		case d.writeBy.passed:
			return n, os.ErrDeadlineExceeded
		case d.abandoned:
			return n, syscall.EPIPE
		case len(p) == 0:
			return n, nil
		}
		if room := pipeBuffer - d.size; room > 0 {
			part := p[:min(room, len(p))]
			d.writes = append(d.writes, append([]byte(nil), part...))
			d.size += len(part)
			n += len(part)
			p = p[len(part):]
			d.cond.Broadcast()
			continue
		}
		d.cond.Wait()
	}
}

// finish is the writer's close. With a cause what is in flight is dropped.
func (d *direction) finish(reset error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.finished {
		return net.ErrClosed
	}
	d.finished = true
	d.writeBy.stop()
	if reset != nil {
		d.reset, d.writes, d.size = reset, nil, 0
	}
	d.cond.Broadcast()
	return nil
}

// abandon is the reader's close.
func (d *direction) abandon() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.abandoned {
		return net.ErrClosed
	}
	d.abandoned = true
	d.readBy.stop()
	d.writes, d.size = nil, 0
	d.cond.Broadcast()
	return nil
}

// A deadline is a timer that wakes the waiters of a direction. It is guarded
// by the direction's mutex.
type deadline struct {
	timer  *time.Timer
	passed bool
	round  int // of the latest set, so that an older timer does nothing
}

func (t *deadline) stop() {
	if t.timer != nil {
		t.timer.Stop()
		t.timer = nil
	}
	t.round++
}

func (t *deadline) set(d *direction, at time.Time) {
	t.stop()
	t.passed = false
	if at.IsZero() {
		return
	}
	wait := time.Until(at)
	if wait <= 0 {
		t.passed = true
		d.cond.Broadcast()
		return
	}
	round := t.round
	t.timer = time.AfterFunc(wait, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		if t.round == round {
			t.passed = true
			d.cond.Broadcast()
		}
	})
}
