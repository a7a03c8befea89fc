package main

import (
	"bytes"
	"testing"
	"time"
)

// Every message of an exec is compared, through all sides that this program is.
func TestSidesForwardExecs(t *testing.T) {
	for name, p := range startRelays(t) {
		t.Run(name, func(t *testing.T) {
			for _, kind := range []string{flowText, flowBinary} {
				for _, size := range []int{1, 64, 125, 1 << 10, 32 << 10} {
					c, err := p.gate.open(testContext(t))
					if err != nil {
						t.Fatal(err)
					}
					if err := c.flow(kind, size, 50); err != nil {
						t.Errorf("flow(%s, %d): %v", kind, size, err)
					}
					c.close()
				}
			}
		})
	}
}

func TestSidesForwardKeystrokes(t *testing.T) {
	for name, p := range startRelays(t) {
		t.Run(name, func(t *testing.T) {
			ctx := testContext(t)
			tunnels, err := p.gate.openAll(ctx, 2, (*tunnel).terminal)
			defer closeAll(tunnels)
			if err != nil {
				t.Fatal(err)
			}
			took, err := openLoop(ctx, tunnels, 2000, 31, (*tunnel).press)
			if err != nil || len(took) != 31 {
				t.Fatalf("openLoop has %d echoes, %v, want 31", len(took), err)
			}
			if p50, p99 := took.quantile(0.5), took.quantile(0.99); p50 <= 0 || p99 < p50 {
				t.Errorf("p50 %g, p99 %g", p50, p99)
			}
		})
	}
}

func TestSidesForwardEvents(t *testing.T) {
	for name, p := range startRelays(t) {
		t.Run(name, func(t *testing.T) {
			c, err := p.gate.open(testContext(t))
			if err != nil {
				t.Fatal(err)
			}
			defer c.close()
			if err := c.watchEvents(20, time.Millisecond, 0); err != nil {
				t.Fatal(err)
			}
			if err := c.events(20); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSetUpsResume(t *testing.T) {
	for name, p := range startRelays(t) {
		t.Run(name, func(t *testing.T) {
			g := *p.gate
			g.sessions = newSessions()
			if err := openOnceEach(testContext(t), []*gate{&g}, 1, true); err != errNotResumed {
				t.Errorf("without tickets: %v, want %v", err, errNotResumed)
			}
			if err := openOnceEach(testContext(t), []*gate{&g}, 3, true); err != nil {
				t.Errorf("with tickets: %v", err)
			}
		})
	}
}

func TestQuantile(t *testing.T) {
	l := make(latencies, 200)
	for i := range l {
		l[len(l)-1-i] = time.Duration(i) * time.Microsecond
	}
	for _, row := range []struct{ part, want float64 }{{0, 0}, {0.5, 100}, {0.99, 198}, {1, 199}} {
		if got := l.quantile(row.part); got != row.want {
			t.Errorf("quantile(%g) = %g, want %g", row.part, got, row.want)
		}
	}
}

// The sizes are those where the length of a frame changes its form. RFC 6455,
// Section 5.2.
func TestFramesAreReadAsWritten(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 1<<16 - 1, 1 << 16} {
		want := bytes.Repeat([]byte("x"), size)
		opcode, got, err := readFrame(bytes.NewReader(appendFrame(nil, opBinary, want)), nil)
		if opcode != opBinary || err != nil || !bytes.Equal(got, want) {
			t.Errorf("frame of %d octets: opcode %d, %d octets, %v", size, opcode, len(got), err)
		}
	}
	if got := acceptKey(execKey); got != execAccept {
		t.Errorf("acceptKey(%q) = %q, want %q", execKey, got, execAccept)
	}
	if opcode, got, err := readFrame(bytes.NewReader(keystroke), nil); opcode != opBinary || string(got) != "\x00a" || err != nil {
		t.Errorf("keystroke: opcode %d, %q, %v", opcode, got, err)
	}
}
