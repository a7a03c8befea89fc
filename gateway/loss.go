package gateway

import (
	"sync"
	"time"
)

// lossSilence is the least time between two log lines about lost audit events: on
// a full disk every request would be worth one.
const lossSilence = time.Minute

// losses counts audit events that were lost since the log told of it last. The
// zero value is ready.
type losses struct {
	mu    sync.Mutex
	lost  int       // guarded by mu
	until time.Time // guarded by mu; no line before that
}

// add counts an event and returns how many there are to tell of, 0 if it is not
// time yet.
func (l *losses) add(now time.Time) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost++
	if now.Before(l.until) {
		return 0
	}
	lost := l.lost
	l.lost, l.until = 0, now.Add(lossSilence)
	return lost
}
