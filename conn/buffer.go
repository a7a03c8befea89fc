package conn

import "sync"

// bufferSize is the size of every pooled buffer, in octets: two full TLS
// records, and the largest head that is accepted.
const bufferSize = 32 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// buffer holds octets that were read and not yet used: b[r:w]. The zero value
// holds no memory; grab takes it from the pool and release gives it back.
type buffer struct {
	pooled *[bufferSize]byte // nil: b is small and its own
	b      []byte
	r, w   int
}

// grab makes sure that the buffer has its pooled size. What it holds is kept
// and moved to the front.
func (b *buffer) grab() {
	if b.pooled != nil {
		b.compact()
		return
	}
	pooled := buffers.Get().(*[bufferSize]byte)
	n := copy(pooled[:], b.b[b.r:b.w])
	*b = buffer{pooled: pooled, b: pooled[:], w: n}
}

// release gives the memory back. What the buffer held is lost.
func (b *buffer) release() {
	if b.pooled != nil {
		buffers.Put(b.pooled)
	}
	*b = buffer{}
}

// shrink replaces the pooled memory by memory of its own, with room for some
// more than the buffer holds but never more than a pooled one has. Slices of the
// old memory become invalid.
func (b *buffer) shrink(room int) {
	own := make([]byte, min(b.len()+room, bufferSize))
	n := copy(own, b.bytes())
	b.release()
	*b = buffer{b: own, w: n}
}

// compact moves what the buffer holds to its front.
func (b *buffer) compact() {
	if b.r > 0 {
		b.w = copy(b.b, b.b[b.r:b.w])
		b.r = 0
	}
}

func (b *buffer) bytes() []byte { return b.b[b.r:b.w:b.w] }
func (b *buffer) len() int      { return b.w - b.r }
func (b *buffer) free() []byte  { return b.b[b.w:] }
func (b *buffer) full() bool    { return b.w == len(b.b) }

// skip takes n octets from the front.
func (b *buffer) skip(n int) { b.r += n }
