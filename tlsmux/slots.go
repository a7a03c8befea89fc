package tlsmux

import (
	"context"
	"sync"
)

// slots are the places for connections, open or about to be accepted. Their
// number may change while they are taken.
type slots struct {
	mu    sync.Mutex
	limit int           // guarded by mu
	taken int           // guarded by mu; more than limit after it was lowered
	room  chan struct{} // guarded by mu; closed when there may be room, nil if nobody waits for it
}

// tryTake takes a place if there is one, else returns what to wait for.
func (s *slots) tryTake() (room <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken < s.limit {
		s.taken++
		return nil
	}
	if s.room == nil {
		s.room = make(chan struct{})
	}
	return s.room
}

// take waits for a place, at most until ctx is done. full is called once if
// there is none.
func (s *slots) take(ctx context.Context, full func()) bool {
	room := s.tryTake()
	if room != nil {
		full()
	}
	for room != nil {
		select {
		case <-room:
			room = s.tryTake()
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// free gives a place back.
func (s *slots) free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	s.wakeLocked()
}

// resize changes how many places there are. Nobody loses the one he has.
func (s *slots) resize(limit int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = limit
	s.wakeLocked()
}

func (s *slots) wakeLocked() {
	if s.room != nil && s.taken < s.limit {
		close(s.room)
		s.room = nil
	}
}
