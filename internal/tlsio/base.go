package tlsio

import (
	"io"
	"net"
	"sync"
	"syscall"
)

// blockSize is what is read ahead at once, and gathered before it is written, in
// octets: two full TLS records of 16 KiB, with what two layers add to them.
const blockSize = 34 << 10

type block [blockSize]byte

var blocks = sync.Pool{New: func() any { return new(block) }}

// Base lies below a TLS layer, on the kernel's socket or on another layer.
type Base struct {
	net.Conn
	kernel kernel

	// Owned by the reader.
	dry   bool   // Read answers errDry where it would wait
	more  bool   // the last Read was filled, so that there may be more
	ended bool   // Read has come to the end
	ahead *block // what has been read ahead is ahead[r:w]; nil: nothing
	r, w  int
	above records // of the layer above
	below *Base   // of the layer below; nil: there is none, or New was not yet called

	mu     sync.Mutex
	held   *block // guarded by mu; gathers what is written; nil: it goes on at once
	length int    // guarded by mu; of what is held
	err    error  // guarded by mu; of a Write that was claimed to have succeeded
}

// NewBase returns the Base of a layer above c.
func NewBase(c net.Conn) *Base {
	b := &Base{Conn: c}
	if sc, ok := c.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			b.kernel.init(raw)
		}
	}
	return b
}

// Begin says that the layer above begins here, with octets that somebody else has
// read and that it gets before it reads: not with the first octet read from b.
func (b *Base) Begin(ahead []byte) {
	b.above = records{}
	b.above.arrive(ahead)
}

// Read reads from the connection below, or what was read ahead of it.
func (b *Base) Read(p []byte) (n int, err error) {
	switch {
	case b.ahead != nil:
		n = b.takeAhead(p)
	case b.dry:
		n, err = b.readAhead(p)
	default:
		n, err = b.Conn.Read(p)
		b.more = n == len(p)
		b.ended = b.ended || err == io.EOF
		if b.below != nil {
			b.below.above.leave(n)
		}
	}
	b.above.arrive(p[:n])
	if err == errDry {
		b.above.settle()
	}
	return n, err
}

// readAhead reads what has arrived. A Read that got less than it asked for has
// left nothing, which need not be asked for again.
func (b *Base) readAhead(p []byte) (int, error) {
	if !b.more || b.kernel.raw == nil {
		return 0, errDry
	}
	ahead := blocks.Get().(*block)
	n, err := b.kernel.read(ahead[:])
	b.more = n == len(ahead)
	b.ended = b.ended || err == io.EOF
	if n == 0 {
		blocks.Put(ahead)
		return 0, err
	}
	b.ahead, b.r, b.w = ahead, 0, n
	return b.takeAhead(p), nil
}

func (b *Base) takeAhead(p []byte) int {
	n := copy(p, b.ahead[b.r:b.w])
	if b.r += n; b.r == b.w {
		blocks.Put(b.ahead)
		b.ahead = nil
	}
	return n
}

// Write writes to the connection below, or gathers between hold and flush. When
// something gathered was lost, it returns why ever after.
func (b *Base) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return 0, b.err
	}
	if b.held != nil && b.length+len(p) > len(b.held) {
		if err := b.writeHeld(); err != nil {
			return 0, err
		}
	}
	if b.held == nil || len(p) > len(b.held) {
		return b.Conn.Write(p)
	}
	b.length += copy(b.held[b.length:], p)
	return len(p), nil
}

// hold begins to gather.
func (b *Base) hold() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held = blocks.Get().(*block)
}

// flush writes what was gathered, and ends gathering.
func (b *Base) flush() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.writeHeld()
	blocks.Put(b.held)
	b.held = nil
	return err
}

// Gather has what do writes go on as one write, as far as it is little. When that
// fails, a later Write says so.
func (b *Base) Gather(do func()) {
	b.mu.Lock()
	busy := b.held != nil // somebody who writes, and is going to flush
	b.mu.Unlock()
	if busy {
		do()
		return
	}
	b.hold()
	do()
	_ = b.flush() // which b.err remembers
}

func (b *Base) writeHeld() error {
	if b.err == nil && b.length > 0 {
		_, b.err = b.Conn.Write(b.held[:b.length])
	}
	b.length = 0
	return b.err
}

// spent reports whether nothing is left of what was read from the connection below,
// nor, as far as is known, there.
func (b *Base) spent() bool {
	return b.ahead == nil && b.above.held == 0 && (b.kernel.raw == nil || !b.more)
}

// Ended reports whether a Read has come to the end of the connection below.
func (b *Base) Ended() bool { return b.ended }

// Silent reports whether the connection is open and nothing has arrived, without
// waiting. Of what is no kernel's socket it knows nothing and says yes.
func (b *Base) Silent() bool { return b.kernel.raw == nil || b.kernel.silent() }

// CloseWrite is for a connection without TLS.
func (b *Base) CloseWrite() error { return closeWrite(b.Conn) }

// errDry says that nothing more has arrived. It is temporary, so that crypto/tls
// does not remember it as the end of the connection.
var errDry error = dryError{}

type dryError struct{}

func (dryError) Error() string   { return "tlsio: nothing has arrived" }
func (dryError) Timeout() bool   { return true }
func (dryError) Temporary() bool { return true }
