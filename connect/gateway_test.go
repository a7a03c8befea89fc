package connect

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"

	"github.com/spliceway/spliceway/authn"
	"github.com/spliceway/spliceway/internal/testnet"
)

// fakeGateway is the gateway's side of the protocol: outer TLS, CONNECT with token and proof, which authn judges, and
// behind it inner TLS with an HTTP server, or a function for the bare tunnel.
type fakeGateway struct {
	t        *testing.T
	ca       *testnet.CA
	caFile   string
	address  string
	verifier *authn.Verifier
	outer    *tls.Config
	inner    *innerListener
	tasks    sync.WaitGroup

	mu     sync.Mutex
	bare   func(net.Conn)                          // guarded by mu; instead of inner TLS
	answer func(grant *authn.Grant) (string, bool) // guarded by mu; a scripted answer instead of 200
	seen   []string                                // guarded by mu; the ids of the accepted tokens
}

func startGateway(t *testing.T, keys authn.Keys) *fakeGateway {
	t.Helper()
	g := &fakeGateway{
		t: t, ca: testnet.NewCA(t), inner: newInnerListener(),
		verifier: authn.NewVerifier(keys, authn.VerifierConfig{Issuer: testIssuer, Audience: testAudience}),
	}
	cert := g.ca.Issue(t, "gateway.example.com", "prod.int", "edge.example.com", "a.pods.example.com", "10.0.0.1")
	g.outer = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13}
	_, _, g.caFile = g.ca.WriteFiles(t, t.TempDir(), "unused")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.address = ln.Addr().String()
	server := &http.Server{ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s", r.Method, r.Host, body)
	})}
	g.tasks.Go(func() { server.Serve(tls.NewListener(g.inner, &tls.Config{Certificates: []tls.Certificate{cert}})) })
	g.tasks.Go(func() { g.accept(ln) })
	t.Cleanup(func() {
		ln.Close()
		server.Close()
		g.tasks.Wait()
	})
	return g
}

func (g *fakeGateway) accept(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		g.tasks.Go(func() { g.serve(tls.Server(conn, g.outer)) })
	}
}

func (g *fakeGateway) serve(conn *tls.Conn) {
	buffered := bufio.NewReader(conn)
	request, err := http.ReadRequest(buffered)
	if err != nil {
		conn.Close()
		return
	}
	status, grant := g.judge(conn, request)
	g.mu.Lock()
	answer, bare := g.answer, g.bare
	if grant != nil {
		g.seen = append(g.seen, grant.TokenID)
	}
	g.mu.Unlock()
	if answer != nil && grant != nil {
		if text, scripted := answer(grant); scripted {
			status = text
		}
	}
	fmt.Fprintf(conn, "%s", status)
	if status != "HTTP/1.1 200 OK\r\n\r\n" {
		conn.Close()
		return
	}
	tunnel := &bufferedConn{Conn: conn, buffered: buffered}
	if bare != nil {
		bare(tunnel)
		return
	}
	g.inner.give(tunnel)
}

// judge is the order of checks of the protocol.
func (g *fakeGateway) judge(conn *tls.Conn, r *http.Request) (status string, grant *authn.Grant) {
	if r.Method != http.MethodConnect {
		return "HTTP/1.1 405 Method Not Allowed\r\n\r\n", nil
	}
	if r.Header.Get("X-Connection-Id") == "" {
		g.t.Error("the CONNECT has no X-Connection-Id")
	}
	token, err := authn.BearerToken(r.Header.Get("Proxy-Authorization"))
	if err != nil {
		return "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", nil
	}
	grant, err = g.verifier.Verify(context.Background(), token)
	if err != nil {
		return "HTTP/1.1 401 Unauthorized\r\n\r\n", nil
	}
	state := conn.ConnectionState()
	material, err := state.ExportKeyingMaterial(authn.ExporterLabel, nil, authn.ExporterLength)
	if err != nil {
		g.t.Error(err)
	}
	if err := grant.VerifyProof(material, r.Header.Get("X-Token-Signature")); err != nil {
		g.t.Errorf("VerifyProof = %v", err)
		return "HTTP/1.1 401 Unauthorized\r\n\r\n", nil
	}
	if _, err := grant.MatchTarget(r.RequestURI); err != nil {
		g.t.Errorf("MatchTarget(%q) = %v", r.RequestURI, err)
		return "HTTP/1.1 400 Bad Request\r\n\r\n", nil
	}
	return "HTTP/1.1 200 OK\r\n\r\n", grant
}

func (g *fakeGateway) set(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
}

func (g *fakeGateway) tokens() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.seen...)
}

type bufferedConn struct {
	*tls.Conn
	buffered *bufio.Reader
}

func (c *bufferedConn) Read(p []byte) (int, error) { return c.buffered.Read(p) }

// innerListener hands tunnels to an http.Server.
type innerListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newInnerListener() *innerListener {
	return &innerListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *innerListener) give(conn net.Conn) {
	select {
	case l.conns <- conn:
	case <-l.closed:
		conn.Close()
	}
}

func (l *innerListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *innerListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *innerListener) Addr() net.Addr { return &net.TCPAddr{} }

func pemCertificate(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// pool trusts the inner certificates.
func (g *fakeGateway) pool() *x509.CertPool { return g.ca.Pool() }

func gatewayCA(t *testing.T) string {
	_, _, caFile := testnet.NewCA(t).WriteFiles(t, t.TempDir(), "other")
	return filepath.Clean(caFile)
}
