package limit

import (
	"net/netip"
	"testing"
)

func TestCountsBorder(t *testing.T) {
	c := NewCounts[string]()
	for range 2 {
		if !c.Take("a", 2) {
			t.Fatal("one of two is refused")
		}
	}
	if c.Take("a", 2) {
		t.Error("a third is let in")
	}
	if !c.Take("b", 2) {
		t.Error("another key is refused")
	}
	if got := c.Highest(); got != 2 {
		t.Errorf("Highest = %d, want 2", got)
	}
	c.Give("a")
	if !c.Take("a", 2) {
		t.Error("the place that was given back is refused")
	}
	c.Give("a")
	c.Give("a")
	c.Give("b")
	if len(c.held) != 0 || c.Highest() != 0 {
		t.Errorf("%d keys are left, want none", len(c.held))
	}
}

func TestCountsWithoutLimit(t *testing.T) {
	c := NewCounts[int]()
	for range 1000 {
		if !c.Take(1, 0) {
			t.Fatal("refused without a limit")
		}
	}
	if got := c.Highest(); got != 1000 {
		t.Errorf("Highest = %d, want 1000", got)
	}
}

func TestCountsGivenTooOften(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	NewCounts[int]().Give(1)
}

func TestSource(t *testing.T) {
	for _, test := range []struct{ addr, want string }{
		{"192.0.2.1", "192.0.2.1"},
		{"::ffff:192.0.2.1", "192.0.2.1"},
		{"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"},
		{"2001:db8:1:2:ffff::", "2001:db8:1:2::"},
		{"2001:db8:1:3::", "2001:db8:1:3::"},
		{"fe80::1%eth0", "fe80::"},
	} {
		if got := Source(netip.MustParseAddr(test.addr)); got != netip.MustParseAddr(test.want) {
			t.Errorf("Source(%s) = %s, want %s", test.addr, got, test.want)
		}
	}
	if got := Source(netip.Addr{}); got.IsValid() {
		t.Errorf("Source of no address = %s", got)
	}
}
