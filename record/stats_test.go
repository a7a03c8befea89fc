package record

import (
	"sync/atomic"
	"testing"
	"time"
)

// The age of what is not on disk counts from the first octet, goes on while an
// fsync does not return, and after it counts from when that began, if something was
// written meanwhile.
func TestStats(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var clock, syncs atomic.Int64
	s, last := faultyStore(t, func(cfg *Config) {
		cfg.now = func() time.Time { return now.Add(time.Duration(clock.Load())) }
		cfg.free = func(string) (int64, error) { return 12345, nil }
		cfg.Synced = func(time.Duration) { syncs.Add(1) }
	})
	wantAge := func(when string, want time.Duration) {
		t.Helper()
		if got := s.Stats().Unsynced; got != want {
			t.Errorf("%s: unsynced for %v, want %v", when, got, want)
		}
	}
	wantAge("without recordings", 0)
	r := s.start(alice())
	clock.Store(int64(time.Second))
	must(t, r.Output(0, []byte("a")))
	clock.Store(int64(3 * time.Second))
	wantAge("after the header", 3*time.Second)
	s.tick()
	wantAge("after an fsync", 0)
	if syncs.Load() != 1 {
		t.Errorf("%d fsyncs, want 1", syncs.Load())
	}

	must(t, r.Output(0, []byte("c")))
	clock.Store(int64(6 * time.Second))
	last().file = &meddler{last().file, func() { clock.Add(int64(time.Second)); must(t, r.Output(0, []byte("d"))) }}
	s.tick()
	wantAge("written during an fsync", time.Second)
	last().file = last().file.(*meddler).file

	stats := s.Stats()
	if stats.Open != 1 || stats.Written != r.offset || stats.Used <= stats.Written || stats.Free != 12345 {
		t.Errorf("Stats = %+v, want one recording of %d octets", stats, r.offset)
	}
	must(t, r.Close(End{}))
	if stats := s.Stats(); stats.Open != 0 || stats.Unsynced != 0 || stats.Written != r.offset {
		t.Errorf("Stats at the end = %+v", stats)
	}
}

// meddler does something while an fsync is under way.
type meddler struct {
	file
	during func()
}

func (m *meddler) Sync() error {
	m.during()
	return m.file.Sync()
}
