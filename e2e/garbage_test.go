package e2e

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/spliceway/spliceway/e2e/stack"
)

// openTunnel gets through the CONNECT of a gateway.
func openTunnel(t *testing.T, s *stack.Stack, issuer *scriptedIssuer) net.Conn {
	t.Helper()
	key := newKey(t)
	outer := dialOuter(t, s)
	token := issuer.sign(t, issuer.claims(t, ann, &key.PublicKey, time.Hour))
	io.WriteString(outer, connectHead(stack.TargetHost+":443", token, proof(t, outer, key)))
	if err := readOK(bufio.NewReaderSize(onlyRead{outer}, 16)); err != nil {
		t.Fatal(err)
	}
	return outer
}

// openInner gets through both handshakes.
func openInner(t *testing.T, s *stack.Stack, issuer *scriptedIssuer) *tls.Conn {
	t.Helper()
	inner := tls.Client(openTunnel(t, s, issuer), innerConfig(s))
	if err := inner.Handshake(); err != nil {
		t.Fatal(err)
	}
	return inner
}

// TestGarbage sends what isn't the protocol at each stage. The connection must
// end, the audit log and a counter must tell, and others are served as before.
func TestGarbage(t *testing.T) {
	t.Parallel()
	issuer := newScriptedIssuer(t, ann, time.Hour)
	s := newStack(t, issuer.use)
	garbage := strings.Repeat("garbage \x00\xff\r\n", 100)
	for _, test := range []struct {
		name  string
		open  func(t *testing.T) net.Conn
		phase string
	}{
		{"before-outer-tls", func(t *testing.T) net.Conn {
			raw, err := net.Dial("tcp", s.GatewayAddress)
			if err != nil {
				t.Fatal(err)
			}
			return raw
		}, "outer_tls"},
		{"instead-of-connect", func(t *testing.T) net.Conn { return dialOuter(t, s) }, "connect"},
		{"instead-of-inner-tls", func(t *testing.T) net.Conn { return openTunnel(t, s, issuer) }, "inner_tls"},
	} {
		t.Run(test.name, func(t *testing.T) {
			conn := test.open(t)
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(10 * time.Second))
			io.WriteString(conn, garbage)
			if _, err := io.Copy(io.Discard, conn); err != nil && isTimeout(err) {
				t.Error("the connection doesn't end")
			}
			if !eventually(func() bool {
				return metric(t, s, "spliceway_connections_total", `phase="`+test.phase+`"`, `result="malformed"`) > 0
			}) {
				t.Errorf("spliceway_connections_total doesn't count a malformed %s", test.phase)
			}
			wantEqual(t, "user of a later connection", askWhoami(t, openInner(t, s, issuer)), ann.Name)
		})
	}
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}

// TestRequestsRefused sends requests inside the tunnel that the API server must
// not see, each on a connection of its own.
func TestRequestsRefused(t *testing.T) {
	t.Parallel()
	issuer := newScriptedIssuer(t, ann, time.Hour)
	s := newStack(t, issuer.use)
	const head = "GET /api/v1/pods HTTP/1.1\r\nHost: kubernetes\r\n"
	for _, test := range []struct {
		name    string
		request string
		status  int
	}{
		{"not-http", "garbage\r\n\r\n", 400},
		{"bare-line-feed", "GET /api/v1/pods HTTP/1.1\nHost: kubernetes\n\n", 400},
		{"two-lengths", head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
		{"length-and-chunked", head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
		{"folded-line", head + "Impersonate-User: a\r\n b\r\n\r\n", 400},
		{"space-before-colon", head + "Impersonate-User : root\r\n\r\n", 400},
		{"head-too-large", head + "X-Large: " + strings.Repeat("a", 64<<10) + "\r\n\r\n", 431},
		{"http2-preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
	} {
		t.Run(test.name, func(t *testing.T) {
			inner := openInner(t, s, issuer)
			io.WriteString(inner, test.request)
			response, err := http.ReadResponse(bufio.NewReader(inner), nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			wantEqual(t, "status", response.StatusCode, test.status)
			wantContains(t, "body", string(body), `"kind":"Status"`)
			wantEqual(t, "connection is to be closed", response.Close, true)
			waitForEvent(t, s, "request", "status", fmt.Sprint(test.status), "blame", "client")
		})
	}
	if metric(t, s, "spliceway_refusals_total") < 8 {
		t.Error("spliceway_refusals_total doesn't count them")
	}
}

// TestSlowClient says nothing at each stage. The gateway must not wait longer
// than it is configured to.
func TestSlowClient(t *testing.T) {
	t.Parallel()
	issuer := newScriptedIssuer(t, ann, time.Hour)
	s := newStack(t, func(c *stack.Config) {
		issuer.use(c)
		c.Options = "timeouts: {handshake: 1s, innerHandshake: 1s, requestHead: 1s, idle: 2s}\n"
	})
	for _, test := range []struct {
		name string
		open func(t *testing.T) net.Conn
		say  string
	}{
		{"before-outer-tls", func(t *testing.T) net.Conn {
			raw, err := net.Dial("tcp", s.GatewayAddress)
			if err != nil {
				t.Fatal(err)
			}
			return raw
		}, ""},
		{"within-connect", func(t *testing.T) net.Conn { return dialOuter(t, s) }, "CONNECT "},
		{"before-inner-tls", func(t *testing.T) net.Conn { return openTunnel(t, s, issuer) }, ""},
		{"before-a-request", func(t *testing.T) net.Conn { return openInner(t, s, issuer) }, ""},
		{"within-a-request", func(t *testing.T) net.Conn { return openInner(t, s, issuer) }, "GET / HT"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			conn := test.open(t)
			defer conn.Close()
			start := time.Now()
			conn.SetDeadline(start.Add(10 * time.Second))
			io.WriteString(conn, test.say)
			io.Copy(io.Discard, conn)
			if took := time.Since(start); took < 500*time.Millisecond || took > 6*time.Second {
				t.Errorf("the gateway waited %s, want 1 s or 2 s", took)
			}
		})
	}
}
