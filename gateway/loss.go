package gateway

import (
	"sync"
	"time"
)

// lossSilence is the least time between two log lines about what is lost: on a full
// disk every request would be worth one.
const lossSilence = time.Minute

// losses counts audit events or spans that were lost since the log told of it last. The
// zero value is ready.
type losses struct {
	mu    sync.Mutex
	lost  int       // guarded by mu
	until time.Time // guarded by mu; no line before that
}

// add counts what is lost. When it is time to tell, it returns how much there is to
// tell of.
func (l *losses) add(now time.Time, n int) (lost int, tell bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lost += n
	if now.Before(l.until) {
		return 0, false
	}
	lost = l.lost
	l.lost, l.until = 0, now.Add(lossSilence)
	return lost, true
}
