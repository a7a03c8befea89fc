//go:build !race

package spdy_test

import (
	"testing"

	. "github.com/spliceway/spliceway/spdy"
)

// Data must not allocate: it is most of what a session sends. Nor must the pings that idle sessions send every 5 s.

func TestNextDoesNotAllocate(t *testing.T) {
	for _, size := range []int{1, 64, 32 << 10} {
		d, stream := output(t, size)
		wantNoAllocs(t, "Next", func() { drain(t, d, stream) })
		wantNoAllocs(t, "Next of single octets", func() {
			for i := range min(len(stream), 200) {
				drain(t, d, stream[i:i+1])
			}
			drain(t, d, stream[min(len(stream), 200):])
		})
	}
	d := NewConn(Exec, nil).From(Client)
	ping := control(6, 0, 0, 0, 0, 1)
	wantNoAllocs(t, "Next of a ping in two pieces", func() {
		drain(t, d, ping[:9])
		drain(t, d, ping[9:])
	})
}

func wantNoAllocs(t *testing.T, what string, f func()) {
	t.Helper()
	f() // storage that is kept from then on
	if got := testing.AllocsPerRun(100, f); got != 0 {
		t.Errorf("%s: %v allocations, want none", what, got)
	}
}
