package main

import (
	"crypto/tls"
	"encoding/binary"
	"net"
	"sync"
)

// batchConn lies below a layer of TLS. It knows where the records that come begin,
// so that it can tell whether a whole one is there, and holds back what is written
// until flush. Without batching it is the connection as it is.
type batchConn struct {
	net.Conn
	below    *batchConn // of the next layer out; nil: there is none
	batching bool

	// owned by the reader
	in         []byte
	begin, end int // of what in holds
	record     int // octets of the present record that are still to be handed out

	mu   sync.Mutex
	held []byte // guarded by mu; nil: writes go through, as handshakes need it
}

const (
	recordHead = 5                         // octets. RFC 8446, Section 5.1
	recordRoom = recordHead + 16<<10 + 256 // the longest one. RFC 8446, Section 5.2
	batchRoom  = 64 << 10                  // of what has arrived or is held
	batchMost  = batchRoom - recordRoom    // plaintext gathered before a flush
)

// Read hands out no octet behind the end of a record, so that no other is hidden
// in the buffer of the TLS layer.
func (c *batchConn) Read(p []byte) (int, error) {
	if !c.batching {
		return c.Conn.Read(p)
	}
	for c.end-c.begin < recordHead && c.record == 0 || c.begin == c.end {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	if c.record == 0 {
		c.record = c.recordSize()
	}
	n := copy(p[:min(len(p), c.record)], c.in[c.begin:c.end])
	c.begin += n
	c.record -= n
	return n, nil
}

// recordSize returns the size of the record that the buffer begins with.
func (c *batchConn) recordSize() int {
	return recordHead + int(binary.BigEndian.Uint16(c.in[c.begin+3:]))
}

func (c *batchConn) fill() error {
	if c.in == nil {
		c.in = make([]byte, batchRoom)
	}
	if len(c.in)-c.end < recordRoom {
		c.end = copy(c.in, c.in[c.begin:c.end])
		c.begin = 0
	}
	n, err := c.Conn.Read(c.in[c.end:])
	c.end += n
	if n > 0 {
		return nil // an error comes again
	}
	return err
}

// ready reports whether a whole record can be read without waiting.
func (c *batchConn) ready() bool {
	for {
		if have := c.end - c.begin; have >= recordHead && have >= c.recordSize() {
			return true
		}
		if c.below == nil || !c.below.ready() || c.fill() != nil {
			return false
		}
	}
}

func (c *batchConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == nil {
		return c.Conn.Write(p)
	}
	c.held = append(c.held, p...)
	return len(p), nil
}

// hold begins to hold back what is written, here and below.
func (c *batchConn) hold() {
	if c.below != nil {
		c.below.hold()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = make([]byte, 0, batchRoom+4<<10)
}

// flush writes what is held, here and then below.
func (c *batchConn) flush() error {
	c.mu.Lock()
	_, err := c.Conn.Write(c.held)
	c.held = c.held[:0]
	c.mu.Unlock()
	if err != nil || c.below == nil {
		return err
	}
	return c.below.flush()
}

// close closes the TCP connection.
func (c *batchConn) close() {
	if c.below != nil {
		c.below.close()
		return
	}
	c.Conn.Close()
}

// layered is TLS and what lies below it.
type layered struct {
	*tls.Conn
	below *batchConn
}

// copyBatches copies until src ends. It takes all records that have arrived before
// it writes, and flushes once.
//
// A whole record is taken for one with data. After the handshakes only alerts are
// not, which end the copy.
func copyBatches(dst, src layered) {
	buf := make([]byte, batchRoom)
	dst.below.hold()
	for {
		n, err := src.Read(buf)
		for err == nil && n <= batchMost && src.below.ready() {
			var m int
			m, err = src.Read(buf[n:])
			n += m
		}
		if n > 0 {
			if _, err := dst.Write(buf[:n]); err != nil {
				return
			}
			if dst.below.flush() != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
