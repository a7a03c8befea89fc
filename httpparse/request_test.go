package httpparse_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	. "github.com/spliceway/spliceway/httpparse"
)

// status returns the status of an *Error, 0 for no error and -1 for ErrNeedMore.
func status(t *testing.T, err error) int {
	t.Helper()
	var refusal *Error
	switch {
	case err == nil:
		return 0
	case err == ErrNeedMore:
		return -1
	case !errors.As(err, &refusal):
		t.Fatalf("error %v is neither an *Error nor ErrNeedMore", err)
	}
	return refusal.Status
}

// TestParseRequestVerdict has what testdata has not. Each relaxation stands next to what it does not reach.
func TestParseRequestVerdict(t *testing.T) {
	const websocket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: a2V5\r\n"
	for _, row := range []struct {
		name string
		line string
		more string // field lines
		want int    // 0: accepted
	}{
		{"query-octets-that-clients-leave", `GET /a?q=up{job="x"}[5m]|^<>` + "`", "", 0},
		{"query-backslash", `GET /a?q=\`, "", 400},
		{"query-fragment", "GET /a?q=#", "", 400},
		{"query-obs-text", "GET /a?q=\xc3\xa9", "", 400},
		{"query-bad-percent", "GET /a?q=100%", "", 400},
		{"query-encoded-line-feed", "GET /a?command=a%0Ab", "", 0},
		{"query-double-slash-and-dots", "GET /a?u=//b/../c", "", 0},
		{"path-quote", `GET /a"b`, "", 400},
		{"path-brace", "GET /a{b}", "", 400},
		{"path-sub-delims", "GET /a;b=c,d:e@f!$&'()*+~", "", 0},
		{"path-encoded-nul", "GET /a%00b", "", 400},
		{"path-encoded-line-feed", "GET /a%0ab", "", 400},
		{"path-encoded-del", "GET /a%7f", "", 400},
		{"path-encoded-utf-8", "GET /caf%C3%A9", "", 0},
		{"path-truncated-percent", "GET /a%2", "", 400},
		{"path-double-slash", "GET /api//v1", "", 400},
		{"path-encoded-double-slash", "GET /api/%2fv1", "", 400},
		{"path-encoded-slash", "GET /api/v1/pods%2Fexec", "", 0},
		{"path-double-slash-of-a-proxied-server", "GET /api/v1/nodes/n/proxy//a//b", "", 0},
		{"path-double-slash-before-proxy", "GET /api/v1//nodes/n/proxy/a", "", 400},
		{"path-double-slash-behind-a-name-with-proxy", "GET /api/v1/proxyx//n", "", 400},
		{"path-dots-of-a-proxied-server", "GET /api/v1/nodes/n/proxy/../a", "", 400},
		{"path-ends-with-slash", "GET /api/", "", 0},
		{"path-ends-with-dots", "GET /api/..", "", 400},
		{"path-ends-with-dots-before-query", "GET /api/..?a", "", 400},
		{"path-dot", "GET /api/./v1", "", 400},
		{"path-half-encoded-dots", "GET /api/.%2E/v1", "", 400},
		{"path-dots-between-encoded-slashes", "GET /api%2f..%2fv1", "", 400},
		{"path-dots-with-parameter", "GET /api/..;a/v1", "", 400},
		{"path-dots-in-a-name", "GET /api/..a/...", "", 0},
		{"path-encoded-percent", "GET /api/%252e%252e/v1", "", 0},

		{"underscore-elsewhere", "GET /", "X_Trace: 1\r\n", 0},
		{"underscore-twin-of-host", "GET /", "hos_t: 1\r\n", 0},
		{"underscore-twin-of-websocket-key", "GET /", "Sec_WebSocket-Key: 1\r\n", 400},
		{"underscore-twin-of-audit-id", "GET /", "AUDIT_ID: 1\r\n", 400},
		{"underscore-twin-of-long-name", "GET /", "Impersonate_Extra-" + strings.Repeat("a", 64) + ": 1\r\n", 400},
		{"kelvin-sign-is-no-letter", "GET /", "\u212Aeep-alive: 1\r\n", 400},

		{"length-zeros", "POST /", "Content-Length: 000\r\n", 0},
		{"length-largest", "POST /", "Content-Length: 9223372036854775807\r\n", 0},
		{"length-thousands-of-zeros", "POST /", "Content-Length: " + strings.Repeat("0", 4000) + "1\r\n", 0},
		{"coding-with-length-behind", "POST /", "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", 400},

		{"options-empty", "GET /", "Connection:\r\n", 0},
		{"options-empty-element", "GET /", "Connection: close,,a\r\n", 400},
		{"options-trailing-comma", "GET /", "Connection: close,\r\n", 400},
		{"options-two-fields", "GET /", "Connection: close\r\nConnection: X-A\r\n", 0},
		{"options-sixteen", "GET /", "Connection: a" + strings.Repeat(",a", 15) + "\r\n", 0},
		{"options-seventeen", "GET /", "Connection: a" + strings.Repeat(",a", 15) + "\r\nConnection: b\r\n", 400},
		{"options-name-underscore-twin", "GET /", "Connection: impersonate_user\r\n", 400},
		{"options-name-audit-id", "GET /", "Connection: Audit-ID\r\n", 400},
		{"options-name-forwarded-for", "GET /", "Connection: x-forwarded-for\r\n", 400},
		{"options-name-connection", "GET /", "Connection: connection\r\n", 400},
		{"options-name-subprotocol", "GET /", "Connection: sec-websocket-protocol\r\n", 400},
		{"options-name-expect", "GET /", "Connection: Expect\r\n", 400},
		{"options-name-key", "GET /", "Connection: Sec-WebSocket-Key\r\n", 400},
		{"options-name-version", "GET /", "Connection: Sec-WebSocket-Version\r\n", 400},
		{"options-name-accept", "GET /", "Connection: Sec-WebSocket-Accept\r\n", 400},
		{"options-name-stream-protocol", "GET /", "Connection: X-Stream-Protocol-Version\r\n", 400},
		{"options-name-hop-by-hop", "GET /", "Connection: keep-alive, te, trailer, proxy-authorization\r\n", 0},

		{"expect-twice", "POST /", "Expect: 100-continue\r\nExpect: 100-continue\r\n", 400},
		{"expect-nothing", "POST /", "Expect:\r\n", 417},

		{"websocket", "GET /", websocket, 0},
		{"websocket-by-post", "POST /", websocket, 400},
		{"websocket-version-8", "GET /", strings.Replace(websocket, "13", "8", 1), 400},
		{"websocket-without-key", "GET /", strings.Replace(websocket, "Sec-WebSocket-Key", "X-Key", 1), 400},
		{"websocket-two-keys", "GET /", websocket + "Sec-WebSocket-Key: a2V5\r\n", 400},
		{"websocket-two-versions", "GET /", websocket + "Sec-WebSocket-Version: 13\r\n", 400},
		{"websocket-body-of-nothing", "GET /", websocket + "Content-Length: 0\r\n", 0},
		{"upgrade-unknown-with-body", "POST /", "Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n", 0},
		{"upgrade-empty", "GET /", "Upgrade:\r\n", 400},
		{"upgrade-two-names", "GET /", "Upgrade: websocket h2c\r\n", 400},
		{"upgrade-list-without-option", "GET /", "Upgrade: websocket, h2c\r\n", 400},
		{"spdy-by-get", "GET /", "Connection: upgrade\r\nUpgrade: spdy/3.1\r\n", 0},
		{"spdy-by-delete", "DELETE /", "Connection: upgrade\r\nUpgrade: spdy/3.1\r\n", 400},
		{"spdy-of-another-version", "DELETE /", "Connection: upgrade\r\nUpgrade: SPDY/3\r\n", 0},
		{"subprotocol-behind-no-break-space", "GET /", "Sec-WebSocket-Protocol: a,\u00a0base64url.bearer.authorization.k8s.io.eA\r\n", 400},
		{"subprotocol-empty", "GET /", "Sec-WebSocket-Protocol: a,,b\r\n", 400},
		{"stream-protocol-list", "GET /", "X-Stream-Protocol-Version: v4.channel.k8s.io, v3.channel.k8s.io\r\n", 0},
		{"stream-protocol-quoted", "GET /", "X-Stream-Protocol-Version: \"v4\"\r\n", 400},

		{"host-twice-by-case", "GET /", "hOST: k8s.example\r\n", 400},
		{"method-options", "OPTIONS /", "", 0},
		{"method-longest", "ABCDEFGHIJKLMNOP /", "", 501},
		{"method-too-long", "ABCDEFGHIJKLMNOPQ /", "", 501},
		{"method-brew", "BREW /", "", 501},
	} {
		t.Run(row.name, func(t *testing.T) {
			in := row.line + " HTTP/1.1\r\nHost: k8s.example\r\n" + row.more + "\r\n"
			var req Request
			n, err := ParseRequest([]byte(in), nil, &req)
			if got := status(t, err); got != row.want {
				t.Fatalf("ParseRequest(%q) = %v, want status %d", in, err, row.want)
			}
			if err != nil && (n != 0 || req.Method != nil || len(req.Header) > 0) {
				t.Errorf("ParseRequest(%q) = %d and %+v next to an error", in, n, req)
			}
			sameWhenCut(t, in, err)
		})
	}
}

// sameWhenCut wants a head to get the verdict err, or ErrNeedMore as long as what decides is not there.
func sameWhenCut(t *testing.T, in string, err error) {
	t.Helper()
	for i := range len(in) {
		var req Request
		_, got := ParseRequest([]byte(in[:i]), nil, &req)
		if got != ErrNeedMore && fmt.Sprint(got) != fmt.Sprint(err) {
			t.Fatalf("ParseRequest(%q) = %v, want ErrNeedMore or %v", in[:i], got, err)
		}
	}
}

// TestParseRequestAuthority has the hosts that testdata has not.
func TestParseRequestAuthority(t *testing.T) {
	for host, want := range map[string]int{
		"a":                        0,
		"a_b.c-d":                  0,
		"10.0.0.1:443":             0,
		"[::1]":                    0,
		"[::1]:65535":              0,
		"[::ffff:10.0.0.1]":        0,
		"a:":                       400,
		"a:65536":                  400,
		"a:000443":                 400,
		"a:1:2":                    400,
		":443":                     400,
		"[]":                       400,
		"[::1":                     400,
		"[::1]443":                 400,
		"[fe80::1%25eth0]":         400,
		"a%41":                     400,
		"a\xc3\xa9":                400,
		"a,b":                      400,
		"a\tb":                     400,
		strings.Repeat("a", 10000): 0,
	} {
		var req Request
		in := "GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n"
		if _, err := ParseRequest([]byte(in), nil, &req); status(t, err) != want {
			t.Errorf("ParseRequest(%.80q) = %v, want status %d", in, err, want)
		}
	}
}

// TestParseRequestRefusesBeginnings wants what can never become a request to be refused with its first octets.
func TestParseRequestRefusesBeginnings(t *testing.T) {
	for name, row := range map[string]struct {
		in   string
		want int
	}{
		"tls-client-hello":      {"\x16\x03\x01\x02", 400},
		"ssh":                   {"SSH-2.0-OpenSSH_9.", 501},
		"proxy-v2":              {"\r\n\r\n\x00", 400},
		"nul":                   {"\x00", 400},
		"http-2-preface":        {"PRI ", 505},
		"leading-space":         {" ", 400},
		"unknown-method":        {"get ", 501},
		"trace":                 {"TRACE ", 405},
		"absolute-form":         {"GET h", 400},
		"octet-in-target":       {"GET /a\x7f", 400},
		"dots":                  {"GET /a/../", 400},
		"http-1.0":              {"GET / HTTP/1.0", 505},
		"bare-line-feed":        {"GET / HTTP/1.1\n", 400},
		"bare-carriage-return":  {"GET / HTTP/1.1\r\r", 400},
		"space-before-colon":    {"GET / HTTP/1.1\r\nHost ", 400},
		"control-in-value":      {"GET / HTTP/1.1\r\nHost: a\x01", 400},
		"coding":                {"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n", 501},
		"two-hosts":             {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", 400},
		"unknown-expectation":   {"GET / HTTP/1.1\r\nExpect: b\r\n", 417},
		"line-behind-the-limit": {"GET /" + strings.Repeat("a", 16<<10), 414},
		"head-behind-the-limit": {"GET / HTTP/1.1\r\n" + strings.Repeat("a: "+strings.Repeat("b", 8<<10)+"\r\n", 4), 431},
	} {
		var req Request
		if _, err := ParseRequest([]byte(row.in), nil, &req); status(t, err) != row.want {
			t.Errorf("%s: ParseRequest(%.80q) = %v, want status %d", name, row.in, err, row.want)
		}
	}
}

// TestParseRequestLimits tries each limit from both sides.
func TestParseRequestLimits(t *testing.T) {
	const in = "GET /abcdef HTTP/1.1\r\nHost: k8s.example\r\nA: 12345678901234567890\r\nB: 1\r\n\r\nbody"
	whole := strings.Index(in, "body")
	requestLine := strings.Index(in, "Host")
	fieldLine := strings.Index(in, "B:") - strings.Index(in, "A:")
	for _, row := range []struct {
		name string
		lim  Limits
		want int
	}{
		{"head-just-fits", Limits{Head: whole}, 0},
		{"head-does-not-fit", Limits{Head: whole - 1}, 431},
		{"head-ends-in-field-line", Limits{Head: whole - 8}, 431},
		{"head-ends-in-request-line", Limits{Head: 9}, 431},
		{"fields-just-fit", Limits{Fields: 3}, 0},
		{"fields-do-not-fit", Limits{Fields: 2}, 431},
		{"line-just-fits", Limits{Line: fieldLine}, 0},
		{"line-does-not-fit", Limits{Line: fieldLine - 1}, 431},
		{"line-is-cut-in-its-end", Limits{Line: requestLine - 1}, 414},
		{"line-is-cut-before-version", Limits{Line: 13}, 414},
		{"line-is-cut-in-target", Limits{Line: 8}, 414},
		{"line-is-cut-in-method", Limits{Line: 2}, 414},
	} {
		var req Request
		n, err := ParseRequest([]byte(in), &row.lim, &req)
		if status(t, err) != row.want || row.want == 0 && n != whole {
			t.Errorf("%s: ParseRequest(%q, %+v) = %d, %v, want status %d", row.name, in, row.lim, n, err, row.want)
		}
		for i := range len(in) {
			_, cut := ParseRequest([]byte(in[:i]), &row.lim, &req)
			if cut != ErrNeedMore && fmt.Sprint(cut) != fmt.Sprint(err) {
				t.Errorf("%s: ParseRequest(%q) = %v, but of all %v", row.name, in[:i], cut, err)
			}
		}
	}
}

// TestParseRequestResult looks at all that a caller is told.
func TestParseRequestResult(t *testing.T) {
	const in = "POST /a?b HTTP/1.1\r\nHost: h\r\nX-A:  1\t\r\nx-a: 2\r\nX-Empty:\r\n" +
		"Expect: 100-continue\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc"
	var req Request
	buf := []byte(in)
	n, err := ParseRequest(buf, nil, &req)
	if err != nil || string(buf[n:]) != "abc" {
		t.Fatalf("ParseRequest(%q) = %d, %v", in, n, err)
	}
	if string(req.Method) != "POST" || string(req.Target) != "/a?b" || !req.Close || !req.Expect {
		t.Errorf("ParseRequest(%q) read %q %q close %v expect %v", in, req.Method, req.Target, req.Close, req.Expect)
	}
	if want := (Framing{Kind: FramingLength, Length: 3}); req.Framing != want || req.Upgrade != ProtocolNone {
		t.Errorf("framing %v and upgrade %v, want %v and none", req.Framing, req.Upgrade, want)
	}
	if got := req.Header.Get("x-A"); string(got) != "1" || req.Header.Count("X-A") != 2 {
		t.Errorf("X-A is %q, %d times, want 1 and twice", got, req.Header.Count("X-A"))
	}
	if empty, missing := req.Header.Get("X-Empty"), req.Header.Get("X-Missing"); empty == nil || missing != nil {
		t.Errorf("empty field is %v, missing one %v; want them to differ", empty, missing)
	}
	_ = append(req.Header[1].Value, "XXXX"...)
	_ = append(req.Method, "XXXX"...)
	if string(buf) != in {
		t.Errorf("an append to a value wrote into the buffer: %q", buf)
	}
}

// TestParseRequestExpectsNothingWithoutBody: a server may keep its 100 for itself then, and the client would wait.
func TestParseRequestExpectsNothingWithoutBody(t *testing.T) {
	for _, fields := range []string{"", "Content-Length: 0\r\n"} {
		var req Request
		in := "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n" + fields + "\r\n"
		if _, err := ParseRequest([]byte(in), nil, &req); err != nil || req.Expect {
			t.Errorf("ParseRequest(%q) = %v, expect %v, want none", in, err, req.Expect)
		}
	}
}

// TestParseRequestAgain wants nothing of one request to be left in the next one, nor in a refused one.
func TestParseRequestAgain(t *testing.T) {
	var req, fresh Request
	for _, in := range []string{kubectlExec, smallestRequest, "GET / HTTP/1.1\r\n\r\n", "GET", smallestRequest} {
		_, err := ParseRequest([]byte(in), nil, &req)
		_, want := ParseRequest([]byte(in), nil, &fresh)
		got, alone := fmt.Sprintf("%+v %v", req, err), fmt.Sprintf("%+v %v", fresh, want)
		if got != alone {
			t.Errorf("ParseRequest(%q) into a used request gives\n%s\nbut into a new one\n%s", in, got, alone)
		}
		fresh = Request{}
	}
}
