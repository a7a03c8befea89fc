package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// noted notes each Write as the ids of its lines.
type noted struct {
	mu  sync.Mutex
	all []string // guarded by mu
	n   int      // guarded by mu; if err is set, how much of the next Write is taken
	err error    // guarded by mu
}

func (w *noted) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return min(w.n, len(p)), w.err
	}
	var ids []string
	for line := range strings.Lines(string(p)) {
		_, id, _ := strings.Cut(line, `_id":"`)
		id, _, _ = strings.Cut(id, `"`)
		ids = append(ids, id)
	}
	w.all = append(w.all, strings.Join(ids, " "))
	return len(p), nil
}

func (w *noted) fail(n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n, w.err = n, err
}

func (w *noted) want(t *testing.T, want ...string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.all, want) {
		t.Errorf("written is %q, want %q", w.all, want)
	}
	w.all = nil
}

// queued is a log with a queue in a bubble, and how many lines it has lost.
func queued(t *testing.T, run func(l *Log, w *noted, lost *int)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w, lost := new(noted), 0
		l := newLog(&queue{out: &output{w: w, onError: func(error) { lost++ }}, delay: requestDelay})
		run(l, w, &lost)
		l.Close()
	})
}

func request(l *Log, ids ...string) {
	for _, id := range ids {
		l.Request(&Request{Connection: &Connection{ID: id}})
	}
}

func TestQueueWritesTheFirstAtOnceAndGathersTheRest(t *testing.T) {
	queued(t, func(l *Log, w *noted, _ *int) {
		request(l, "a")
		w.want(t, "a")
		request(l, "b", "c")
		w.want(t)
		time.Sleep(requestDelay)
		synctest.Wait()
		w.want(t, "b c")
		time.Sleep(requestDelay)
		request(l, "d")
		w.want(t, "d")
	})
}

func TestQueueKeepsTheOrder(t *testing.T) {
	queued(t, func(l *Log, w *noted, _ *int) {
		request(l, "a", "b", "c")
		l.ConnectionOpened(&Connection{ID: "open"})
		w.want(t, "a", "b c", "open")
		request(l, "d")
		l.Lines().Write([]byte("x_id\":\"line\"\n"))
		w.want(t, "d", "line")
	})
}

func TestQueueIsBounded(t *testing.T) {
	queued(t, func(l *Log, w *noted, _ *int) {
		path := []byte("/" + strings.Repeat("x", 2000))
		for range 3 * queueSize / len(path) {
			l.Request(&Request{Connection: &Connection{ID: "a"}, Path: path})
			if size := len(l.queue.lines); size > queueSize {
				t.Fatalf("%d octets wait, want at most %d", size, queueSize)
			}
		}
		if len(w.all) < 3 {
			t.Errorf("%d writes, want some without a delay", len(w.all))
		}
	})
}

func TestQueueIsWrittenBeforeTheFileIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "audit.log")
		l, err := Open(name, func(err error) { t.Error(err) })
		if err != nil {
			t.Fatal(err)
		}
		request(l, "a", "b")
		os.Rename(name, name+".1")
		if err := l.Reopen(); err != nil {
			t.Fatal(err)
		}
		request(l, "c")
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		for file, want := range map[string]int{name + ".1": 2, name: 1} {
			got, err := os.ReadFile(file)
			if lines := strings.Count(string(got), "\n"); err != nil || lines != want {
				t.Errorf("%s has %d lines (%v), want %d", filepath.Base(file), lines, err, want)
			}
		}
	})
}

func TestQueueReportsEachLostLine(t *testing.T) {
	queued(t, func(l *Log, w *noted, lost *int) {
		request(l, "a", "b", "c", "d")
		w.fail(10, errors.New("full")) // in the middle of b
		time.Sleep(requestDelay)
		synctest.Wait()
		if *lost != 3 {
			t.Errorf("%d lines reported lost, want 3", *lost)
		}
		w.fail(0, nil)
		time.Sleep(requestDelay)
		request(l, "e")
		w.want(t, "a", "", "e") // a line feed behind the part of b
	})
}

func TestGatheringWithinAnotherLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, lost := new(noted), 0
		outside := New(w, nil)
		l := NewGathering(outside.Lines(), func(error) { lost++ })
		defer l.Close()
		request(l, "a", "b", "c", "d")
		w.want(t, "a")
		time.Sleep(requestDelay)
		synctest.Wait()
		w.want(t, "b c d")
		request(l, "e", "f")
		outside.Lines().Write([]byte("x_id\":\"line\"\n"))
		w.want(t, "line")
		l.queue.mu.Lock()
		waiting := len(l.queue.lines)
		l.queue.mu.Unlock()
		w.fail(waiting/2+10, errors.New("full")) // in the middle of f
		time.Sleep(requestDelay)
		synctest.Wait()
		if lost != 1 {
			t.Errorf("%d lines reported lost, want 1", lost)
		}
		w.fail(0, nil)
		time.Sleep(requestDelay)
		request(l, "g")
		w.want(t, "", "g") // a line feed behind the part of f, and only one
	})
}

func TestQueueAfterClose(t *testing.T) {
	name := filepath.Join(t.TempDir(), "audit.log")
	lost := 0
	l, err := Open(name, func(error) { lost++ })
	if err != nil {
		t.Fatal(err)
	}
	request(l, "a")
	l.Close()
	request(l, "b", "c")
	if lost != 2 {
		t.Errorf("%d lines reported lost behind Close, want 2", lost)
	}
}

func TestQueueOfMany(t *testing.T) {
	w := new(noted)
	l := newLog(&queue{out: &output{w: w, onError: func(err error) { t.Error(err) }}, delay: time.Microsecond})
	const users, each = 8, 500
	var wg sync.WaitGroup
	for u := range users {
		wg.Go(func() {
			for n := range each {
				request(l, fmt.Sprintf("u%d-%d", u, n))
			}
		})
	}
	wg.Wait()
	l.Close()
	next := make(map[string]int)
	for _, id := range strings.Fields(strings.Join(w.all, " ")) {
		user, n, _ := strings.Cut(id, "-")
		if want := fmt.Sprint(next[user]); n != want {
			t.Fatalf("line %s of %s, want %s", n, user, want)
		}
		next[user]++
	}
	for u := range users {
		if got := next[fmt.Sprintf("u%d", u)]; got != each {
			t.Errorf("%d lines of user %d, want %d", got, u, each)
		}
	}
}
