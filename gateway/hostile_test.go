package gateway

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/spliceway/spliceway/internal/wirecase"
)

// guarded are the fields that say who asks, and those that only the gateway says.
var guarded = []string{
	"Authorization", "Impersonate-User", "Impersonate-Group", "Impersonate-Uid", "Impersonate-Extra-Scopes", "Impersonate-Anything",
	"X-Remote-User", "X-Remote-Group", "X-Remote-Extra-Root", "X-Forwarded-For", "X-Real-Ip", "Forwarded", "Audit-ID",
	"Proxy-Authorization",
}

// ways in which a client may try to say a guarded field. The word of an attempt
// is "root", and never to be heard by the API server.
var attempts = []struct {
	how     string
	fields  func(name string) string
	trailer bool
	status  int // 0: 204 or 400
}{
	{"as it is", func(name string) string { return name + ": root\r\n" }, false, 204},
	{"in lower case", func(name string) string { return strings.ToLower(name) + ": root\r\n" }, false, 204},
	{"in upper case", func(name string) string { return strings.ToUpper(name) + ":root\r\n" }, false, 204},
	{"twice", func(name string) string { return name + ": ann\r\n" + name + ": root\r\n" }, false, 204},
	{"blank", func(name string) string { return name + ": \t \r\n" }, false, 204},
	{"with an underscore", func(name string) string { return strings.Replace(name, "-", "_", 1) + ": root\r\n" }, false, 400},
	{"with underscores", func(name string) string { return strings.ReplaceAll(strings.ToLower(name), "-", "_") + ": root\r\n" }, false, 400},
	{"nominated", func(name string) string { return "Connection: " + name + "\r\n" + name + ": root\r\n" }, false, 400},
	{"nominated in a list", func(name string) string { return "Connection: keep-alive, " + strings.ToLower(name) + "\r\n" }, false, 400},
	{"as a trailer", func(name string) string { return name + ": root\r\n" }, true, 0},
}

// wanted is the status of an attempt at a name, which for some is no attempt.
func wanted(status int, how, name string) int {
	switch {
	case strings.HasPrefix(how, "with an underscore") && !strings.Contains(name, "-"), how == "with underscores" && !strings.Contains(name, "-"):
		return 204 // it is the same name
	case strings.HasPrefix(how, "nominated") && strings.HasPrefix(name, "Proxy-"):
		return 204 // for one hop in any case
	}
	return status
}

// TestIdentity has clients say who they are in every way: the API server hears the
// gateway's word and no other.
func TestIdentity(t *testing.T) {
	t.Parallel()
	b := newWireBed(t)
	b.server.answer(func(c net.Conn, _ string) { io.WriteString(c, noContent) })
	for _, a := range attempts {
		for _, name := range guarded {
			n := b.open()
			head := "POST /x HTTP/1.1\r\nHost: k8s.test\r\n"
			if a.trailer {
				head += "Transfer-Encoding: chunked\r\n\r\n0\r\n" + a.fields(name) + "\r\n"
			} else {
				head += a.fields(name) + "Content-Length: 2\r\n\r\n{}"
			}
			io.WriteString(n, head)
			status := readAnswer(t, n.r, http.MethodPost).status
			n.Close()
			if want := wanted(a.status, a.how, name); status != want && (want != 0 || status != 204 && status != 400) {
				t.Errorf("%s %s: the client hears %d, want %d", name, a.how, status, want)
			}
			heard, _ := b.ended()
			if (len(heard.messages) == 1) != (status == 204) || len(heard.messages) > 1 {
				t.Errorf("%s %s: answered with %d, the API server hears %q", name, a.how, status, heard.messages)
			}
			for _, message := range append(heard.messages, heard.rest) {
				if strings.Contains(strings.ToLower(message), "root") {
					t.Errorf("%s %s: the API server hears %q", name, a.how, message)
				}
			}
			for _, message := range heard.messages {
				wantCanonical(t, message)
			}
		}
	}
}

