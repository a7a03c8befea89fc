package tlsmux

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spliceway/spliceway/internal/testnet"
)

const (
	target   = "cluster-a.int:443"
	goodHead = "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n" +
		"Proxy-Authorization: Bearer good\r\nX-Token-Signature: proof\r\n\r\n"
)

// A gateway is a Mux under test that listens on pipes. It accepts the token
// "good" and echoes what comes through a tunnel.
type gateway struct {
	t   *testing.T
	ca  *testnet.CA
	mux *Mux
	ln  *testnet.Listener

	served chan error // what Serve has returned for ln

	mu       sync.Mutex
	outcomes []Outcome // guarded by mu
	attempts []Attempt // guarded by mu; for each outcome
}

// newGateway starts a gateway that is shut down when the test ends. It is to
// be called inside a bubble, unless only real listeners are served.
func newGateway(t *testing.T, edit func(*Config)) *gateway {
	t.Helper()
	g := newGatewayWithoutCleanup(t, edit)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := g.mux.Shutdown(ctx); err != nil {
			t.Errorf("Shutdown = %v", err)
		}
		if err := <-g.served; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	return g
}

// newGatewayWithoutCleanup is newGateway for a test that does the shutdown.
func newGatewayWithoutCleanup(t *testing.T, edit func(*Config)) *gateway {
	t.Helper()
	g := &gateway{t: t, ca: testnet.NewCA(t), ln: testnet.Listen(), served: make(chan error, 1)}
	cert := g.ca.Issue(t, "gateway.test", "cluster-a.int", "10.0.0.1")
	cfg := Config{
		Certificates: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &cert, nil },
		Authenticate: func(_ context.Context, c *Connect) (Handler, error) {
			if c.Token != "good" {
				return nil, &Refusal{Status: http.StatusUnauthorized, Reason: "expired"}
			}
			return echo, nil
		},
		Observe: g.observe,
	}
	if edit != nil {
		edit(&cfg)
	}
	mux, err := New(cfg)
	if err != nil {
		t.Fatalf("New = %v", err)
	}
	g.mux = mux
	go func() { g.served <- mux.Serve(context.Background(), g.ln) }()
	return g
}

// echo is a handler.
func echo(_ context.Context, t *Tunnel) { io.Copy(t.Conn, t.Conn) }

func (g *gateway) observe(a *Attempt, o Outcome) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.outcomes = append(g.outcomes, o)
	g.attempts = append(g.attempts, *a)
}

// last returns the latest outcome and the attempt as it was then.
func (g *gateway) last() (Attempt, Outcome) {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.outcomes) == 0 {
		g.t.Fatal("nothing was observed")
	}
	return g.attempts[len(g.attempts)-1], g.outcomes[len(g.outcomes)-1]
}

// wantOutcomes compares all outcomes so far, written "phase result" or
// "phase result status".
func (g *gateway) wantOutcomes(want ...string) {
	g.t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	var got []string
	for _, o := range g.outcomes {
		text := fmt.Sprintf("%s %s", o.Phase, o.Result)
		if o.Status != 0 {
			text += fmt.Sprintf(" %d", o.Status)
		}
		if failed := o.Result != ResultOK && o.Result != ResultHealthz; failed != (o.Err != nil) {
			g.t.Errorf("outcome %s has error %v", text, o.Err)
		}
		got = append(got, text)
	}
	if !slices.Equal(got, want) {
		g.t.Errorf("outcomes = %q, want %q", got, want)
	}
}

// outer does the outer handshake over a connection.
func (g *gateway) outer(conn net.Conn) *tls.Conn {
	g.t.Helper()
	outer := tls.Client(conn, &tls.Config{RootCAs: g.ca.Pool(), ServerName: "gateway.test"})
	if err := outer.Handshake(); err != nil {
		g.t.Fatalf("outer handshake: %v", err)
	}
	return outer
}

// tunnel opens a tunnel over a connection as a well-behaved client does.
func (g *gateway) tunnel(conn net.Conn) *tls.Conn {
	g.t.Helper()
	outer := g.outer(conn)
	if _, err := io.WriteString(outer, goodHead); err != nil {
		g.t.Fatalf("writing the CONNECT: %v", err)
	}
	wantEstablished(g.t, outer)
	return g.inner(outer)
}

// inner does the inner handshake.
func (g *gateway) inner(outer net.Conn) *tls.Conn {
	g.t.Helper()
	inner := tls.Client(outer, &tls.Config{RootCAs: g.ca.Pool(), ServerName: "cluster-a.int"})
	if err := inner.Handshake(); err != nil {
		g.t.Fatalf("inner handshake: %v", err)
	}
	return inner
}

// wantEstablished reads the answer to a CONNECT that succeeds, which has to
// the octet this form, and nothing behind it.
func wantEstablished(t *testing.T, outer net.Conn) {
	t.Helper()
	const want = "HTTP/1.1 200 OK\r\n\r\n"
	got := make([]byte, len(want))
	if n, err := io.ReadFull(outer, got); err != nil || string(got) != want {
		t.Fatalf("answer to the CONNECT = %q, %v, want %q", got[:n], err, want)
	}
}

// wantEcho sends a word through a tunnel and wants it back.
func wantEcho(t *testing.T, inner net.Conn) {
	t.Helper()
	if _, err := io.WriteString(inner, "ping"); err != nil {
		t.Fatalf("writing to the tunnel: %v", err)
	}
	got := make([]byte, 4)
	if _, err := io.ReadFull(inner, got); err != nil || string(got) != "ping" {
		t.Fatalf("echo = %q, %v, want ping", got, err)
	}
}

// bubble runs a test against a gateway in fake time.
func bubble(t *testing.T, edit func(*Config), test func(t *testing.T, g *gateway)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newGateway(t, edit)) })
}

func head(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n\r\n" }

// parseAnswer reads an answer with net/http and wants nothing behind it.
func parseAnswer(t *testing.T, answer []byte, method string) (*http.Response, string) {
	t.Helper()
	reader := bufio.NewReader(bytes.NewReader(answer))
	// For net/http a 2xx to CONNECT has no body; ours are all refusals.
	if method == http.MethodConnect || method == http.MethodHead {
		method = http.MethodGet
	}
	resp, err := http.ReadResponse(reader, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("ReadResponse(%q) = %v", answer, err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.ContentLength != int64(len(body)) {
		t.Errorf("body = %q, %v with Content-Length %d", body, err, resp.ContentLength)
	}
	if rest, _ := io.ReadAll(reader); len(rest) > 0 {
		t.Errorf("behind the answer = %q, want nothing", rest)
	}
	return resp, string(body)
}
