package connect

import (
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// repeatAfter is how long a refusal that was just logged is not logged again as an error: one kubectl command makes five
// attempts or more.
const repeatAfter = 10 * time.Second

// reporter logs refusals for the user who reads the terminal. Safe for concurrent use.
type reporter struct {
	log zerolog.Logger

	mu     sync.Mutex
	last   string    // guarded by mu; what was logged as an error last
	lastAt time.Time // guarded by mu
}

// report logs a refusal; target may be empty.
func (r *reporter) report(why *refusal, target string) {
	level := zerolog.ErrorLevel
	if r.isRepeated(target + " " + why.sentence()) {
		level = zerolog.DebugLevel
	}
	event := r.log.WithLevel(level).Int("status", why.status)
	if target != "" {
		event = event.Str("target", target)
	}
	if why.detail != "" {
		event = event.Str("reason", why.detail)
	}
	if why.hint != "" {
		event = event.Str("hint", why.hint)
	}
	event.Msg(why.what)
}

func (r *reporter) isRepeated(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if text == r.last && now.Sub(r.lastAt) < repeatAfter {
		return true
	}
	r.last, r.lastAt = text, now
	return false
}
