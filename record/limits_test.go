package record

import (
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestSessionLimit(t *testing.T) {
	s := openStore(t, t.TempDir(), func(cfg *Config) { cfg.MaxSession = 500 })
	r := s.start(alice())
	must(t, r.Output(0, []byte("seen\r\n")))
	if err := r.Output(0, make([]byte, 400)); !errors.Is(err, ErrSessionLimit) {
		t.Errorf("Output: %v, want ErrSessionLimit", err)
	}
	if err := r.Close(End{}); !errors.Is(err, ErrSessionLimit) {
		t.Errorf("Close: %v, want ErrSessionLimit", err)
	}
	checkTruncated(t, s, r, "size at which it ends", 0)
}

func TestQuota(t *testing.T) {
	dir := t.TempDir()
	first := openStore(t, dir, nil)
	r := first.start(alice())
	must(t, r.Output(0, plainFrame(5000)))
	must(t, r.Close(End{}))
	must(t, first.Close())

	s := openStore(t, dir, func(cfg *Config) { cfg.Quota = 12000 })
	if used := s.Used(); used < 6000 || used > 8000 {
		t.Errorf("Used() = %d, want what is there", used)
	}
	r = s.start(alice())
	must(t, r.Output(0, []byte("seen\r\n")))
	if err := r.Output(0, plainFrame(6000)); !errors.Is(err, ErrQuota) {
		t.Errorf("Output: %v, want ErrQuota", err)
	}
	r.Close(End{})
	checkTruncated(t, s, r, "quota", 0)
	s.used.Store(12000)
	if _, err := s.Start(alice(), nil); !errors.Is(err, ErrQuota) {
		t.Errorf("Start: %v, want ErrQuota", err)
	}
}

// Two processes have one folder during an upgrade. What each writes counts for the
// quota of both, from the next time that it is counted.
func TestQuotaOfTwoStores(t *testing.T) {
	dir := t.TempDir()
	quota := func(cfg *Config) { cfg.Quota = 12000 }
	first, second := openStore(t, dir, quota), openStore(t, dir, quota)
	r := first.start(alice())
	must(t, r.Output(0, plainFrame(5000)))
	if used := second.Used(); used != 0 {
		t.Errorf("Used() = %d before it is counted", used)
	}
	second.retain()
	if used := second.Used(); used < 5000 {
		t.Errorf("Used() = %d, want what the other store has written", used)
	}
	other := second.start(alice())
	if err := other.Output(0, plainFrame(7000)); !errors.Is(err, ErrQuota) {
		t.Errorf("Output: %v, want ErrQuota", err)
	}
	other.Close(End{})
	must(t, r.Output(0, []byte("b")))
	must(t, r.Close(End{}))
}

func TestFreeSpaceFloor(t *testing.T) {
	var free atomic.Int64
	free.Store(2000)
	s := openStore(t, t.TempDir(), func(cfg *Config) {
		cfg.Sync = time.Hour
		cfg.MinFree = 1000
		cfg.free = func(string) (int64, error) { return free.Load(), nil }
	})
	r := s.start(alice())
	must(t, r.Output(0, []byte("seen\r\n")))
	free.Store(999)
	s.tick()
	if err := r.Output(0, []byte("x")); !errors.Is(err, ErrLowSpace) {
		t.Errorf("Output: %v, want ErrLowSpace", err)
	}
	if _, err := s.Start(alice(), nil); !errors.Is(err, ErrLowSpace) {
		t.Errorf("Start: %v, want ErrLowSpace", err)
	}
	r.Close(End{})
	checkTruncated(t, s, r, "too little space", 0)
	free.Store(1000)
	must(t, s.start(alice()).Close(End{}))
	if full, room := len(s.noted(NoticeFull)), len(s.noted(NoticeRoom)); full != 1 || room != 1 {
		t.Errorf("%d notices of no room, %d of room, want 1, 1", full, room)
	}
}

// retained is a store with four recordings of successive days: the second is on
// hold, the last is not ended.
func retained(t *testing.T, change func(*Config)) (s *testStore, recorders []*Recorder) {
	t.Helper()
	dir := t.TempDir()
	first := openStore(t, dir, nil)
	for day := range 4 {
		session := alice()
		session.Started = noon.AddDate(0, 0, day)
		r := first.start(session)
		must(t, r.Output(0, plainFrame(10_000)))
		if day < 3 {
			must(t, r.Close(End{}))
		}
		recorders = append(recorders, r)
	}
	hold(t, recorders[1], "")
	return openStore(t, dir, change), recorders
}

func TestRetentionByAge(t *testing.T) {
	s, recorders := retained(t, func(cfg *Config) {
		cfg.MaxAge = 24 * time.Hour
		cfg.now = func() time.Time { return noon.AddDate(0, 0, 30) }
	})
	checkDeleted(t, s, recorders, "older than 24h0m0s", true, false, true, false)
}

func TestRetentionBySize(t *testing.T) {
	s, recorders := retained(t, func(cfg *Config) { cfg.MaxSize = 25_000 })
	checkDeleted(t, s, recorders, "larger than 25000 octets", true, false, true, false)
	if used := s.Used(); used > 26_000 {
		t.Errorf("Used() = %d, want less", used)
	}
}

func TestRetentionBySizeKeepsTheYoungest(t *testing.T) {
	s, recorders := retained(t, func(cfg *Config) { cfg.MaxSize = 42_000 })
	checkDeleted(t, s, recorders, "larger than 42000 octets", true, false, false, false)
}

func TestNoRetention(t *testing.T) {
	s, recorders := retained(t, nil)
	checkDeleted(t, s, recorders, "", false, false, false, false)
}

func checkDeleted(t *testing.T, s *testStore, recorders []*Recorder, reason string, want ...bool) {
	t.Helper()
	notices := 0
	for i, r := range recorders {
		meta, err := ReadMetadata(r.path())
		must(t, err)
		_, err = os.Stat(r.path())
		deleted := errors.Is(err, os.ErrNotExist)
		if deleted != want[i] || (meta.State == StateDeleted) != want[i] {
			t.Errorf("recording %d: deleted %v, state %s, want deleted %v", i, deleted, meta.State, want[i])
			continue
		}
		if !deleted {
			continue
		}
		notices++
		if !strings.Contains(meta.Deletion.Reason, reason) || meta.User != "alice" || meta.Deletion.Size == 0 {
			t.Errorf("recording %d: metadata of the deletion %+v", i, meta.Deletion)
		}
		if v := s.verify(r); !v.OK() || v.State != StateDeleted {
			t.Errorf("recording %d: verdict %s", i, v)
		}
		forged := *meta
		forged.Deletion.Reason = "because"
		must(t, writeMetadata(r.base, &forged, false))
		if v := s.verify(r); v.OK() {
			t.Errorf("recording %d: a forged deletion: %s", i, v)
		}
	}
	if n := len(s.noted(NoticeDeleted)); n != notices {
		t.Errorf("%d notices of deletions, want %d", n, notices)
	}
}

func TestRetentionRunsWhenARecordingEnds(t *testing.T) {
	deleted := make(chan Notice, 8)
	s := openStore(t, t.TempDir(), func(cfg *Config) {
		cfg.MaxSize = 20_000
		cfg.Report = func(n Notice) { deleted <- n }
	})
	first := s.start(alice())
	must(t, first.Output(0, plainFrame(15_000)))
	must(t, first.Close(End{}))
	session := alice()
	session.Started = noon.Add(time.Second)
	second := s.start(session)
	must(t, second.Output(0, plainFrame(15_000)))
	must(t, second.Close(End{}))
	if n := <-deleted; n.Kind != NoticeDeleted || n.ID != first.ID() {
		t.Errorf("notice %+v, want of the deletion of %s", n, first.ID())
	}
}

func TestDeletionThatWasInterrupted(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, nil)
	r := s.start(alice())
	must(t, r.Close(End{}))
	meta, err := ReadMetadata(r.path())
	must(t, err)
	d := &Deletion{Time: noon, Reason: "older", Size: 1}
	d.Signature = signDeletion(s.key, meta.ID, d)
	meta.State, meta.Deletion = StateDeleted, d
	must(t, writeMetadata(r.base, meta, false))
	openStore(t, dir, nil)
	if _, err := os.Stat(r.path()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the .cast is there after a start: %v", err)
	}
}

