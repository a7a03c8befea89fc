package record

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A faultyFile is a file that fails as disks do.
type faultyFile struct {
	file
	room    atomic.Int64 // octets that it takes before it is full
	sync    atomic.Pointer[error]
	blocked chan struct{} // if not nil, Write waits for it
	slow    chan struct{} // if not nil, Sync waits for it
}

func (f *faultyFile) Write(p []byte) (int, error) {
	if f.blocked != nil {
		<-f.blocked
	}
	if room := f.room.Load(); int64(len(p)) > room {
		n, err := f.file.Write(p[:room])
		f.room.Store(0)
		if err == nil {
			err = syscall.ENOSPC
		}
		return n, err
	}
	f.room.Add(-int64(len(p)))
	return f.file.Write(p)
}

func (f *faultyFile) Sync() error {
	if f.slow != nil {
		<-f.slow
	}
	if err := f.sync.Load(); err != nil {
		return *err
	}
	return f.file.Sync()
}

// faultyStore opens a store whose .cast files are faulty ones.
func faultyStore(t *testing.T, change func(*Config)) (s *testStore, last func() *faultyFile) {
	t.Helper()
	var made atomic.Pointer[faultyFile]
	s = openStore(t, t.TempDir(), func(cfg *Config) {
		cfg.Sync = time.Hour
		cfg.create = func(path string) (file, error) {
			f, err := createLocked(path)
			if err != nil {
				return nil, err
			}
			faulty := &faultyFile{file: f}
			faulty.room.Store(1 << 40)
			made.Store(faulty)
			return faulty, nil
		}
		if change != nil {
			change(cfg)
		}
	})
	return s, made.Load
}

func TestDiskFullStrict(t *testing.T) {
	s, last := faultyStore(t, nil)
	r := s.start(alice())
	must(t, r.Output(0, []byte("seen\r\n")))
	last().room.Store(10)
	for range 2 {
		if err := r.Output(0, []byte("not seen")); !errors.Is(err, ErrWrite) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("Output on a full disk: %v, want ErrWrite and ENOSPC", err)
		}
	}
	last().room.Store(1 << 40)
	if err := r.Output(0, []byte("not seen")); !errors.Is(err, ErrWrite) {
		t.Fatalf("Output after an error: %v, want that error", err)
	}
	if err := r.Close(End{Cause: "the recording failed"}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Close: %v, want ENOSPC", err)
	}
	checkTruncated(t, s, r, "no space left on device", 0)
}

// checkTruncated checks what a recording says that ends before its session.
func checkTruncated(t *testing.T, s *testStore, r *Recorder, reason string, lost int64) {
	t.Helper()
	if v := s.verify(r); !v.OK() || v.State != StateComplete {
		t.Errorf("verdict %s", v)
	}
	meta, err := ReadMetadata(r.path())
	must(t, err)
	if tr := meta.Truncated; tr == nil || !strings.Contains(tr.Reason, reason) || tr.Lost != lost || tr.Offset == 0 {
		t.Errorf("metadata of a truncation: %+v, want %q and %d octets lost", tr, reason, lost)
	}
	if n := s.noted(NoticeTruncated); len(n) != 1 || n[0].ID != r.ID() || !strings.Contains(n[0].Reason, reason) {
		t.Errorf("notices %+v, want one", n)
	}
	cast := readFile(t, r.path())
	if got := octets(t, cast); got != "seen\r\n" {
		t.Errorf("the recording has %q", got)
	}
	events := readAll(t, cast)
	if e := events[len(events)-1]; e.Code != 'm' || !strings.Contains(string(e.Text), reason) {
		t.Errorf("the recording ends with %q", e.Text)
	}
}

func TestDiskFullBestEffort(t *testing.T) {
	s, last := faultyStore(t, nil)
	session := alice()
	session.Mode = BestEffort
	r := s.start(session)
	must(t, r.Output(0, []byte("seen\r\n")))
	last().room.Store(10)
	must(t, r.Output(0, []byte("12345678")))
	must(t, r.Resize(0, 1, 1))
	must(t, r.Output(0, []byte("1234")))
	last().room.Store(1 << 40)
	must(t, r.ErrorOutput(0, []byte("12")))
	if r.Err() == nil {
		t.Error("Err is nil after an error")
	}
	if err := r.Close(End{}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Close: %v, want ENOSPC", err)
	}
	checkTruncated(t, s, r, "no space left on device", 14)
}

