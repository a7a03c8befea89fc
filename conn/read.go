package conn

import (
	"net"

	"github.com/spliceway/spliceway/internal/tlsio"
)

// readArrived reads into buf what src has next, and what else has come by then: of
// many records as of one.
func readArrived(src net.Conn, buf *buffer) error {
	n, err := src.Read(buf.free())
	buf.w += n
	if n == 0 {
		return err
	}
	if c, ok := src.(*tlsio.Conn); ok {
		buf.w += c.ReadArrived(buf.free())
	}
	return nil // the error comes again
}

// readLean is readArrived for a wait that may be long: a buffer that holds nothing
// is given back until something comes.
func readLean(src net.Conn, buf *buffer) error {
	c, ok := src.(*tlsio.Conn)
	if !ok || !c.CanAwait() || buf.len() > 0 {
		buf.grab()
		return readArrived(src, buf)
	}
	buf.release()
	if err := c.Await(); err != nil {
		return err
	}
	buf.grab()
	if buf.w = c.ReadArrived(buf.b); buf.w == 0 {
		return readArrived(src, buf) // a part of a record, or the end
	}
	return nil
}
