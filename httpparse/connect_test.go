package httpparse_test

import (
	"testing"

	. "github.com/spliceway/spliceway/httpparse"
)

// TestParseConnect has the outer heads: what is different from ParseRequest, and that nothing else is.
func TestParseConnect(t *testing.T) {
	const proof = "Proxy-Authorization: Bearer t\r\nX-Token-Signature: s\r\n"
	for _, row := range []struct {
		name string
		in   string
		want int
	}{
		{"connect", "CONNECT k8s.example:443 HTTP/1.1\r\nHost: k8s.example:443\r\n" + proof + "\r\n\x16\x03\x01", 0},
		{"connect-without-host", "CONNECT k8s.example:443 HTTP/1.1\r\n" + proof + "\r\n", 0},
		{"connect-ipv6", "CONNECT [fd00::1]:443 HTTP/1.1\r\n\r\n", 0},
		{"connect-two-hosts", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nHost: a:1\r\n\r\n", 400},
		{"connect-malformed-host", "CONNECT a:1 HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
		{"connect-without-port", "CONNECT a HTTP/1.1\r\n\r\n", 400},
		{"connect-port-too-large", "CONNECT a:65536 HTTP/1.1\r\n\r\n", 400},
		{"connect-bracket-inside", "CONNECT a[b]:1 HTTP/1.1\r\n\r\n", 400},
		{"connect-with-user", "CONNECT u@a:1 HTTP/1.1\r\n\r\n", 400},
		{"connect-with-path", "CONNECT /healthz HTTP/1.1\r\n\r\n", 400},
		{"connect-http-1.0", "CONNECT a:1 HTTP/1.0\r\n\r\n", 505},
		{"connect-with-length", "CONNECT a:1 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 400},
		{"connect-with-coding", "CONNECT a:1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
		{"connect-length-zero", "CONNECT a:1 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", 0},
		{"connect-two-tokens", "CONNECT a:1 HTTP/1.1\r\n" + proof + "proxy-authorization: Bearer u\r\n\r\n", 400},
		{"connect-two-proofs", "CONNECT a:1 HTTP/1.1\r\n" + proof + "x-token-signature: t\r\n\r\n", 400},
		{"connect-two-connection-ids", "CONNECT a:1 HTTP/1.1\r\nX-Connection-Id: 1\r\nX-Connection-Id: 2\r\n\r\n", 400},
		{"connect-bare-line-feed", "CONNECT a:1 HTTP/1.1\n\n", 400},
		{"healthz", "GET /healthz?a HTTP/1.1\r\nHost: h\r\n\r\n", 0},
		{"other-method", "BREW / HTTP/1.1\r\n\r\n", 0},
		{"other-method-authority", "GET a:1 HTTP/1.1\r\n\r\n", 400},
		{"lower-case-connect", "connect a:1 HTTP/1.1\r\n\r\n", 400},
		{"tls", "\x16\x03\x01", 400},
		{"http-2-preface", "PRI * HTTP/2.0\r\n\r\n", 400},
	} {
		var req Request
		n, err := ParseConnect([]byte(row.in), nil, &req)
		if got := status(t, err); got != row.want {
			t.Errorf("%s: ParseConnect(%q) = %v, want status %d", row.name, row.in, err, row.want)
		}
		if rest := row.in[n:]; err == nil && rest != "" && rest != "\x16\x03\x01" {
			t.Errorf("%s: ParseConnect(%q) leaves %q", row.name, row.in, rest)
		}
		for i := range n {
			if _, err := ParseConnect([]byte(row.in[:i]), nil, &req); err != ErrNeedMore {
				t.Errorf("%s: ParseConnect(%q) = %v, want ErrNeedMore", row.name, row.in[:i], err)
			}
		}
	}
}

// TestParseConnectResult looks at what the outer connection asks a head for.
func TestParseConnectResult(t *testing.T) {
	var req Request
	in := "CONNECT k8s.example:443 HTTP/1.1\r\nProxy-Authorization: Bearer t\r\nX-Token-Signature: s\r\n\r\n"
	if _, err := ParseConnect([]byte(in), nil, &req); err != nil {
		t.Fatalf("ParseConnect(%q) = %v", in, err)
	}
	if string(req.Method) != "CONNECT" || string(req.Target) != "k8s.example:443" {
		t.Errorf("read %q %q", req.Method, req.Target)
	}
	if got := req.Header.Get("proxy-authorization"); string(got) != "Bearer t" {
		t.Errorf("token is %q", got)
	}
	// Nobody may be tempted to forward the outer head.
	if _, err := ParseRequest([]byte(in), nil, &req); status(t, err) != 405 {
		t.Errorf("ParseRequest(%q) = %v, want 405", in, err)
	}
}