func TestDiskFullUntilAfterClose(t *testing.T) {
	s, last := faultyStore(t, nil)
	r := s.start(alice())
	must(t, r.Output(0, []byte("seen\r\n")))
	last().room.Store(0)
	failed := errors.New("disk on fire")
	last().sync.Store(&failed)
	if err := r.Output(0, []byte("x")); err == nil {
		t.Fatal("Output on a full disk: no error")
	}
	if err := r.Close(End{}); err == nil {
		t.Fatal("Close: no error")
	}
	if n := len(s.noted(NoticeFailed)); n != 1 || s.Recorders() != 1 {
		t.Errorf("%d notices, %d recorders open, want 1, 1", n, s.Recorders())
	}
	s.tick()
	last().room.Store(1 << 40)
	last().sync.Store(nil)
	s.tick()
	if s.Recorders() != 0 {
		t.Errorf("the recording was not ended when it could be")
	}
	if v := s.verify(r); !v.OK() || v.State != StateComplete {
		t.Errorf("verdict %s", v)
	}
	if n := len(s.noted(NoticeFailed)); n != 1 {
		t.Errorf("%d notices, want 1", n)
	}
}

func TestFsyncFails(t *testing.T) {
	s, last := faultyStore(t, nil)
	told := make(chan error, 2)
	r, err := s.Start(alice(), func(err error) { told <- err })
	must(t, err)
	must(t, r.Output(0, []byte("a")))
	failed := syscall.EIO
	var asError error = failed
	last().sync.Store(&asError)
	s.tick()
	s.tick()
	if err := <-told; !errors.Is(err, syscall.EIO) {
		t.Errorf("told of %v, want EIO", err)
	}
	if err := r.Output(0, []byte("b")); !errors.Is(err, syscall.EIO) {
		t.Errorf("Output after a failed fsync: %v, want EIO", err)
	}
	last().sync.Store(nil)
	if err := r.Close(End{}); !errors.Is(err, syscall.EIO) {
		t.Errorf("Close: %v, want EIO", err)
	}
	if len(told) > 0 {
		t.Error("told twice")
	}
}

func TestSyncAlways(t *testing.T) {
	s, last := faultyStore(t, func(cfg *Config) { cfg.Sync = SyncAlways })
	r := s.start(alice())
	must(t, r.Output(0, []byte("seen\r\n")))
	if r.synced.Load() != r.offset {
		t.Errorf("%d octets on disk, want %d", r.synced.Load(), r.offset)
	}
	var failed error = syscall.EIO
	last().sync.Store(&failed)
	if err := r.Output(0, []byte("x")); !errors.Is(err, syscall.EIO) {
		t.Errorf("Output whose fsync fails: %v, want EIO", err)
	}
	last().sync.Store(nil)
	r.Close(End{})
	checkTruncated(t, s, r, "input/output error", 0)
}

func TestStalledDiskStallsNobodyElse(t *testing.T) {
	s, last := faultyStore(t, nil)
	stalled := s.start(alice())
	first := last()
	first.blocked, first.slow = make(chan struct{}), make(chan struct{})
	done := make(chan error, 2)
	go func() { done <- stalled.Output(0, []byte("a")) }()

	other := s.start(alice())
	must(t, other.Output(0, []byte("b")))
	must(t, other.Close(End{}))
	close(first.blocked)
	must(t, <-done)

	// The fsync does not return, and the session goes on.
	go func() { s.tick(); done <- nil }()
	for range 3 {
		must(t, stalled.Output(0, []byte("c")))
	}
	third := s.start(alice())
	must(t, third.Output(0, []byte("d")))
	close(first.slow)
	must(t, <-done)
	must(t, third.Close(End{}))
	must(t, stalled.Close(End{}))
	if v := s.verify(stalled); !v.OK() {
		t.Errorf("verdict %s", v)
	}
}

func TestDirectoryRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	s := openStore(t, dir, func(cfg *Config) { cfg.Sync = time.Hour })
	told := make(chan error, 1)
	r, err := s.Start(alice(), func(err error) { told <- err })
	must(t, err)
	must(t, os.RemoveAll(dir))
	if _, err := s.Start(alice(), nil); !errors.Is(err, ErrStoreMoved) {
		t.Errorf("Start: %v, want ErrStoreMoved", err)
	}
	must(t, r.Output(0, []byte("nobody will find this")))
	s.tick()
	if err := <-told; !errors.Is(err, ErrStoreMoved) {
		t.Errorf("told of %v, want ErrStoreMoved", err)
	}
	if err := r.Output(0, []byte("x")); !errors.Is(err, ErrStoreMoved) {
		t.Errorf("Output: %v, want ErrStoreMoved", err)
	}
	if err := r.Close(End{}); !errors.Is(err, ErrStoreMoved) {
		t.Errorf("Close: %v, want ErrStoreMoved", err)
	}
	if s.Recorders() != 0 {
		t.Error("the files of a recording that is gone are kept open")
	}
	// Another directory of the same name is not the store.
	must(t, os.Mkdir(dir, 0o700))
	if _, err := s.Start(alice(), nil); !errors.Is(err, ErrStoreMoved) {
		t.Errorf("Start in another directory: %v, want ErrStoreMoved", err)
	}
}

func TestStartLeavesNothingWhenItFails(t *testing.T) {
	s, _ := faultyStore(t, func(cfg *Config) {
		create := cfg.create
		cfg.create = func(path string) (file, error) {
			f, err := create(path)
			if err == nil {
				f.(*faultyFile).room.Store(5)
			}
			return f, err
		}
	})
	if _, err := s.Start(alice(), nil); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Start: %v, want ENOSPC", err)
	}
	for base := range files(s.dir, "", time.Time{}, time.Time{}) {
		t.Errorf("%s is left", base)
	}
	left, _ := filepath.Glob(filepath.Join(s.dir, "*", "*", "*", "*"))
	if len(left) > 0 || s.Recorders() != 0 {
		t.Errorf("left: %q, %d recorders", left, s.Recorders())
	}
}

func TestStartWithAnIDThatIsTaken(t *testing.T) {
	s := openStore(t, t.TempDir(), nil)
	session := alice()
	session.ID = NewID(noon)
	r := s.start(session)
	must(t, r.Output(0, []byte("a")))
	must(t, r.Close(End{}))
	if _, err := s.Start(session, nil); !errors.Is(err, os.ErrExist) {
		t.Errorf("Start: %v, want ErrExist", err)
	}
	if v := s.verify(r); !v.OK() {
		t.Errorf("verdict %s", v)
	}
	session.ID = "../../../etc/passwd"
	if _, err := s.Start(session, nil); !errors.Is(err, errID) {
		t.Errorf("Start: %v, want errID", err)
	}
}

func TestClosedRecorder(t *testing.T) {
	s := openStore(t, t.TempDir(), nil)
	r := s.start(alice())
	must(t, r.Close(End{}))
	for name, err := range map[string]error{
		"Output": r.Output(0, []byte("a")), "Input": r.Input(0, []byte("a")), "Resize": r.Resize(0, 1, 1),
		"Exit": r.Exit(0, 1), "Mark": r.Mark(0, "a"), "Flush": r.Flush(), "Close": r.Close(End{}),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v, want ErrClosed", name, err)
		}
	}
	if v := s.verify(r); !v.OK() {
		t.Errorf("verdict %s", v)
	}
}

func TestStoreCloseEndsRecordings(t *testing.T) {
	s := openStore(t, t.TempDir(), nil)
	r := s.start(alice())
	must(t, r.Output(0, []byte("a\xe6")))
	must(t, s.Close())
	if v := s.verify(r); !v.OK() || v.State != StateComplete {
		t.Errorf("verdict %s", v)
	}
	if got := octets(t, readFile(t, r.path())); got != "a\xe6" {
		t.Errorf("octets %q", got)
	}
	if _, err := s.Start(alice(), nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Start: %v, want ErrClosed", err)
	}
}

