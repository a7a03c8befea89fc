package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"

	"github.com/spliceway/spliceway/authn"
)

// gate is how a client gets to a server under test.
type gate struct {
	address string
	roots   *x509.CertPool
	user    *user

	sessions *sessions // tickets that are used and taken; nil: none
}

// tunnel is one client: TLS in TLS, ready for requests. It is used by one
// goroutine at a time.
type tunnel struct {
	conn *tls.Conn // inner
	buf  []byte
	body io.Reader     // of a watch
	in   *bufio.Reader // over conn, made when it is first needed; empty between answers
	stop func() bool   // ends the watch over the context
}

// answerRoom is enough for the small answer with all that a proxy may add.
const answerRoom = smallSize + 4<<10

// open opens a tunnel. When ctx ends, the tunnel and what waits on it do.
func (g *gate) open(ctx context.Context) (*tunnel, error) {
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", g.address)
	if err != nil {
		return nil, err
	}
	t := &tunnel{buf: make([]byte, answerRoom)}
	t.stop = context.AfterFunc(ctx, func() { raw.Close() })
	outer := tls.Client(raw, g.tls(outerLayer))
	if err = g.connect(outer, t.buf); err == nil {
		t.conn = tls.Client(outer, g.tls(innerLayer))
		err = t.conn.Handshake()
	}
	if err != nil {
		t.stop()
		raw.Close()
		return nil, fmt.Errorf("opening tunnel: %w", because(ctx, err))
	}
	return t, nil
}

// The layers of a tunnel.
const (
	outerLayer = iota
	innerLayer
)

func (g *gate) tls(layer int) *tls.Config {
	config := &tls.Config{RootCAs: g.roots, ServerName: targetHost, MinVersion: tls.VersionTLS13}
	if g.sessions != nil {
		config.ClientSessionCache = [...]tls.ClientSessionCache{g.sessions.outer, g.sessions.inner}[layer]
	}
	return config
}

// connect does the outer handshake and the CONNECT.
func (g *gate) connect(outer *tls.Conn, buf []byte) error {
	if err := outer.Handshake(); err != nil {
		return err
	}
	state := outer.ConnectionState()
	material, err := state.ExportKeyingMaterial(authn.ExporterLabel, nil, authn.ExporterLength)
	if err != nil {
		return err
	}
	proof, err := authn.Proof(g.user.key, material)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(outer, "CONNECT %s HTTP/1.1\r\nHost: %s\r\nProxy-Authorization: Bearer %s\r\nX-Token-Signature: %s\r\n\r\n",
		target, target, g.user.token, proof)
	if err != nil {
		return err
	}
	return wantOK(outer, buf)
}

// healthy reports whether the server answers GET /healthz.
func (g *gate) healthy(ctx context.Context) error {
	c, err := (&tls.Dialer{Config: g.tls(outerLayer)}).DialContext(ctx, "tcp", g.address)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: "+targetHost+"\r\n\r\n"); err != nil {
		return err
	}
	return wantOK(c, make([]byte, 1<<10))
}

// wantOK reads the answer to an outer request.
func wantOK(r io.Reader, buf []byte) error {
	head, err := readHead(r, buf)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(head, okLine) {
		return refusedError(head)
	}
	return nil
}

// refusedError is a status other than 200.
func refusedError(head []byte) error {
	line, _, _ := bytes.Cut(head, []byte("\r\n"))
	return fmt.Errorf("answered %q", line)
}

// because returns err, or why ctx ended if it did: its end shows as an error of
// a closed connection.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (t *tunnel) close() {
	t.stop()
	t.conn.NetConn().(*tls.Conn).NetConn().Close() // no farewell: some thousand are closed at once
}
