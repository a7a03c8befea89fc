package session

// cursor follows the frames of a server's WebSocket, which were found in order by its decoder, to know where they end.
type cursor struct {
	head [10]byte
	have int   // octets of head
	size int   // of head; zero if not known
	left int64 // of the payload, once have is size
	open bool  // a message is to be continued
}

// advance takes octets.
func (c *cursor) advance(p []byte) {
	for len(p) > 0 {
		if c.size == 0 || c.have < c.size {
			c.head[c.have] = p[0]
			c.have++
			p = p[1:]
			c.measure()
		} else {
			n := min(int64(len(p)), c.left)
			p = p[n:]
			c.left -= n
		}
		if c.size > 0 && c.have == c.size && c.left == 0 {
			c.next()
		}
	}
}

// measure reads what there is of the head (RFC 6455, Section 5.2).
func (c *cursor) measure() {
	const length16, length64 = 126, 127
	if c.have < 2 {
		return
	}
	switch c.head[1] {
	case length16:
		c.size = 4
	case length64:
		c.size = 10
	default:
		c.size, c.left = 2, int64(c.head[1])
		return
	}
	if c.have < c.size {
		return
	}
	c.left = 0
	for _, b := range c.head[2:c.size] {
		c.left = c.left<<8 | int64(b)
	}
}

// next begins another frame.
func (c *cursor) next() {
	if c.isData() {
		c.open = !c.isLast()
	}
	c.have, c.size = 0, 0
}

// isData and isLast tell what the frame at hand is, if its head is there.
func (c *cursor) isData() bool { return c.head[0]&0x08 == 0 }
func (c *cursor) isLast() bool { return c.head[0]&0x80 != 0 }

// border reports whether neither a frame nor a message is incomplete.
func (c *cursor) border() bool { return c.have == 0 && !c.open }

// inData reports whether the head of a data frame is complete, and its payload is not.
func (c *cursor) inData() bool { return c.size > 0 && c.have == c.size && c.isData() }
