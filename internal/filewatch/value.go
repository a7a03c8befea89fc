package filewatch

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A Value is a value of type T loaded from files. All methods may be called
// concurrently.
type Value[T any] struct {
	load  func() (T, error) // called with mu held
	paths []string          // immutable

	current atomic.Pointer[T]

	mu      sync.Mutex
	seen    snapshot // guarded by mu; the files before the latest load
	failure error    // guarded by mu; of the latest load, nil if it succeeded
}

// New loads the value for the first time and returns load's error if that
// fails. The paths are the files that load reads; load is never called twice
// at once.
func New[T any](load func() (T, error), paths ...string) (*Value[T], error) {
	v := &Value[T]{load: load, paths: paths}
	if _, _, err := v.check(); err != nil {
		return nil, err
	}
	return v, nil
}

// Get returns the current value. It neither waits nor does any I/O.
func (v *Value[T]) Get() T { return *v.current.Load() }

// Check looks at the files and loads the value anew if they have changed or
// the load before has failed; changed tells that Get returns a new value
// from now on. With an error the value is what it was.
func (v *Value[T]) Check() (changed bool, err error) {
	changed, _, err = v.check()
	return changed, err
}

// Run calls Check at once and then at every interval until ctx is done.
// If report is not nil, it is told of each load as it happens: nil after a
// new value has come into force, the error after a failure that differs from
// the one before, in its text or because the files have changed since. Loads
// by other callers of Check are theirs to report.
func (v *Value[T]) Run(ctx context.Context, every time.Duration, report func(error)) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		changed, news, err := v.check()
		if report != nil && (changed || news) {
			report(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// attempts bounds how often one check repeats a load that failed while the
// files were changing. Nobody changes them faster than this except to harm.
const attempts = 3

// check is Check; news tells that err is not a repetition of the failure
// before.
func (v *Value[T]) check() (changed, news bool, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := look(v.paths)
	if v.current.Load() != nil && v.failure == nil && now.equal(v.seen) {
		return false, false, nil
	}
	var value T
	for range attempts {
		before := now
		if value, err = v.read(now); err == nil {
			v.current.Store(&value)
			v.seen, v.failure = before, nil
			return true, true, nil
		}
		if now = look(v.paths); now.equal(before) {
			break
		}
	}
	news = v.failure == nil || v.failure.Error() != err.Error() || !now.equal(v.seen)
	v.seen, v.failure = now, err
	return false, news, err
}

// read is one load. A file that cannot be looked at fails it with a better
// reason than load would have.
func (v *Value[T]) read(now snapshot) (value T, err error) {
	for _, f := range now {
		if f.err != nil {
			return value, fmt.Errorf("filewatch: %w", f.err)
		}
	}
	return v.load()
}

// A snapshot is what stat says about each path.
type snapshot []state

type state struct {
	info os.FileInfo // nil if err is set
	err  error
}

// look follows symlinks, so that a swapped link shows as another file.
func look(paths []string) snapshot {
	s := make(snapshot, len(paths))
	for i, path := range paths {
		s[i].info, s[i].err = os.Stat(path)
	}
	return s
}

func (s snapshot) equal(t snapshot) bool {
	if len(s) != len(t) {
		return false
	}
	for i := range s {
		if !s[i].equal(t[i]) {
			return false
		}
	}
	return true
}

func (a state) equal(b state) bool {
	if a.err != nil || b.err != nil {
		return a.err != nil && b.err != nil && a.err.Error() == b.err.Error()
	}
	return os.SameFile(a.info, b.info) &&
		a.info.Size() == b.info.Size() &&
		a.info.ModTime().Equal(b.info.ModTime())
}
