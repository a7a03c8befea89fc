package fuzz

import (
	"strings"
	"testing"

	"github.com/spliceway/spliceway/authn"
	"github.com/spliceway/spliceway/httpparse"
)

// FuzzConnect parses the head of the outer connection.
func FuzzConnect(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, small bool, stream []byte) {
		var req httpparse.Request
		whole := checkPrefixes(t, stream, func(b []byte) parsed {
			var req httpparse.Request
			n, err := httpparse.ParseConnect(b, limitsOf(small), &req)
			return parsedRequest(n, err, &req)
		})
		if whole.err != nil {
			return
		}
		n, _ := httpparse.ParseConnect(stream, limitsOf(small), &req)
		checkClamped(t, req.Header, req.Method, req.Target)
		for _, name := range []string{"Host", "Proxy-Authorization", "X-Token-Signature", "X-Connection-Id"} {
			if req.Header.Count(name) > 1 {
				t.Fatalf("%q is accepted", stream[:n])
			}
		}
		if string(req.Method) == "CONNECT" {
			judgeConnect(t, stream[:n], &req)
		}
	})
}

// judgeConnect compares a CONNECT with what net/http reads.
func judgeConnect(t *testing.T, head []byte, req *httpparse.Request) {
	t.Helper()
	if req.Framing.Kind == httpparse.FramingChunked || req.Framing.Length != 0 || req.Upgrade != httpparse.ProtocolNone {
		t.Fatalf("%q is accepted with a body or an upgrade", head)
	}
	got, err := newJudge(head).request()
	if err != nil {
		// What is in brackets is for the token to judge, which knows addresses.
		if strings.HasPrefix(string(req.Target), "[") || stricter(req.Header) {
			return
		}
		t.Fatalf("net/http refuses %q: %v", head, err)
	}
	m := &message{end: len(head), line: "CONNECT " + string(req.Target), header: req.Header, framing: req.Framing, close: req.Close}
	sameAsJudged(t, m, got)
	if got.host != string(req.Target) {
		t.Fatalf("%q is for %q, by net/http for %q", head, req.Target, got.host)
	}
	grant := &authn.Grant{Resource: authn.Resource{Address: "*.int", Aliases: []string{"10.0.0.1"}}}
	if host, err := grant.MatchTarget(string(req.Target)); err == nil && !strings.HasPrefix(strings.ToLower(string(req.Target)), host+":") {
		t.Fatalf("%q is permitted as %q", req.Target, host)
	}
}

func connectSeeds(tb testing.TB) (seeds []seed) {
	for _, target := range []string{"10.0.0.1:443", "a.int:443", "[::1]:443", "a_b.int:1", "A.int:65535", "a.int", "a.int:", ":443",
		"a.int:0443", "[::1]", "u@a.int:443", "a.int:443/", "http://a.int:443"} {
		head := "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\nProxy-Authorization: Bearer e30.e30.AA\r\n" +
			"X-Token-Signature: MEUCIQ==\r\nX-Connection-Id: 7\r\n\r\n"
		seeds = append(seeds, seed{false, []byte(head)}, seed{true, []byte(head + "\x16\x03\x01")})
	}
	for _, head := range []string{
		"CONNECT a.int:443 HTTP/1.1\r\n\r\n",
		"GET /healthz?verbose HTTP/1.1\r\n\r\n",
		"BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n",
		"CONNECT a.int:443 HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
		"CONNECT a.int:443 HTTP/1.1\r\nContent-Length: 1\r\n\r\nx",
		"CONNECT a.int:443 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"CONNECT a.int:443 HTTP/1.1\r\nX-Token-Signature: a\r\nX-Token-Signature: b\r\n\r\n",
		"CONNECT a.int:443 HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
	} {
		seeds = append(seeds, seed{false, []byte(head)})
	}
	for _, stream := range requestStreams(tb) {
		seeds = append(seeds, seed{false, stream})
	}
	return seeds
}
