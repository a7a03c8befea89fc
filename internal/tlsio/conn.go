package tlsio

import (
	"crypto/tls"
	"errors"
	"net"
)

// oneRecord is how many octets two layers send as one record each.
const oneRecord = 16<<10 - 64

// Conn is the top of a connection of some layers of TLS.
type Conn struct {
	net.Conn         // the top layer
	bases    []*Base // of each layer, from the top
	socket   *Base   // the last of them, or the connection itself if it has no layer

	// Owned by the reader.
	first   [1]byte // read by Await
	awaited bool    // first has an octet
	follows trust   // in the records of the bases
}

// trust says whether the layers are of a version whose records a Base understands.
type trust uint8

const (
	trustUnknown trust = iota
	trustYes
	trustNo
)

// New returns the top of the layers of which top is the last. Their bases are given
// from the top; without a layer, top is the one Base itself.
func New(top net.Conn, bases ...*Base) *Conn {
	c := &Conn{Conn: top, bases: bases, socket: bases[len(bases)-1]}
	for i, below := range bases[1:] {
		bases[i].below = below
	}
	if top == net.Conn(c.socket) {
		c.bases = nil
	}
	return c
}

// read reads from the top layer.
func (c *Conn) read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if len(c.bases) > 0 {
		c.bases[0].above.leave(n)
	}
	return n, err
}

// spent reports whether a Read would find nothing that has been read from the socket,
// and nothing there, as far as is known. It may say no when it is so.
func (c *Conn) spent() bool {
	for _, b := range c.bases {
		if !b.spent() {
			return false
		}
	}
	return c.follows == trustYes
}

// settle finds out, once the handshakes are over, whether spent can know.
func (c *Conn) settle() {
	if c.follows != trustUnknown {
		return
	}
	c.follows = trustYes
	if len(c.bases) == 0 || !isTLS13(c.Conn) {
		c.follows = trustNo
		return
	}
	for _, b := range c.bases[:len(c.bases)-1] {
		if !isTLS13(b.Conn) {
			c.follows = trustNo
		}
	}
}

func isTLS13(c net.Conn) bool {
	t, ok := c.(*tls.Conn)
	return ok && t.ConnectionState().Version == tls.VersionTLS13
}

// Layered reports whether there is a layer of TLS.
func (c *Conn) Layered() bool { return len(c.bases) > 0 }

// Socket returns the Base next to the kernel.
func (c *Conn) Socket() *Base { return c.socket }

// NetConn returns what is below the top layer, as that of tls.Conn does, or the
// connection itself if there is none.
func (c *Conn) NetConn() net.Conn {
	if len(c.bases) == 0 {
		return c.Conn
	}
	return c.bases[0]
}

// Write writes p, as few records and with as few system calls as it takes.
// When it fails, how much of p has gone may not be known: n is then 0.
func (c *Conn) Write(p []byte) (n int, err error) {
	if len(p) <= oneRecord {
		return c.Conn.Write(p)
	}
	for _, b := range c.bases {
		b.hold()
	}
	n, err = c.Conn.Write(p)
	for _, b := range c.bases {
		if failed := b.flush(); failed != nil && err == nil {
			n, err = 0, failed
		}
	}
	return n, err
}

// CanAwait reports whether Await knows more than a Read of one octet.
func (c *Conn) CanAwait() bool { return c.socket.kernel.raw != nil }

// Await waits until something has come, or a Read would fail, and returns why it
// would. ReadArrived or Read then has it. Where nothing is left of what was read
// before, it needs next to no stack, and what has come may be less than a record, or
// no octets for the reader: ReadArrived then returns 0.
func (c *Conn) Await() error {
	if c.awaited {
		return nil
	}
	if c.spent() && c.CanAwait() {
		err := c.socket.kernel.wait()
		c.socket.more = true
		return err
	}
	n, err := c.read(c.first[:])
	c.awaited = n > 0
	if c.awaited {
		return nil // the error comes again
	}
	return err
}

// Read reads octets, one record at most.
func (c *Conn) Read(p []byte) (int, error) {
	if !c.awaited || len(p) == 0 {
		return c.read(p)
	}
	return c.ReadArrived(p), nil
}

// ReadArrived reads what has arrived until p is full. It does not wait, and leaves
// an error to the next Read.
func (c *Conn) ReadArrived(p []byte) (n int) {
	if c.awaited && len(p) > 0 {
		n, c.awaited = copy(p, c.first[:]), false
	}
	c.socket.dry = true
	for n < len(p) && !c.spent() {
		more, err := c.read(p[n:])
		n += more
		if err != nil || more == 0 {
			c.settle()
			break
		}
	}
	c.socket.dry = false
	return n
}

// Drained reports whether nothing is left of what was read from the socket, and as
// far as is known nothing else has arrived: not an octet of a record.
func (c *Conn) Drained() bool {
	if c.awaited {
		return false
	}
	if c.spent() {
		return c.between()
	}
	c.socket.dry = true
	n, err := c.read(c.first[:])
	c.socket.dry = false
	c.awaited = n > 0
	c.settle()
	return n == 0 && errors.Is(err, errDry) && c.between()
}

// between reports whether no layer has a part of a record. Of versions before 1.3,
// the parts are known as well.
func (c *Conn) between() bool {
	for _, b := range c.bases {
		if !b.above.between() {
			return false
		}
	}
	return true
}

// AwaitArrival waits until something has come to the socket, be it its end, or the
// deadline for reading is over. What has been read from there, and is not yet a
// record or not yet asked for, it does not see. It needs next to no stack. Without
// a socket of the kernel's it returns at once.
func (c *Conn) AwaitArrival() error {
	if !c.CanAwait() {
		return nil
	}
	return c.socket.kernel.wait()
}

// CloseWrite ends what is sent and leaves what is received.
func (c *Conn) CloseWrite() error { return closeWrite(c.Conn) }

func closeWrite(c net.Conn) error {
	half, ok := c.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}
