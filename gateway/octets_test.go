package gateway

import (
	"crypto/tls"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/spliceway/spliceway/internal/testnet"
	"github.com/spliceway/spliceway/internal/wirecase"
)

// octetServer stands for an API server and keeps every octet that it gets behind
// TLS. It answers what net/http takes for a complete request, and nothing else.
type octetServer struct {
	t        *testing.T
	ca       *testnet.CA
	listener net.Listener

	mu      sync.Mutex
	changed *sync.Cond                    // on mu
	open    int                           // guarded by mu; connections now
	script  func(c net.Conn, head string) // guarded by mu; answers a request
	seen    octets                        // guarded by mu
}

// octets is what the server has heard since it was last asked.
type octets struct {
	messages []string // complete requests, in order of arrival
	bodies   []string // of them, decoded
	rest     string   // all that is in no complete request
}

// newOctetServer listens until the test ends, with a certificate of ca.
func newOctetServer(t *testing.T, ca *testnet.CA) *octetServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &octetServer{t: t, ca: ca, listener: tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, apiName)}})}
	s.changed = sync.NewCond(&s.mu)
	go s.accept() // ends with the listener
	t.Cleanup(func() { l.Close(); s.settled() })
	return s
}

// url is where the server listens.
func (s *octetServer) url() string { return "https://" + s.listener.Addr().String() }

// answer sets what answers requests from now on.
func (s *octetServer) answer(script func(c net.Conn, head string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = script
}

// settled waits until no connection is open, and returns what was heard since the
// last time.
func (s *octetServer) settled() octets {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.open > 0 {
		s.changed.Wait()
	}
	seen := s.seen
	s.seen = octets{}
	return seen
}

func (s *octetServer) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.open++
		s.mu.Unlock()
		go s.serve(c) // ends with the connection
	}
}

func (s *octetServer) serve(c net.Conn) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	pending, buf := "", make([]byte, 16<<10)
	for {
		n, err := c.Read(buf)
		pending += string(buf[:n])
		for {
			end, body, ok := wirecase.CompleteRequest(pending)
			if !ok {
				break
			}
			s.mu.Lock()
			s.seen.messages, s.seen.bodies = append(s.seen.messages, pending[:end]), append(s.seen.bodies, body)
			script := s.script
			s.mu.Unlock()
			head := pending[:end]
			pending = pending[end:]
			script(c, head)
		}
		if err != nil {
			s.mu.Lock()
			s.seen.rest += pending
			s.open--
			s.changed.Broadcast()
			s.mu.Unlock()
			return
		}
	}
}