// TestUpgradeOffers looks at what the API server is offered: no extension, which
// the recorder would not understand, and no token among the subprotocols.
func TestUpgradeOffers(t *testing.T) {
	t.Parallel()
	b := newWireBed(t)
	b.server.answer(func(c net.Conn, _ string) { io.WriteString(c, noContent) })
	n := b.open()
	n.ask("/api/v1/namespaces/a/pods/b/exec", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Extensions: permessage-deflate",
		"Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.cm9vdA, v5.channel.k8s.io")
	n.Close()
	heard, _ := b.ended()
	if len(heard.messages) != 1 {
		t.Fatalf("the API server hears %q and %q, want one request", heard.messages, heard.rest)
	}
	message := heard.messages[0]
	wantCanonical(t, message)
	for _, without := range []string{"Extensions", "deflate", "bearer.authorization", "cm9vdA"} {
		if strings.Contains(message, without) {
			t.Errorf("the API server hears %q, which has %q", message, without)
		}
	}
	if !strings.Contains(message, "Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n") {
		t.Errorf("the API server hears %q, want it to be offered the subprotocol that is left", message)
	}
}

// hostile are answers that try to be taken for something else.
var hostile = []struct {
	name, upgrade, answer string
	status                int
	body                  string // "": the gateway's own
}{
	{"interim-flood", "", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 17) + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 502, ""},
	{"interim-most", "", strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 16) + "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok"},
	{"unsolicited-101", "", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n", 502, ""},
	{"other-101", "websocket", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n", 502, ""},
	{"extension-101", "websocket", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n" +
		"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", 502, ""},
	{"split-by-line-feed", "", "HTTP/1.1 200 OK\r\nX-A: b\nSet-Cookie: evil\r\nContent-Length: 0\r\n\r\n", 502, ""},
	{"split-by-return", "", "HTTP/1.1 200 OK\r\nX-A: b\rSet-Cookie: evil\r\nContent-Length: 0\r\n\r\n", 502, ""},
	{"two-lengths", "", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 30\r\n\r\nok", 502, ""},
	{"length-and-coding", "", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 502, ""},
	{"second-response", "", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", 200, "ok"},
	{"surplus-octets", "", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nevil", 200, "ok"},
}

// TestHostileResponses wants of each that its connection is not used again, and that
// the next client hears nothing of it.
func TestHostileResponses(t *testing.T) {
	t.Parallel()
	b := newWireBed(t)
	for _, h := range hostile {
		t.Run(h.name, func(t *testing.T) {
			b.t, b.server.t = t, t
			b.server.answer(func(c net.Conn, head string) {
				if strings.HasPrefix(head, "GET /next ") {
					io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext")
					return
				}
				io.WriteString(c, h.answer)
			})
			run := &wireRun{wireBed: b, Case: &wirecase.Case{Method: http.MethodGet, Upgrade: h.upgrade}}
			n := b.open()
			io.WriteString(n, run.asked())
			got := run.hear(n)
			if got.err != nil || got.status != h.status || got.rest != "" || h.body != "" && got.body != h.body || strings.Contains(got.octets, "evil") {
				t.Errorf("the client hears %q (%v), want %d %q", got.octets, got.err, h.status, h.body)
			}
			pool := b.gateway.current.Load().backends["prod"].pool
			b.until("the request has ended", func() bool { return pool.Stats().Active == 0 })
			if kept := pool.Stats().Idle; kept != 0 && h.name != "interim-most" {
				t.Error("the connection was kept")
			}
			next := b.open()
			next.begin("/next")
			if a := readAnswer(t, next.r, http.MethodGet); a.status != http.StatusOK || a.body != "next" {
				t.Errorf("the next client hears %d %q", a.status, a.body)
			}
			n.Close()
			next.Close()
			b.ended()
		})
	}
	b.t, b.server.t = t, t
}

// TestRedirect wants a redirect to be the client's affair, whatever asked for it.
func TestRedirect(t *testing.T) {
	t.Parallel()
	b, elsewhere := newWireBed(t), newOctetServer(t, newBed(t).ca)
	elsewhere.answer(func(c net.Conn, _ string) { io.WriteString(c, noContent) })
	for _, status := range []int{301, 302, 303, 307, 308} {
		b.server.answer(func(c net.Conn, _ string) {
			fmt.Fprintf(c, "HTTP/1.1 %d Elsewhere\r\nLocation: %s/x\r\nContent-Length: 0\r\n\r\n", status, elsewhere.url())
		})
		n := b.open()
		if a := n.ask("/x"); a.status != status || a.header.Get("Location") != elsewhere.url()+"/x" {
			t.Errorf("the client hears %d to %q, want the %d as it came", a.status, a.header.Get("Location"), status)
		}
		if a := n.ask("/api/v1/namespaces/a/pods/b/exec", "Connection: Upgrade", "Upgrade: SPDY/3.1"); a.status != status {
			t.Errorf("the client that asked for a stream hears %d, want %d", a.status, status)
		}
		n.Close()
	}
	if heard, _ := b.ended(); len(heard.messages) != 10 {
		t.Errorf("the API server hears %d requests, want one for each of the client's", len(heard.messages))
	}
	if heard := elsewhere.settled(); len(heard.messages) != 0 || heard.rest != "" {
		t.Errorf("a redirect was followed: %q %q", heard.messages, heard.rest)
	}
}

// The families whose cases are of the head alone, so that they say something of a
// CONNECT as well.
var connectFamilies = []string{
	"req-header-names", "req-header-values", "req-host", "req-line-endings", "req-connection", "req-content-length",
	"req-transfer-encoding", "req-cl-te", "req-limits", "req-identity",
}

// connectDiffers are the cases with another answer to a CONNECT, and why.
var connectDiffers = map[string]string{
	"req-connection/proxy-authorization": "HTTP/1.1 400 Bad Request", // it is a second token
	"req-host/host-missing":              "HTTP/1.1 200 OK",          // the target says it, and clients are known to leave it out
	"req-limits/request-line-1MiB":       "HTTP/1.1 200 OK",          // the line is CONNECT's own
}

// TestConnectCases gives those cases to the outer head, with a good token and proof:
// what is refused behind CONNECT is refused there.
func TestConnectCases(t *testing.T) {
	t.Parallel()
	b := newWireBed(t)
	count := 0
	for _, c := range wirecase.Load(t, "../httpparse/testdata", "req-") {
		if !slices.Contains(connectFamilies, c.Family) {
			continue
		}
		count++
		t.Run(c.Family+"/"+c.Name, func(t *testing.T) {
			b.t = t
			o := b.dial("")
			defer o.Close()
			io.WriteString(o, connectCase(c.Stream(t), b.token(), o.proof()))
			o.CloseWrite()
			answer, _ := io.ReadAll(o.r)
			got, want := strings.SplitN(string(answer), "\r\n", 2)[0], "HTTP/1.1 400 Bad Request"
			if c.Accepted() && (c.Framing == "none" || c.Framing == "content-length 0") {
				want = "HTTP/1.1 200 OK"
			}
			if differs := connectDiffers[c.Family+"/"+c.Name]; differs != "" {
				want = differs
			}
			if got != want {
				t.Errorf("%s: the CONNECT is answered with %q, want %q", c.Why, got, want)
			}
		})
	}
	b.t = t
	if count == 0 {
		t.Error("there are no cases")
	}
	if heard, _ := b.ended(); len(heard.messages) != 0 || heard.rest != "" {
		t.Errorf("the API server hears %q and %q of clients that have only said CONNECT", heard.messages, heard.rest)
	}
}

// connectCase makes a CONNECT of a request: its first line and the lines with token
// and proof in place of the request line.
func connectCase(stream, token, proof string) string {
	end := strings.IndexAny(stream, "\r\n")
	after := end + 1
	if strings.HasPrefix(stream[end:], "\r\n") {
		after++
	}
	return "CONNECT " + prodTarget + " HTTP/1.1" + stream[end:after] +
		"Proxy-Authorization: Bearer " + token + "\r\nX-Token-Signature: " + proof + "\r\n" + stream[after:]
}
