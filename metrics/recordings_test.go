package metrics

import (
	"testing"
	"time"
)

// Two stores at once are those before and after a change of their settings.
func TestWatchRecordings(t *testing.T) {
	m := New(Build{})
	if sum, any := m.recordings.sum(); any || sum != (Recordings{}) {
		t.Errorf("without a store: %+v, %v", sum, any)
	}
	first := Recordings{Open: 2, Written: 100, Unsynced: 3 * time.Second, Used: 500, Free: 10}
	unwatch := m.WatchRecordings(func() Recordings { return first })
	m.WatchRecordings(func() Recordings {
		return Recordings{Open: 1, Written: 10, Unsynced: time.Second, Used: 600, Quota: 700, Free: 20, MinFree: 5}
	})
	want := Recordings{Open: 3, Written: 110, Unsynced: 3 * time.Second, Used: 600, Quota: 700, Free: 20, MinFree: 5}
	if sum, _ := m.recordings.sum(); sum != want {
		t.Errorf("both: %+v, want %+v", sum, want)
	}
	first.Written = 150
	unwatch()
	unwatch()
	want.Open, want.Written, want.Unsynced = 1, 160, time.Second // a counter does not go back
	if sum, _ := m.recordings.sum(); sum != want {
		t.Errorf("the newer: %+v, want %+v", sum, want)
	}
}
