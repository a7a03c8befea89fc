//go:build linux

package soak

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spliceway/spliceway/authn"
)

// patience is how long a client waits for anything.
const patience = 20 * time.Second

// user is who tunnels are opened for.
type user struct {
	name   string
	key    *ecdsa.PrivateKey
	issuer *issuer
	roots  *x509.CertPool
	seen   *seen
}

func (u *user) tls() *tls.Config {
	return &tls.Config{RootCAs: u.roots, ServerName: targetHost, MinVersion: tls.VersionTLS13}
}

// tunnel is TLS in TLS, ready for requests.
type tunnel struct {
	*tls.Conn
	raw *net.TCPConn
	r   *bufio.Reader
}

// open opens a tunnel, and says in a word what it came to if not to that.
func (u *user) open(ctx context.Context, address string) (t *tunnel, word string) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, "no connection"
	}
	t = &tunnel{raw: c.(*net.TCPConn)}
	t.raw.SetDeadline(time.Now().Add(patience))
	outer := tls.Client(t.raw, u.tls())
	if word = u.connect(outer); word == "" {
		t.Conn = tls.Client(outer, u.tls())
		if t.Handshake() == nil {
			t.r = bufio.NewReader(t.Conn)
			return t, ""
		}
		word = "no inner TLS"
	}
	t.raw.Close()
	return nil, word
}

// head is the CONNECT for an outer connection.
func (u *user) head(outer *tls.Conn) (string, error) {
	state := outer.ConnectionState()
	material, err := state.ExportKeyingMaterial(authn.ExporterLabel, nil, authn.ExporterLength)
	if err != nil {
		return "", err
	}
	proof, err := authn.Proof(u.key, material)
	if err != nil {
		return "", err
	}
	token, err := u.issuer.token(u.name, u.key)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("CONNECT %s HTTP/1.1\r\nHost: %s\r\nProxy-Authorization: Bearer %s\r\nX-Token-Signature: %s\r\n\r\n",
		target, target, token, proof), nil
}

func (u *user) connect(outer *tls.Conn) (word string) {
	if outer.Handshake() != nil {
		return "no outer TLS"
	}
	head, err := u.head(outer)
	if err != nil {
		return err.Error()
	}
	if _, err := io.WriteString(outer, head); err != nil {
		return "no CONNECT"
	}
	answer, err := http.ReadResponse(bufio.NewReader(outer), &http.Request{Method: http.MethodConnect})
	switch {
	case err != nil:
		return "no CONNECT"
	case answer.StatusCode != http.StatusOK:
		return fmt.Sprint("CONNECT ", answer.StatusCode)
	}
	return ""
}

// The words for a request that ended as it should, and, in front of its kind, for
// one that did not and that nobody could tell.
const (
	wordWhole = "whole"
	wordWrong = "wrong"
)

// request makes one request of a kind, and says in a word what came of it.
func (t *tunnel) request(u *user, kind string, number int64, count int) (word string, again bool) {
	t.raw.SetDeadline(time.Now().Add(patience))
	path := fmt.Sprintf("/%s/%d/%d", kind, number, count)
	line := lineOf(u.name, path)
	want := strings.Repeat(line, count)
	if kind == "exec" {
		if word = t.exec(path, line, count); word == wordWhole {
			u.seen.add(path, want)
		}
		return word, false
	}
	head, body := "GET "+path+" HTTP/1.1\r\nHost: k8s.test\r\n", ""
	switch kind {
	case "send":
		head = fmt.Sprintf("POST %s HTTP/1.1\r\nHost: k8s.test\r\nContent-Length: %d\r\n", path, len(want))
		body, want = want, line
	case "stream":
		head = "GET " + execPath(unrecorded, path) + " HTTP/1.1\r\nHost: k8s.test\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
	}
	if _, err := io.WriteString(t, head+"\r\n"+body); err != nil {
		return "cut", false
	}
	response, err := http.ReadResponse(t.r, nil)
	if err != nil {
		return "cut", false
	}
	if response.StatusCode == http.StatusSwitchingProtocols {
		return t.stream(want), false
	}
	got, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return "cut", false
	case response.StatusCode >= http.StatusBadGateway:
		return fmt.Sprint("status ", response.StatusCode), !response.Close
	case response.StatusCode >= http.StatusBadRequest: // nothing is wrong with what was sent
		return fmt.Sprintf("%s status %d", wordWrong, response.StatusCode), false
	case response.StatusCode != http.StatusOK || string(got) != want:
		return wordWrong + " " + kind, false
	}
	return wordWhole, !response.Close
}

// stream wants to hear what it says.
func (t *tunnel) stream(text string) string {
	go io.WriteString(t, text) // ends with the tunnel
	got := make([]byte, len(text))
	if n, err := io.ReadFull(t.r, got); err != nil && strings.HasPrefix(text, string(got[:n])) {
		return "cut"
	}
	if string(got) != text {
		return wordWrong + " stream"
	}
	return wordWhole
}

// kinds are what clients ask for, and how many lines of it.
var kinds = []struct {
	kind  string
	count int
}{{"get", 1}, {"get", 1}, {"get", 1}, {"get", 4000}, {"send", 1}, {"send", 4000}, {"watch", 20}, {"stream", 2000}, {"exec", 20}}

// session makes some requests on a tunnel and tells of each.
func (u *user) session(ctx context.Context, address string, next func() int64, tell func(word string, took time.Duration)) {
	t, word := u.open(ctx, address)
	if word != "" {
		tell(word, 0)
		time.Sleep(50 * time.Millisecond)
		return
	}
	defer t.raw.Close()
	again := true
	for i := 0; i < 30 && again && ctx.Err() == nil; i++ {
		k := kinds[rand.IntN(len(kinds))]
		start := time.Now()
		word, again = t.request(u, k.kind, next(), k.count)
		took := time.Since(start)
		if k.count > 1 {
			took = 0
		}
		tell(word, took)
	}
}
