package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"

	"github.com/spliceway/spliceway/authn"
)

// gate is how a client gets to a server under test.
type gate struct {
	address string
	roots   *x509.CertPool
	user    *user
}

// tunnel is one client: TLS in TLS, ready for requests. It is used by one
// goroutine at a time.
type tunnel struct {
	conn *tls.Conn // inner
	buf  []byte
	stop func() bool // ends the watch over the context
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
	outer := tls.Client(raw, g.tls())
	if err = g.connect(outer, t.buf); err == nil {
		t.conn = tls.Client(outer, g.tls())
		err = t.conn.Handshake()
	}
	if err != nil {
		t.stop()
		raw.Close()
		return nil, fmt.Errorf("opening tunnel: %w", because(ctx, err))
	}
	return t, nil
}

func (g *gate) tls() *tls.Config {
	return &tls.Config{RootCAs: g.roots, ServerName: targetHost, MinVersion: tls.VersionTLS13}
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
	c, err := (&tls.Dialer{Config: g.tls()}).DialContext(ctx, "tcp", g.address)
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

// requestHead is what kubectl sends, about.
func requestHead(path string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\n" +
		"Host: " + target + "\r\n" +
		"User-Agent: kubectl/v1.36.3 (linux/amd64) kubernetes/0000000\r\n" +
		"Accept: application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json\r\n" +
		"Accept-Encoding: gzip\r\n" +
		"Kubectl-Command: kubectl get\r\n" +
		"Kubectl-Session: 5b6bd34b-6f57-4e1b-a3c5-1d2f2d0f8d53\r\n" +
		"\r\n")
}

var (
	smallRequest = requestHead(smallPath)
	watchRequest = requestHead(watchPath)

	okLine = []byte("HTTP/1.1 200 ")
)

// get does one small request and compares the answer.
func (t *tunnel) get() error {
	if _, err := t.conn.Write(smallRequest); err != nil {
		return err
	}
	return t.readSmall()
}

var (
	errTooLong  = errors.New("answer is too long")
	errBody     = errors.New("answer has not the body that was sent")
	errNoLength = errors.New("answer has no Content-Length")
)

// readSmall reads one answer with a length, and nothing more.
func (t *tunnel) readSmall() (err error) {
	n, head := 0, 0 // octets that are there; of the head, when it is complete
	for head == 0 {
		if n, err = t.more(n); err != nil {
			return err
		}
		head = headEnd(t.buf[:n])
	}
	length, err := checkHead(t.buf[:head])
	if err != nil {
		return err
	}
	for n < head+length {
		if n, err = t.more(n); err != nil {
			return err
		}
	}
	if !bytes.Equal(t.buf[head:n], smallBody) {
		return errBody
	}
	return nil
}

// more reads on behind the first n octets of the buffer.
func (t *tunnel) more(n int) (int, error) {
	if n == len(t.buf) {
		return n, errTooLong
	}
	m, err := t.conn.Read(t.buf[n:])
	if m > 0 {
		err = nil // it comes again
	}
	return n + m, err
}

// checkHead returns the length of the body.
func checkHead(head []byte) (int, error) {
	if !bytes.HasPrefix(head, okLine) {
		return 0, refusedError(head)
	}
	for rest := head; len(rest) > 0; {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("Content-Length")) {
			return strconv.Atoi(string(bytes.TrimSpace(value)))
		}
	}
	return 0, errNoLength
}

// watch begins a watch and reads its first event. Nothing comes after that.
func (t *tunnel) watch() error {
	if _, err := t.conn.Write(watchRequest); err != nil {
		return err
	}
	answer, err := http.ReadResponse(bufio.NewReader(t.conn), nil)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("answered %q", answer.Status)
	}
	event := make([]byte, len(watchEvent))
	if _, err := io.ReadFull(answer.Body, event); err != nil {
		return err
	}
	if !bytes.Equal(event, watchEvent) {
		return errBody
	}
	return nil
}
