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
		more  int
		want  int
		tell  bool
	}{
		{0, 1, 1, true}, // told at once
		{time.Second, 1, 0, false},
		{lossSilence - 1, 1, 0, false},
		{lossSilence, 1, 3, true}, // with the two before
		{lossSilence + 1, 7, 0, false},
		{3 * lossSilence, 1, 8, true},
		{5 * lossSilence, 0, 0, true}, // nothing is lost yet
	} {
		if got, tell := l.add(start.Add(row.after), row.more); got != row.want || tell != row.tell {
			t.Errorf("add(%d) after %v = %d, %v, want %d, %v", row.more, row.after, got, tell, row.want, row.tell)
		}
	}
}