// hold writes the .hold file of a recording.
func hold(t *testing.T, r *Recorder, text string) (path string) {
	t.Helper()
	path = trimSuffix(r.path()) + holdSuffix
	must(t, os.WriteFile(path, []byte(text), 0o600))
	must(t, os.Chtimes(path, noon, noon))
	return path
}

func TestHold(t *testing.T) {
	s := openStore(t, t.TempDir(), nil)
	r := s.start(alice())
	// While it is written, so that the end of it must not lose the mark.
	path := hold(t, r, "")
	must(t, r.Close(End{}))
	for _, row := range []struct{ text, by, reason string }{
		{"", "", ""},
		{"\n", "", ""},
		{`{"by": "legal", "reason": "case 7", "since": "2026-03-09T12:00:00Z"}`, "legal", "case 7"},
		{`{"by": "legal"}`, "legal", ""},
		{"case 7", "", "not understood"},
	} {
		hold(t, r, row.text)
		meta, err := ReadMetadata(r.path())
		must(t, err)
		if h := meta.Hold; h == nil || h.By != row.by || !strings.Contains(h.Reason, row.reason) || !h.Since.Equal(noon) {
			t.Errorf("%q is the hold %+v", row.text, h)
		}
		if v := s.verify(r); !v.OK() {
			t.Errorf("verdict %s", v)
		}
	}
	must(t, os.Remove(path))
	if meta, err := ReadMetadata(r.path()); err != nil || meta.Hold != nil {
		t.Errorf("hold %+v, %v, want none", meta.Hold, err)
	}
}
