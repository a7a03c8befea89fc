//go:build !race

package trace

import "testing"

func TestStartAllocs(t *testing.T) {
	above, _ := Parse([]byte(parent))
	tracer := &Tracer{sampler: newSampler(1)}
	var line []byte
	n := testing.AllocsPerRun(100, func() {
		root, child := tracer.Start(Context{}), tracer.Start(above)
		line = root.AppendParent(child.AppendParent(line[:0]))
	})
	if n != 0 {
		t.Errorf("Start allocates %v times, want 0", n)
	}
}
