package record

import (
	"fmt"
	"os"
	"sync"
	"time"
)

// syncers is how many recordings are brought to disk at the same time. File
// systems with a journal serve those that wait together with one commit.
const syncers = 8

// keepSynced looks after the open recordings until the store is closed.
func (s *Store) keepSynced() {
	ticker := time.NewTicker(s.cfg.tickInterval())
	defer ticker.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
			s.tick()
		}
	}
}

func (s *Store) tick() {
	s.measure()
	if s.dir != nil && s.trouble.Load() != nil {
		s.probe()
	}
	recorders := make(chan *Recorder)
	var group sync.WaitGroup
	list := s.due()
	for range min(syncers, len(list)) {
		group.Go(func() {
			for r := range recorders {
				r.tick()
			}
		})
	}
	for _, r := range list {
		recorders <- r
	}
	close(recorders)
	group.Wait()
}

// lookInterval is after how long the file of a recording is looked at to which nothing
// was written.
const lookInterval = 10 * time.Second

// age is since when the store is open, whatever the clock says.
func (s *Store) age() time.Duration { return s.cfg.now().Sub(s.opened) }

// due returns the open recordings for which there is something to do. It waits for
// none of them.
func (s *Store) due() (list []*Recorder) {
	age := s.age()
	s.mu.Lock()
	defer s.mu.Unlock()
	for r := range s.open {
		if age >= time.Duration(r.due.Load()) {
			list = append(list, r)
		}
	}
	return list
}

// tick brings to disk what was written, and signs it from time to time. It
// holds the lock for no fsync.
func (r *Recorder) tick() {
	checkpoint, offset, closed := r.prepare()
	if closed {
		r.finish() // Close told of the error
		return
	}
	err := r.onDisk(offset)
	if err == nil && checkpoint != nil {
		err = r.sign(checkpoint)
	}
	if err != nil {
		r.failLater(err)
		return
	}
	r.rest(offset)
}

// rest says when there is something to do next, if nothing comes behind offset.
func (r *Recorder) rest(offset int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.offset != offset {
		return
	}
	wait := lookInterval
	if r.err == nil && offset > r.checkpointed {
		left := r.store.cfg.Checkpoint - r.store.cfg.now().Sub(r.checkpointTime)
		wait = min(wait, left)
	}
	r.due.Store(int64(r.store.age() + wait))
}

// prepare returns a checkpoint if it is time for one, and how much has to be on
// disk before it is signed.
func (r *Recorder) prepare() (checkpoint *sealLine, offset int64, closed bool) {
	const enough = 1 << 20
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, 0, true
	}
	if r.err != nil {
		return nil, r.offset, false
	}
	now := r.store.cfg.now()
	fresh := r.offset - r.checkpointed
	if fresh > 0 && (fresh >= enough || now.Sub(r.checkpointTime) >= r.store.cfg.Checkpoint) {
		checkpoint = r.seal.cut(now)
		r.checkpointed, r.checkpointTime = r.offset, now
	}
	return checkpoint, r.offset, false
}

// onDisk makes sure that the files are still there and as long as they should
// be after a crash of the machine.
func (r *Recorder) onDisk(offset int64) error {
	if r.base == "" {
		return nil
	}
	if r.info != nil {
		info, err := os.Stat(r.path())
		if err != nil || !os.SameFile(info, r.info) {
			return fmt.Errorf("%w: %s was removed", ErrStoreMoved, r.path())
		}
	}
	if offset <= r.synced.Load() {
		return nil
	}
	behind := r.store.cfg.now().UnixNano() // what is written from here on may be behind offset
	if r.synced.Load() == 0 {
		if err := r.startOnDisk(); err != nil {
			return err
		}
	}
	if err := r.syncCast(); err != nil {
		return writeError(err)
	}
	r.synced.Store(offset)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.offset <= offset {
		behind = 0
	}
	r.unsynced.Store(behind)
	return nil
}

// syncCast brings the .cast to disk, and tells how long it took.
func (r *Recorder) syncCast() error {
	start := time.Now()
	err := r.cast.Sync()
	if r.store.cfg.Synced != nil {
		r.store.cfg.Synced(time.Since(start))
	}
	return err
}

// sign writes a checkpoint of what is on disk.
func (r *Recorder) sign(checkpoint *sealLine) error {
	line, err := r.seal.sign(checkpoint)
	if err != nil {
		return err
	}
	r.mu.Lock()
	if r.closed || r.err != nil {
		r.mu.Unlock()
		return nil // the end of the seal covers it
	}
	r.seal.lines = append(r.seal.lines, line...)
	err = r.writeSeal()
	r.mu.Unlock()
	if err == nil && r.sealed != nil {
		err = r.sealed.Sync()
	}
	if err != nil {
		return writeError(err)
	}
	return nil
}

// failLater ends the recording for a reason that no call has returned.
func (r *Recorder) failLater(err error) {
	r.mu.Lock()
	if r.closed || r.err != nil {
		r.mu.Unlock()
		return // the files are closed
	}
	r.fail(err)
	r.mu.Unlock()
	if r.failed != nil {
		r.failed(err)
	}
}
