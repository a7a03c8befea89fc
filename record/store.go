package record

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// A Store makes recordings. All methods may be called concurrently, and several
// processes may have the same directory.
type Store struct {
	cfg  Config
	key  ed25519.PrivateKey
	old  []ed25519.PublicKey // of keys that were replaced; of use for what a crash has left
	dir  *os.File            // kept open, so that no other directory gets its identity; nil without Dir
	root os.FileInfo         // of dir

	opened  time.Time
	used    atomic.Int64 // octets of all files
	written atomic.Int64 // octets of .cast files, by this Store
	low     atomic.Bool  // less than MinFree is free

	trouble atomic.Pointer[error] // of the last write; nil while writing works

	mu     sync.Mutex
	open   map[*Recorder]struct{} // guarded by mu; those whose files are open
	closed bool                   // guarded by mu

	stop    chan struct{} // closed by Close
	tidy    chan struct{} // asks for retention; has room for one
	running sync.WaitGroup
}

// Open opens a store, ends what a crash has left in it and starts its
// goroutines, which Close ends.
func Open(cfg Config) (*Store, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	s := &Store{
		cfg:    cfg,
		opened: cfg.now(),
		open:   make(map[*Recorder]struct{}),
		stop:   make(chan struct{}),
		tidy:   make(chan struct{}, 1),
	}
	if err := s.openDir(); err != nil {
		return nil, err
	}
	if err := s.begin(); err != nil {
		if s.dir != nil {
			s.dir.Close()
		}
		return nil, err
	}
	return s, nil
}

func (s *Store) begin() error {
	path := s.cfg.KeyFile
	if path == "" {
		path = filepath.Join(s.cfg.Dir, keyFile)
	}
	var err error
	if s.key, s.old, err = loadKeys(path); err != nil {
		return err
	}
	if s.dir != nil {
		if err := s.recover(); err != nil {
			return err
		}
		s.retain()
		s.measure()
		s.probe()
		s.running.Go(s.keepTidy)
	}
	s.running.Go(s.keepSynced)
	return nil
}

func (s *Store) openDir() error {
	if s.cfg.Dir == "" {
		return nil
	}
	if err := os.Mkdir(s.cfg.Dir, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("record: opening the store: %w", err)
	}
	var err error
	if s.dir, err = os.Open(s.cfg.Dir); err != nil {
		return fmt.Errorf("record: opening the store: %w", err)
	}
	if s.root, err = s.dir.Stat(); err == nil && !s.root.IsDir() {
		err = &fs.PathError{Op: "open", Path: s.cfg.Dir, Err: errors.New("not a directory")}
	}
	if err != nil {
		s.dir.Close()
		return fmt.Errorf("record: opening the store: %w", err)
	}
	return nil
}

// PublicKey returns the key that checks the seals of this store.
func (s *Store) PublicKey() ed25519.PublicKey { return s.key.Public().(ed25519.PublicKey) }

// publicKeys returns the key and those before it.
func (s *Store) publicKeys() []ed25519.PublicKey {
	return append([]ed25519.PublicKey{s.PublicKey()}, s.old...)
}

// Used returns the size of all files of the store in octets, as of what this
// process knows.
func (s *Store) Used() int64 { return s.used.Load() }

// Stats says how a store is, at one moment.
type Stats struct {
	Open     int           // recordings
	Written  int64         // octets of .cast files, since Open
	Unsynced time.Duration // since the oldest octet was written that is not on disk for sure; 0 if all are
	Used     int64         // octets of all files
	Free     int64         // octets of the file system; 0 without Dir, or if it can't be known
}

// Stats returns how the store is now.
func (s *Store) Stats() Stats {
	list := s.recorders()
	stats := Stats{Open: len(list), Written: s.written.Load(), Used: s.used.Load()}
	now := s.cfg.now()
	for _, r := range list {
		if since := r.unsynced.Load(); since != 0 {
			stats.Unsynced = max(stats.Unsynced, now.Sub(time.Unix(0, since)))
		}
	}
	if s.dir != nil {
		if free, err := s.cfg.free(s.cfg.Dir); err == nil {
			stats.Free = free
		}
	}
	return stats
}

// Room returns nil if a session can be recorded now, and otherwise what Start
// would return.
func (s *Store) Room() error {
	if s.dir == nil {
		return nil
	}
	// A directory that is not mounted any more is there, but is another.
	if root, err := os.Stat(s.cfg.Dir); err != nil || !os.SameFile(root, s.root) {
		return ErrStoreMoved
	}
	if s.cfg.Quota > 0 && s.used.Load() >= s.cfg.Quota {
		return ErrQuota
	}
	s.measure()
	if s.low.Load() {
		return ErrLowSpace
	}
	return nil
}

// FreeSpace returns how many octets the file system of dir has left for this user,
// which is what Config.MinFree is compared with.
func FreeSpace(dir string) (int64, error) { return freeSpace(dir) }

// measure finds out whether the file system has room.
func (s *Store) measure() {
	if s.dir == nil || s.cfg.MinFree == 0 {
		return
	}
	free, err := s.cfg.free(s.cfg.Dir)
	low := err != nil || free < s.cfg.MinFree
	if s.low.Swap(low) == low {
		return
	}
	if low {
		s.report(Notice{Kind: NoticeFull, Reason: ErrLowSpace.Error(), Err: err})
	} else {
		s.report(Notice{Kind: NoticeRoom, Reason: "the file system has enough space again"})
	}
}

func (s *Store) report(n Notice) {
	if s.cfg.Report != nil {
		s.cfg.Report(n)
	}
}

// Start begins a recording. The caller must call Close on it. failed, if not
// nil, is told by a goroutine of the store, at most once, when a recording ends
// for a reason that no call has returned; it must not wait for anything. Under
// BestEffort it is told too, for information.
func (s *Store) Start(session Session, failed func(error)) (*Recorder, error) {
	if err := s.Room(); err != nil {
		return nil, err
	}
	r, err := newRecorder(s, session, failed)
	if err != nil {
		s.wrote(err)
		return nil, err
	}
	// Close of the store waits for the lock of a recorder that is in the list.
	r.mu.Lock()
	defer r.mu.Unlock()
	err = ErrClosed
	if s.remember(r) {
		err = r.begin()
	}
	if err != nil {
		s.wrote(err)
		s.forget(r)
		return nil, errors.Join(err, r.abandon())
	}
	return r, nil
}

// remember says that the files of r are open. It returns false when the store
// is closed.
func (s *Store) remember(r *Recorder) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.open[r] = struct{}{}
	return true
}

// forget says that the files of r are closed.
func (s *Store) forget(r *Recorder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, r)
}

// Recorders returns how many recordings are open.
func (s *Store) Recorders() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// recorders returns those that are open.
func (s *Store) recorders() []*Recorder {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*Recorder, 0, len(s.open))
	for r := range s.open {
		list = append(list, r)
	}
	return list
}

// Close ends the recordings that are still open, and the goroutines.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	close(s.stop)
	s.running.Wait()
	var errs []error
	for _, r := range s.recorders() {
		err := r.Close(End{Cause: "the gateway stopped"})
		if errors.Is(err, ErrClosed) {
			err = r.finish() // closed before, and could not be ended
		}
		errs = append(errs, err)
	}
	if s.dir != nil {
		errs = append(errs, s.dir.Close())
	}
	return errors.Join(errs...)
}

// tickInterval is how often the open recordings are looked after.
func (cfg *Config) tickInterval() time.Duration {
	if cfg.Sync == SyncAlways {
		return defaultSync
	}
	return cfg.Sync
}
