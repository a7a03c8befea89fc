package authn

import (
	"crypto/sha256"
	"sync"
)

const defaultCacheSize = 4096 // tokens

// grantCache remembers grants by the digest of their token, at most size of
// them, rounded up to an even number. It holds two halves: what is used moves to the young one, and when that
// is full the old one is forgotten. Expired grants leave the same way; the
// Verifier does not use them.
type grantCache struct {
	half int // grants in one half; 0: remembers nothing

	mu         sync.Mutex
	young, old map[[sha256.Size]byte]*Grant // guarded by mu
}

func newGrantCache(size int) *grantCache {
	if size == 0 {
		size = defaultCacheSize
	}
	return &grantCache{half: max(size+1, 0) / 2, young: make(map[[sha256.Size]byte]*Grant)}
}

func (c *grantCache) get(digest [sha256.Size]byte) *Grant {
	c.mu.Lock()
	defer c.mu.Unlock()
	if grant := c.young[digest]; grant != nil {
		return grant
	}
	grant := c.old[digest]
	if grant != nil {
		c.putLocked(digest, grant)
	}
	return grant
}

func (c *grantCache) put(digest [sha256.Size]byte, grant *Grant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.putLocked(digest, grant)
}

func (c *grantCache) putLocked(digest [sha256.Size]byte, grant *Grant) {
	if c.half == 0 {
		return
	}
	if len(c.young) >= c.half {
		c.old, c.young = c.young, make(map[[sha256.Size]byte]*Grant)
	}
	c.young[digest] = grant
}
