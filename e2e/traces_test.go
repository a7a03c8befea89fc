package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/spliceway/spliceway/e2e/stack"
)

// spans is a collector of traces that keeps octets: package gateway decodes them.
type spans struct {
	mu     sync.Mutex
	octets []byte // guarded by mu
	fault  string // guarded by mu; of an export
}

// ServeHTTP takes an export that has the key.
func (s *spans) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	if key := r.Header.Get("X-Key"); err != nil || key != "collector-key" {
		s.fault = fmt.Sprintf("an export with the key %q: %v", key, err)
		return
	}
	s.octets = append(s.octets, body...)
}

// lacks returns what is in no export yet.
func (s *spans) lacks(t *testing.T, words ...string) []string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault != "" {
		t.Fatal(s.fault)
	}
	return slices.DeleteFunc(words, func(word string) bool { return bytes.Contains(s.octets, []byte(word)) })
}

// TestTraces has kubectl's requests traced by a gateway that is confined to its files.
func TestTraces(t *testing.T) {
	got := &spans{}
	server := httptest.NewServer(got)
	defer server.Close()
	s := newStack(t, func(c *stack.Config) {
		headers := filepath.Join(c.Dir, "trace-headers")
		if err := os.WriteFile(headers, []byte("X-Key: collector-key\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c.Users = []stack.User{ada}
		c.Options = fmt.Sprintf("tracing: {endpoint: %q, headersFile: %q}", server.URL, headers)
	})
	k := kubectlThrough(t, s, ada)
	k.run(t, "get", "namespaces")
	waitForEvent(t, s, "request", "resource", "namespaces")
	for deadline := time.Now().Add(commandTimeout); ; time.Sleep(50 * time.Millisecond) {
		missing := got.lacks(t, "CONNECT", "GET namespaces", ada.Name, "/api/v1/namespaces")
		if len(missing) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the collector has no spans with %q", missing)
		}
	}
	if !eventually(func() bool { return metric(t, s, "spliceway_trace_spans_total", `outcome="sent"`) >= 2 }) {
		t.Error("the gateway counts no spans as sent")
	}
}
