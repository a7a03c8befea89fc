package gateway

import (
	"testing"
	"time"
)

func TestLosses(t *testing.T) {
	var l losses
	start := time.Now()
	for _, row := range []struct {
		after time.Duration
		want  int
	}{
		{0, 1}, // told at once
		{time.Second, 0},
		{lossSilence - 1, 0},
		{lossSilence, 3}, // with the two before
		{lossSilence + 1, 0},
		{3 * lossSilence, 2},
	} {
		if got := l.add(start.Add(row.after)); got != row.want {
			t.Errorf("add after %v = %d, want %d", row.after, got, row.want)
		}
	}
}
