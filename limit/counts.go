package limit

import "sync"

// Counts counts how much of something each key has.
type Counts[K comparable] struct {
	mu   sync.Mutex
	held map[K]int // guarded by mu; without zeroes
}

// NewCounts returns counts of nothing.
func NewCounts[K comparable]() *Counts[K] {
	return &Counts[K]{held: make(map[K]int)}
}

// Take counts one more for key until Give. It reports false, and counts nothing,
// if key has most already; zero is no limit.
func (c *Counts[K]) Take(key K, most int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.held[key]; most == 0 || n < most {
		c.held[key] = n + 1
		return true
	}
	return false
}

// Give ends what one Take of key has begun.
func (c *Counts[K]) Give(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch n := c.held[key]; n {
	case 0:
		panic("limit: internal error: more is given than was taken")
	case 1:
		delete(c.held, key)
	default:
		c.held[key] = n - 1
	}
}

// Highest returns how much the key has that has most. It looks at all of them.
func (c *Counts[K]) Highest() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	highest := 0
	for _, n := range c.held {
		highest = max(highest, n)
	}
	return highest
}
