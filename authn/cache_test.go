package authn

import (
	"encoding/binary"
	"testing"
)

func digestOf(i int) (d [32]byte) {
	binary.BigEndian.PutUint64(d[:], uint64(i))
	return d
}

func TestGrantCacheIsBounded(t *testing.T) {
	for _, row := range []struct{ size, most int }{{0, 4096}, {-1, 0}, {1, 2}, {2, 2}, {7, 8}, {10, 10}} {
		c := newGrantCache(row.size)
		grants := make([]*Grant, 3*4096)
		for i := range grants {
			grants[i] = &Grant{}
			c.put(digestOf(i), grants[i])
			if n := len(c.young) + len(c.old); n > row.most {
				t.Fatalf("size %d: holds %d grants, want at most %d", row.size, n, row.most)
			}
		}
		last := len(grants) - 1
		if got := c.get(digestOf(last)); row.size >= 0 && got != grants[last] {
			t.Errorf("size %d: forgot the latest grant", row.size)
		}
		if c.get(digestOf(0)) != nil {
			t.Errorf("size %d: remembers the first of %d grants", row.size, len(grants))
		}
	}
}

func TestGrantCacheKeepsWhatIsUsed(t *testing.T) {
	c := newGrantCache(8)
	used := &Grant{}
	c.put(digestOf(0), used)
	for i := 1; i < 100; i++ {
		c.put(digestOf(i), &Grant{})
		if c.get(digestOf(0)) != used {
			t.Fatalf("forgot a grant that was used, after %d others", i)
		}
	}
}
