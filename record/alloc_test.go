//go:build !race

package record

import (
	"fmt"
	"runtime"
	"testing"
)

func TestOutputDoesNotAllocate(t *testing.T) {
	for _, frame := range frames {
		for _, size := range frameSizes {
			t.Run(fmt.Sprintf("frame=%s/size=%d", frame.name, size), func(t *testing.T) {
				s := openStore(t, t.TempDir(), nil)
				r := s.start(alice())
				p := frame.make(size)
				n := testing.AllocsPerRun(200, func() {
					if err := r.Output(1234567890, p); err != nil {
						t.Fatal(err)
					}
				})
				// The lists of the seal, one for 256 KiB, are the only ones.
				lists := 10 * float64(5*size) / (maxListed * blockSize)
				if n > lists {
					t.Errorf("Output of %d octets: %v allocations, want at most %v", size, n, lists)
				}
			})
		}
	}
}

// TestSilentRecorderHoldsLittle has many recorders write much, and holds them to what
// they have of the heap when they are silent again: 12 KiB each, most of it the lists of
// their seals.
func TestSilentRecorderHoldsLittle(t *testing.T) {
	const recorders, most = 100, 16 << 10
	s := openStore(t, t.TempDir(), nil)
	p := binaryFrame(32 << 10)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // a pool gives its memory back at the second
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	all := make([]*Recorder, recorders)
	for i := range all {
		all[i] = s.start(alice())
		for range 4 {
			if err := all[i].Output(0, p); err != nil {
				t.Fatal(err)
			}
		}
	}
	each := (heap() - before) / recorders
	if each > most {
		t.Errorf("%d octets of heap for a silent recorder, want at most %d", each, most)
	}
	t.Logf("%d octets of heap each", each)
	runtime.KeepAlive(all)
}