// TestStoreCloseWhileSessionsStart wants each of them to be refused or ended.
func TestStoreCloseWhileSessionsStart(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, nil)
	var group sync.WaitGroup
	var started atomic.Int64
	for range 50 {
		group.Go(func() {
			r, err := s.Start(alice(), nil)
			if err != nil {
				if !errors.Is(err, ErrClosed) {
					t.Errorf("Start: %v, want ErrClosed", err)
				}
				return
			}
			if started.Add(1) == 10 {
				s.Close()
			}
			if err := r.Output(0, []byte("a")); err != nil && !errors.Is(err, ErrClosed) {
				t.Errorf("Output: %v, want ErrClosed", err)
			}
		})
	}
	group.Wait()
	s.Close()
	ended := int64(0)
	for r, err := range List(dir, Filter{}) {
		must(t, err)
		if v := verify(t, r.Path, s.PublicKey()); !v.OK() || r.State != StateComplete {
			t.Errorf("%s: %s", r.State, v)
		}
		ended++
	}
	if ended != started.Load() || s.Recorders() != 0 {
		t.Errorf("%d recordings, %d were started, %d are open", ended, started.Load(), s.Recorders())
	}
}

// TestCharacterBegunIsWritten kills the writer, and removes the room, when the rest of
// a character has not come: its octets are in the file all the same.
func TestCharacterBegunIsWritten(t *testing.T) {
	s, last := faultyStore(t, nil)
	r := s.start(alice())
	must(t, r.Output(0, []byte("a\xe6\xbc")))
	end := readEnd(strings.NewReader(readFile(t, r.path())))
	if c := end.unfinished[stdout]; string(c.octets[:c.n]) != "\xe6\xbc" {
		t.Errorf("a reader knows of %q, want the octets of the character", c.octets[:c.n])
	}
	must(t, r.Output(time.Second, []byte("\xa2b\xc3")))
	last().room.Store(10)
	if err := r.Output(2*time.Second, []byte("\xa9")); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("Output = %v on a full disk", err)
	}
	last().room.Store(1 << 40)
	if err := r.Close(End{}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Close = %v, want why it is not complete", err)
	}
	if got := octets(t, readFile(t, r.path())); got != "a漢b\xc3" {
		t.Errorf("octets %q, want what was taken", got)
	}
}

// A write that fails makes the store not ready until one succeeds, also without MinFree.
func TestReadyBehindFailedWrite(t *testing.T) {
	s, last := faultyStore(t, nil)
	must(t, s.Ready())
	r := s.start(alice())
	last().room.Store(10)
	if err := r.Output(0, []byte("not seen")); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("Output = %v, want ENOSPC", err)
	}
	if err := s.Ready(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Ready = %v, want ENOSPC", err)
	}
	must(t, s.Room()) // a session may try
	s.tick()
	must(t, s.Ready())
	if full, room := len(s.noted(NoticeFull)), len(s.noted(NoticeRoom)); full != 1 || room != 1 {
		t.Errorf("%d notices of no room, %d of room, want 1, 1", full, room)
	}
	r.Close(End{})
	if left, _ := filepath.Glob(filepath.Join(s.dir, ".probe*")); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

// What did not begin leaves nothing behind but lines that have gone out already.
func TestDiscard(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, nil)
	before := s.Used()
	r, err := s.Start(alice(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if s.Used() == before || s.Recorders() != 1 {
		t.Fatalf("%d octets are used and %d recordings open, want one with a header", s.Used(), s.Recorders())
	}
	if err := r.Discard("refused"); err != nil {
		t.Fatal(err)
	}
	for base, err := range files(dir, "", time.Time{}, time.Time{}) {
		t.Errorf("%s is left, %v", base, err)
	}
	if err := r.Discard("again"); !errors.Is(err, ErrClosed) {
		t.Errorf("the second Discard = %v, want ErrClosed", err)
	}
	if err := r.Output(0, []byte("late")); !errors.Is(err, ErrClosed) || s.Used() != before || s.Recorders() != 0 {
		t.Errorf("Output = %v; %d octets of %d are used and %d recordings open", err, s.Used(), before, s.Recorders())
	}

	var log bytes.Buffer
	shipped := openStore(t, t.TempDir(), func(cfg *Config) { cfg.Lines = &log })
	if r, err = shipped.Start(alice(), nil); err != nil {
		t.Fatal(err)
	}
	if err := r.Discard("refused"); err != nil {
		t.Fatal(err)
	}
	all, err := Collect(t.TempDir(), &log)
	if err != nil || len(all) != 1 || !all[0].Complete() {
		t.Fatalf("Collect = %+v, %v, want one recording that is complete", all, err)
	}
	if m, err := ReadMetadata(all[0].Path); err != nil || m.Cause != "refused" {
		t.Errorf("the metadata are %+v, %v, want the cause", m, err)
	}
}
