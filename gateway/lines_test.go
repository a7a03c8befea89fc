package gateway

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// event is a line of a log, decoded.
type event map[string]any

// text returns a field as text, empty if there is none.
func (e event) text(name string) string {
	s, _ := e[name].(string)
	return s
}

// lines is a log that a test reads, and waits on, while the gateway writes it.
type lines struct {
	mu      sync.Mutex
	changed *sync.Cond // on mu
	all     []event    // guarded by mu
	raw     []string   // guarded by mu
}

func newLines() *lines {
	l := &lines{}
	l.changed = sync.NewCond(&l.mu)
	return l
}

// Write takes lines, as audit and zerolog write them: one, or those of requests of
// one moment.
func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(p) {
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			e = event{"not JSON": string(line)}
		}
		l.all, l.raw = append(l.all, e), append(l.raw, string(line))
	}
	l.changed.Broadcast()
	return len(p), nil
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.raw, "")
}

// where selects lines whose fields have these texts: name, value, name, value.
func where(pairs ...string) func(event) bool {
	return func(e event) bool {
		for i := 0; i < len(pairs); i += 2 {
			if e.text(pairs[i]) != pairs[i+1] {
				return false
			}
		}
		return true
	}
}

// find returns the lines that match.
func (l *lines) find(match func(event) bool) []event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.findLocked(match)
}

func (l *lines) findLocked(match func(event) bool) []event {
	return slices.DeleteFunc(slices.Clone(l.all), func(e event) bool { return !match(e) })
}

// wait waits for n lines that match and returns them.
func (l *lines) wait(t *testing.T, n int, match func(event) bool) []event {
	t.Helper()
	late := false // guarded by l.mu
	timer := time.AfterFunc(patience, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		late = true
		l.changed.Broadcast()
	})
	defer timer.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if found := l.findLocked(match); len(found) >= n {
			return found
		}
		if late {
			t.Fatalf("a line that must come has not come; the log:\n%s", strings.Join(l.raw, ""))
		}
		l.changed.Wait()
	}
}

// one waits for a line that matches and wants it to be the only one so far.
func (l *lines) one(t *testing.T, pairs ...string) event {
	t.Helper()
	found := l.wait(t, 1, where(pairs...))
	if len(found) != 1 {
		t.Fatalf("%d lines with %q, want one:\n%s", len(found), pairs, l)
	}
	return found[0]
}
