package record

import (
	"crypto/ed25519"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// noon is when the sessions of the tests start.
var noon = time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC)

// A testStore is a store with notices that a test can look at.
type testStore struct {
	*Store
	t   *testing.T
	dir string

	mu      sync.Mutex
	notices []Notice // guarded by mu
}

// openStore opens a store that is closed with the test.
func openStore(t *testing.T, dir string, change func(*Config)) *testStore {
	t.Helper()
	s := &testStore{t: t, dir: dir}
	cfg := Config{Dir: dir, Report: s.note}
	if change != nil {
		change(&cfg)
	}
	var err error
	if s.Store, err = Open(cfg); err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func (s *testStore) note(n Notice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notices = append(s.notices, n)
}

// noted returns the notices of a kind.
func (s *testStore) noted(kind NoticeKind) []Notice {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Notice
	for _, n := range s.notices {
		if n.Kind == kind {
			list = append(list, n)
		}
	}
	return list
}

// alice is a session in a terminal.
func alice() Session {
	return Session{
		Started: noon, Kind: "exec", Protocol: "websocket", User: "alice", Groups: []string{"dev"},
		Cluster: "prod", Namespace: "default", Pod: "web-0", Container: "app",
		Command: []string{"sh", "-c", "echo 'hi'"}, TTY: true, Stdin: true,
	}
}

func (s *testStore) start(session Session) *Recorder {
	s.t.Helper()
	r, err := s.Start(session, nil)
	if err != nil {
		s.t.Fatalf("Start: %v", err)
	}
	return r
}

func (s *testStore) verify(r *Recorder) *Verdict {
	s.t.Helper()
	return verify(s.t, r.path(), s.PublicKey())
}

func verify(t *testing.T, path string, key ed25519.PublicKey) *Verdict {
	t.Helper()
	v, err := Verify(path, key)
	if err != nil {
		t.Fatalf("Verify(%s): %v", path, err)
	}
	return v
}

// must fails the test for an error of a call of a recorder.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	return string(text)
}

// withoutHeader returns the events of a .cast as text.
func withoutHeader(t *testing.T, cast string) string {
	t.Helper()
	_, events, ok := strings.Cut(cast, "\n")
	if !ok {
		t.Fatalf("no first line: %q", cast)
	}
	return events
}

// readAll returns the events that a Reader gives.
func readAll(t *testing.T, cast string) []Event {
	t.Helper()
	reader, err := NewReader(strings.NewReader(cast))
	if err != nil {
		t.Fatalf("NewReader: %v", err)
	}
	return restOf(t, reader)
}
