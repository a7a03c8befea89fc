package tlsmux

import "net"

// An aheadConn is a connection of which some octets have been read already,
// by whoever looked for the end of a header in front of them.
type aheadConn struct {
	net.Conn
	ahead []byte // owned by the reader of the connection; nil when all is read
	host  string // immutable; for the inner layer: the host of the CONNECT
}

// Read returns the octets that were read ahead and after them, with nothing
// left to keep, those of the connection.
func (c *aheadConn) Read(p []byte) (int, error) {
	if len(c.ahead) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.ahead)
	c.ahead = c.ahead[n:]
	if len(c.ahead) == 0 {
		c.ahead = nil // an empty slice would keep its array alive
	}
	return n, nil
}
