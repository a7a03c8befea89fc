package gateway

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/spliceway/spliceway/internal/testnet"
)

// apiServer stands for the API server of a cluster: net/http behind TLS on
// loopback. What it is asked it keeps; what it answers can be scripted by path.
type apiServer struct {
	*httptest.Server
	ca *testnet.CA

	mu      sync.Mutex
	tokens  []string                    // guarded by mu; those it takes
	scripts map[string]http.HandlerFunc // guarded by mu
	asked   []*http.Request             // guarded by mu; bodies read
}

const (
	apiName  = "api.test" // in the certificate of the API server
	apiToken = "gateway-credential"
)

func newAPIServer(t *testing.T) *apiServer {
	t.Helper()
	s := &apiServer{ca: testnet.NewCA(t), tokens: []string{apiToken}, scripts: make(map[string]http.HandlerFunc)}
	s.Server = httptest.NewUnstartedServer(s)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{s.ca.Issue(t, apiName)}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// ServeHTTP answers like an API server that has every object and lets everybody
// see it, unless the path has a script.
func (s *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r)
	script := s.scripts[r.URL.Path]
	known := slices.Contains(s.tokens, r.Header.Get("Authorization")[min(len("Bearer "), len(r.Header.Get("Authorization"))):])
	s.mu.Unlock()
	w.Header().Set("Audit-Id", r.Header.Get("Audit-Id"))
	switch {
	case !known:
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
	case script != nil:
		script(w, r)
	default:
		io.WriteString(w, "served "+r.URL.Path)
	}
}

// again has an API server listen where s has listened before it was closed.
func (s *apiServer) again(t *testing.T) *httptest.Server {
	t.Helper()
	l, err := net.Listen("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	back := httptest.NewUnstartedServer(s)
	back.Listener.Close()
	back.Listener, back.TLS = l, s.TLS
	back.StartTLS()
	return back
}

// on scripts the answer to a path.
func (s *apiServer) on(path string, script http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts[path] = script
}

// take makes tokens the only ones that the API server takes.
func (s *apiServer) take(tokens ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens = tokens
}

// requests returns what was asked so far.
func (s *apiServer) requests() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// only wants exactly one request to have come, and returns it.
func (s *apiServer) only(t *testing.T) *http.Request {
	t.Helper()
	all := s.requests()
	if len(all) != 1 {
		t.Fatalf("the API server got %d requests, want one", len(all))
	}
	return all[0]
}

// echo agrees to a stream and sends back what comes.
func echo(w http.ResponseWriter, _ *http.Request) {
	conn, rw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n")
	io.Copy(conn, rw)
}
