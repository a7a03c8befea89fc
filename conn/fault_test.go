package conn

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/spliceway/spliceway/internal/testnet"
)

// The ways in which an operation fails. All later ones of the connection fail too.
const (
	faultReset   = "reset"   // at once
	faultPartly  = "partly"  // with half of the octets
	faultEnd     = "end"     // as partly, or without an octet read, and the other direction goes on
	faultSilence = "silence" // nothing moves until the deadline
)

// faultKind says which operations fail, and how.
type faultKind struct{ side, op, how string }

func faultKinds() (all []faultKind) {
	for _, side := range []string{"client", "API server"} {
		for _, op := range []string{"read", "write"} {
			for _, how := range []string{faultReset, faultPartly, faultEnd, faultSilence} {
				all = append(all, faultKind{side, op, how})
			}
		}
	}
	return all
}

// fault makes the nth operation of a kind fail, of all the connections of a side.
type fault struct {
	faultKind
	begun func() int // requests

	mu   sync.Mutex
	left int // guarded by mu; operations until it strikes
	turn int // guarded by mu; requests begun when it struck; -1: it has not
}

// strikes reports whether the operation that begins is to fail.
func (f *fault) strikes(side, op string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if side != f.side || op != f.op || f.left == 0 {
		return false
	}
	if f.left--; f.left > 0 {
		return false
	}
	f.turn = f.begun()
	return true
}

// end makes nothing fail that has not failed yet.
func (f *fault) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = 0
}

// fell returns how many requests had begun when it struck; -1: it has not.
func (f *fault) fell() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.turn
}

// faulty is the gateway's end of a connection, on which the fault may strike.
type faulty struct {
	*testnet.PipeConn
	f    *fault
	side string

	mu       sync.Mutex
	readErr  error     // guarded by mu; of every Read from now on
	writeErr error     // guarded by mu; of every Write from now on
	silent   bool      // guarded by mu
	readBy   time.Time // guarded by mu
	writeBy  time.Time // guarded by mu
	closes   int       // guarded by mu; calls of Close
	got      int       // guarded by mu; octets read
}

func (c *faulty) Read(p []byte) (n int, err error) {
	struck := c.f.strikes(c.side, "read")
	if struck && c.f.how == faultPartly {
		n, _ = c.PipeConn.Read(p)
		n -= n / 2
	}
	if struck {
		c.fail(&c.readErr, io.EOF)
	}
	if err := c.fails(&c.readErr, &c.readBy); err != nil {
		return c.count(n), err
	}
	n, err = c.PipeConn.Read(p)
	if failed := c.failed(&c.readErr); failed != nil && err != nil {
		err = failed // while it waited
	}
	return c.count(n), err
}

func (c *faulty) Write(p []byte) (n int, err error) {
	struck := c.f.strikes(c.side, "write")
	if struck && (c.f.how == faultPartly || c.f.how == faultEnd) {
		n, _ = c.PipeConn.Write(p[:len(p)/2])
	}
	if struck {
		c.fail(&c.writeErr, syscall.EPIPE)
	}
	if err := c.fails(&c.writeErr, &c.writeBy); err != nil {
		return n, err
	}
	n, err = c.PipeConn.Write(p)
	if failed := c.failed(&c.writeErr); failed != nil && err != nil {
		err = failed
	}
	return n, err
}

func (c *faulty) CloseWrite() error {
	if c.f.strikes(c.side, "write") {
		c.fail(&c.writeErr, syscall.EPIPE)
	}
	if err := c.failed(&c.writeErr); err != nil {
		return err
	}
	return c.PipeConn.CloseWrite()
}

// fail makes what follows fail; end is the error of the one direction that has ended.
func (c *faulty) fail(one *error, end error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.f.how {
	case faultEnd:
		*one = end
	case faultSilence:
		c.silent = true
	default:
		c.readErr, c.writeErr = syscall.ECONNRESET, syscall.ECONNRESET
		c.PipeConn.Close() // wakes who waits
	}
}

// failed returns the error of one direction.
func (c *faulty) failed(err *error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return *err
}

// fails is failed, after the wait if the connection is silent.
func (c *faulty) fails(failed *error, by *time.Time) error {
	for {
		c.mu.Lock()
		err, silent, closes, by := *failed, c.silent, c.closes, *by
		c.mu.Unlock()
		switch {
		case err != nil || !silent:
			return err
		case closes > 0:
			return net.ErrClosed
		case !by.IsZero() && !time.Now().Before(by):
			return os.ErrDeadlineExceeded
		}
		time.Sleep(time.Second) // of fake time
	}
}

// count counts octets read.
func (c *faulty) count(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got += n
	return n
}

func (c *faulty) received() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got
}

func (c *faulty) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.readBy = t
	return c.PipeConn.SetReadDeadline(t)
}

func (c *faulty) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writeBy = t
	return c.PipeConn.SetWriteDeadline(t)
}

func (c *faulty) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closes++
	return c.PipeConn.Close()
}

// closed reports whether the gateway has closed the connection.
func (c *faulty) closed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closes > 0
}

// wasCut reports whether the gateway has closed the connection before it was done with
// it: below its TLS, were there one.
func (c *faulty) wasCut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closes > 1
}
