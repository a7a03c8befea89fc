package record

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestFullFileSystem has a real one without room, with and without a floor.
func TestFullFileSystem(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("mounting a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	s := openStore(t, filepath.Join(dir, "store"), func(cfg *Config) { cfg.Sync = time.Hour })
	t.Cleanup(func() { s.Close() }) // before it is unmounted
	filler := filepath.Join(dir, "filler")
	must(t, os.WriteFile(filler, make([]byte, 64<<10), 0o600))

	strict, lenient := alice(), alice()
	lenient.Mode = BestEffort
	first, second := s.start(strict), s.start(lenient)
	var taken []byte
	var err error
	for err == nil {
		p := plainFrame(3001)
		if err = first.Output(0, p); err == nil {
			taken = append(taken, p...)
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("Output: %v, want ENOSPC", err)
	}
	must(t, second.Output(0, plainFrame(100_000)))
	if _, err := s.Start(strict, nil); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Start: %v, want ENOSPC", err)
	}
	for _, r := range []*Recorder{first, second} {
		if err := r.Close(End{}); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("Close: %v, want ENOSPC", err)
		}
	}
	must(t, os.Remove(filler))
	s.tick()
	if n := s.Recorders(); n != 0 {
		t.Errorf("%d recordings are not ended when there is room again", n)
	}
	for _, r := range []*Recorder{first, second} {
		meta, err := ReadMetadata(r.path())
		must(t, err)
		if v := s.verify(r); !v.OK() || v.State != StateComplete || meta.Truncated == nil {
			t.Errorf("verdict %s, truncation %+v", v, meta.Truncated)
		}
	}
	if octets(t, readFile(t, first.path())) != string(taken) {
		t.Error("the recording does not have what was taken")
	}
	if n := len(s.noted(NoticeTruncated)); n != 2 {
		t.Errorf("%d notices, want 2", n)
	}
}

// TestReadOnlyFileSystem has one that became read-only while the store was open.
func TestReadOnlyFileSystem(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("mounting a tmpfs: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, 0) })
	s := openStore(t, filepath.Join(dir, "store"), nil)
	t.Cleanup(func() { s.Close() })
	must(t, unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	if _, err := s.Start(alice(), nil); !errors.Is(err, syscall.EROFS) {
		t.Errorf("Start: %v, want EROFS", err)
	}
	if s.Recorders() != 0 {
		t.Error("a recording is open")
	}
}

// A list of recordings has the lock of one that a crash has left for a moment: it is
// recovered all the same. One that is written is left alone at once.
func TestLockSoon(t *testing.T) {
	path := t.TempDir() + "/x.cast"
	mine, err := createLocked(path)
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if lockSoon(other) {
		t.Error("the lock of a recording that is written was taken")
	}
	if err := unix.Flock(int(mine.Fd()), unix.LOCK_SH|unix.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	if !shared(other) || lock(other) == nil {
		t.Error("a lock that another shares is not seen as that")
	}
	done := make(chan bool)
	go func() { done <- lockSoon(other) }()
	mine.Close()
	if !<-done {
		t.Error("the lock was not taken when nobody else had it any more")
	}
}
