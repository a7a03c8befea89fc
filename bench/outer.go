package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/spliceway/spliceway/authn"
)

// tunnelListener is the baseline's outer layer: it accepts TLS, lets a CONNECT in
// that has a good token, proof and target, and is the net.Listener of the tunnels
// for an http.Server.
type tunnelListener struct {
	net.Listener // of the outer connections
	tls          *tls.Config
	verifier     *authn.Verifier

	tunnels chan net.Conn // inner TLS, its handshake not yet done
	closed  chan struct{} // closed by Close
	once    sync.Once
	opening sync.WaitGroup
}

func newTunnelListener(l net.Listener, config *tls.Config, v *authn.Verifier) *tunnelListener {
	return &tunnelListener{
		Listener: l, tls: config, verifier: v,
		tunnels: make(chan net.Conn), closed: make(chan struct{}),
	}
}

// serve runs server on the tunnels until ctx is done, and then closes everything.
func (l *tunnelListener) serve(ctx context.Context, server *http.Server) error {
	l.opening.Go(l.acceptOuter)
	defer l.opening.Wait()
	defer context.AfterFunc(ctx, func() { server.Close() })()
	err := server.Serve(l)
	l.Close()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// Accept returns the next tunnel.
func (l *tunnelListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.tunnels:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and what it waits for. Tunnels it has returned stay.
func (l *tunnelListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// acceptOuter is the goroutine that accepts outer connections, until Close or an
// error, which closes the listener.
func (l *tunnelListener) acceptOuter() {
	defer l.Close()
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return
		}
		l.opening.Go(func() { l.open(raw) })
	}
}

// openTimeout is for the outer handshake and the CONNECT.
const openTimeout = 10 * time.Second

// open brings a connection to the point where the tunnel begins, and hands it
// over.
func (l *tunnelListener) open(raw net.Conn) {
	raw.SetDeadline(time.Now().Add(openTimeout))
	outer := tls.Server(raw, l.tls)
	t, status := l.connect(outer)
	if _, err := fmt.Fprintf(outer, "HTTP/1.1 %d %s\r\n\r\n", status, http.StatusText(status)); err != nil || t == nil {
		outer.Close()
		return
	}
	raw.SetDeadline(time.Time{})
	select {
	case l.tunnels <- tls.Server(t, l.tls):
	case <-l.closed:
		raw.Close()
	}
}

// connect reads and judges the outer head. Without a tunnel the connection is to
// be closed after the status.
func (l *tunnelListener) connect(outer *tls.Conn) (*tunnelConn, int) {
	in := bufio.NewReader(outer)
	request, err := http.ReadRequest(in)
	switch {
	case err != nil:
		return nil, http.StatusBadRequest
	case request.Method == http.MethodGet && request.URL.Path == "/healthz":
		return nil, http.StatusOK
	case request.Method != http.MethodConnect:
		return nil, http.StatusMethodNotAllowed
	}
	token, err := authn.BearerToken(request.Header.Get("Proxy-Authorization"))
	if err != nil {
		return nil, http.StatusProxyAuthRequired
	}
	grant, err := l.authenticate(outer, token, request)
	if err != nil {
		return nil, http.StatusUnauthorized
	}
	early, _ := in.Peek(in.Buffered())
	return &tunnelConn{Conn: outer, early: bytes.NewReader(bytes.Clone(early)), caller: newCaller(&grant.Identity, outer.RemoteAddr())}, http.StatusOK
}

func (l *tunnelListener) authenticate(outer *tls.Conn, token string, request *http.Request) (*authn.Grant, error) {
	grant, err := l.verifier.Verify(request.Context(), token)
	if err != nil {
		return nil, err
	}
	state := outer.ConnectionState()
	material, err := state.ExportKeyingMaterial(authn.ExporterLabel, nil, authn.ExporterLength)
	if err != nil {
		return nil, err
	}
	if err := grant.VerifyProof(material, request.Header.Get("X-Token-Signature")); err != nil {
		return nil, err
	}
	if _, err := grant.MatchTarget(request.Host); err != nil {
		return nil, err
	}
	return grant, nil
}

// tunnelConn is what lies below the inner TLS.
type tunnelConn struct {
	net.Conn               // outer TLS
	early    *bytes.Reader // what came with the CONNECT
	caller   *caller
}

func (t *tunnelConn) Read(p []byte) (int, error) {
	if n, err := t.early.Read(p); err != io.EOF {
		return n, err
	}
	return t.Conn.Read(p)
}

// callerOf returns the identity of a tunnel that Accept has returned.
func callerOf(c net.Conn) *caller { return c.(*tls.Conn).NetConn().(*tunnelConn).caller }
