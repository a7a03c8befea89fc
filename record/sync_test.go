package record

import (
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"time"
)

// clockedStore has a clock that the test sets, and ticks when the test does.
func clockedStore(t *testing.T, checkpoint time.Duration) (*testStore, *atomic.Int64) {
	t.Helper()
	clock := new(atomic.Int64)
	return openStore(t, t.TempDir(), func(cfg *Config) {
		cfg.now = func() time.Time { return noon.Add(time.Duration(clock.Load())) }
		cfg.Sync, cfg.Checkpoint = time.Hour, checkpoint
	}), clock
}

// The file of a recording is looked at when something was written to it, and within
// lookInterval when nothing was.
func TestFileRemovedIsNoticed(t *testing.T) {
	for name, test := range map[string]struct {
		change func(path string) error
		writes bool
		after  time.Duration
	}{
		"removed-while-writing":  {os.Remove, true, 0},
		"removed-while-silent":   {os.Remove, false, lookInterval},
		"replaced-while-silent":  {replaceByCopy, false, lookInterval},
		"moved-away-and-silent":  {func(path string) error { return os.Rename(path, path+".old") }, false, lookInterval},
		"replaced-while-writing": {replaceByCopy, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, clock := clockedStore(t, time.Hour)
			told := make(chan error, 1)
			r, err := s.Start(alice(), func(err error) { told <- err })
			must(t, err)
			must(t, r.Output(0, []byte("a")))
			s.tick()
			must(t, test.change(r.path()))
			if test.writes {
				must(t, r.Output(0, []byte("b")))
			}
			clock.Add(int64(test.after))
			s.tick()
			select {
			case err := <-told:
				if !errors.Is(err, ErrStoreMoved) {
					t.Errorf("told of %v, want ErrStoreMoved", err)
				}
			default:
				t.Error("nobody was told")
			}
			r.Close(End{})
		})
	}
}

// replaceByCopy puts another file with the same content in the place of one.
func replaceByCopy(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".copy", text, fileMode); err != nil {
		return err
	}
	return os.Rename(path+".copy", path)
}

// What was written last is signed when it is time for that, though nothing follows.
func TestCheckpointOfSilentRecording(t *testing.T) {
	s, clock := clockedStore(t, 3*time.Second)
	r := s.start(alice())
	must(t, r.Output(0, []byte("a")))
	for _, step := range []struct {
		at     time.Duration
		proven bool
	}{{time.Second, false}, {2 * time.Second, false}, {3 * time.Second, true}} {
		clock.Store(int64(step.at))
		s.tick()
		if v := s.verify(r); !v.OK() || (v.Proven == r.offset) != step.proven {
			t.Errorf("after %v: verdict %s with %d octets proven of %d, want all: %v", step.at, v, v.Proven, r.offset, step.proven)
		}
	}
	must(t, r.Close(End{}))
}

// Recordings to which nothing is written cost a tick nothing.
func TestTickPassesSilentRecordings(t *testing.T) {
	s, clock := clockedStore(t, time.Second)
	busy, silent := s.start(alice()), s.start(alice())
	clock.Store(int64(time.Second))
	s.tick()
	if due := s.due(); len(due) != 0 {
		t.Errorf("%d recordings are due behind a tick", len(due))
	}
	must(t, busy.Output(0, []byte("a")))
	if due := s.due(); len(due) != 1 || due[0] != busy {
		t.Errorf("due are %v, want the one that was written to", due)
	}
	clock.Store(int64(time.Second + lookInterval))
	if due := s.due(); len(due) != 2 {
		t.Errorf("%d recordings are due later, want both", len(due))
	}
	must(t, busy.Close(End{}))
	must(t, silent.Close(End{}))
}
