package gateway

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/conn"
	"github.com/spliceway/spliceway/session"
)

// errStopping is why a session ends with the gateway.
var errStopping = errors.New("gateway: the gateway stops")

// sessions holds the streams: those that are decoded for words that are meant for
// all of them, and all of them to be shown. The zero value is ready.
type sessions struct {
	mu      sync.Mutex
	open    map[*watched]struct{} // guarded by mu
	shown   map[*stream]struct{}  // guarded by mu; also those that nobody looks into
	warning string                // guarded by mu; for those that are opened later, too; empty: none
}

func (s *sessions) add(w *watched) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = make(map[*watched]struct{})
	}
	s.open[w] = struct{}{}
	if s.warning != "" {
		w.warn(s.warning)
	}
}

func (s *sessions) remove(w *watched) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, w)
}

func (s *sessions) show(o *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shown == nil {
		s.shown = make(map[*stream]struct{})
	}
	s.shown[o] = struct{}{}
}

func (s *sessions) hide(o *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.shown, o)
}

func (s *sessions) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// warn says something to everybody at a terminal.
func (s *sessions) warn(words string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.warning = words
	for w := range s.open {
		w.warn(words)
	}
}

// finish ends all sessions, with last words in the framing of each.
func (s *sessions) finish(f session.Final) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for w := range s.open {
		w.session.Finish(f)
	}
}

// warn says something to whoever sits at a terminal; what a program reads is left
// alone.
func (w *watched) warn(words string) {
	if w.info.TTY {
		w.session.Say(words)
	}
}

// farewells tells the sessions that the gateway stops within a time, and ends them
// before that has passed: those that are then cut would not be told why. Stop ends
// the wait.
func (s *sessions) farewells(within time.Duration) *time.Timer {
	s.warn("gateway: the gateway stops in " + within.Round(time.Second).String() + "; finish your work, and connect again to go on")
	const reading = 2 * time.Second // for a client to read why, before it is cut
	return time.AfterFunc(max(within-reading, within/2), func() {
		s.finish(session.Final{
			Message: "gateway: the gateway stops, so the session ends; connect again to go on", Reason: "ServiceUnavailable",
			Code:  http.StatusServiceUnavailable,
			Cause: &conn.Error{Blame: audit.BlameGateway, Reason: "shutdown", Err: errStopping},
		})
	})
}
