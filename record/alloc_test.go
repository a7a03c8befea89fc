//go:build !race

package record

import (
	"fmt"
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
