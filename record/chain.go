package record

import (
	"crypto/sha256"
	"hash"
)

const (
	blockSize  = 1024 // octets of the .cast in a block
	digestSize = 16   // octets of a block's digest that are listed
	maxListed  = 256  // blocks in a line of the seal
)

// A chain is the digest of a growing file, block by block: that of a block is
// the SHA-256 of the digest before and the block.
type chain struct {
	hash    hash.Hash
	sum     [sha256.Size]byte // of all blocks that are complete
	inBlock int               // octets of the block that is not
	offset  int64             // octets of all

	from    int64  // where the first listed block begins
	digests []byte // of the blocks from there that are complete
}

// newChain begins a chain. What it begins with makes it one of this recording
// and no other.
func newChain(id string, session []byte) *chain {
	c := &chain{hash: sha256.New()}
	c.hash.Write([]byte(sealName + id + "\n"))
	c.hash.Write(session)
	c.next()
	return c
}

// next completes a block and begins another.
func (c *chain) next() {
	c.hash.Sum(c.sum[:0])
	c.hash.Reset()
	c.hash.Write(c.sum[:])
	c.inBlock = 0
}

func (c *chain) write(p []byte) {
	for len(p) > 0 {
		n := min(len(p), blockSize-c.inBlock)
		c.hash.Write(p[:n])
		p = p[n:]
		c.inBlock += n
		c.offset += int64(n)
		if c.inBlock == blockSize {
			c.cut()
		}
	}
}

// cut ends the block here, if one was begun.
func (c *chain) cut() {
	if c.inBlock == 0 {
		return
	}
	c.next()
	c.digests = append(c.digests, c.sum[:digestSize]...)
}

// listed says that the digests were written down. Nothing may be cut off a
// block before that: only the last block of a line may be short.
func (c *chain) listed() {
	c.digests = c.digests[:0]
	c.from = c.offset - int64(c.inBlock)
}

// resumeChain continues a chain behind a block.
func resumeChain(sum [sha256.Size]byte, offset int64) *chain {
	c := &chain{hash: sha256.New(), sum: sum, offset: offset, from: offset}
	c.hash.Write(sum[:])
	return c
}
