package httpparse_test

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/spliceway/spliceway/httpparse"
)

// parseRequest parses a head that has to be accepted.
func parseRequest(tb testing.TB, in string) *Request {
	tb.Helper()
	var req Request
	if _, err := ParseRequest([]byte(in), nil, &req); err != nil {
		tb.Fatalf("ParseRequest(%q) = %v", in, err)
	}
	return &req
}

// websocketRequest asks for an upgrade to WebSocket with further field lines.
func websocketRequest(fields string) string {
	return "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: a2V5\r\n" + fields + "\r\n"
}

// spdyRequest does so for SPDY.
func spdyRequest(fields string) string {
	return "POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n" + fields + "\r\n"
}

// TestParseResponseSwitching has the answers to an upgrade.
func TestParseResponseSwitching(t *testing.T) {
	const (
		websocket = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Accept: a\r\n"
		spdy      = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
		bearer    = "base64url.bearer.authorization.k8s.io.eA"
	)
	for _, row := range []struct {
		name    string
		request string
		in      string
		want    int
		chosen  string
	}{
		{"chosen-of-several", websocketRequest("Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Protocol: c\r\n"),
			websocket + "Sec-WebSocket-Protocol: c\r\n", 0, "c"},
		{"chosen-none", websocketRequest("Sec-WebSocket-Protocol: a\r\n"), websocket, 0, ""},
		{"chosen-by-other-case", websocketRequest("Sec-WebSocket-Protocol: a\r\n"),
			websocket + "Sec-WebSocket-Protocol: A\r\n", 502, ""},
		{"chosen-list", websocketRequest("Sec-WebSocket-Protocol: a, b\r\n"),
			websocket + "Sec-WebSocket-Protocol: a, b\r\n", 502, ""},
		{"chosen-twice", websocketRequest("Sec-WebSocket-Protocol: a, b\r\n"),
			websocket + "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n", 502, ""},
		{"chosen-part-of-a-name", websocketRequest("Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n"),
			websocket + "Sec-WebSocket-Protocol: channel.k8s.io\r\n", 502, ""},
		{"chosen-empty-none-offered", websocketRequest(""), websocket + "Sec-WebSocket-Protocol: \r\n", 0, ""},
		{"chosen-empty-some-offered", websocketRequest("Sec-WebSocket-Protocol: a\r\n"),
			websocket + "Sec-WebSocket-Protocol: \r\n", 502, ""},
		{"chosen-something-none-offered", websocketRequest(""), websocket + "Sec-WebSocket-Protocol: a\r\n", 502, ""},
		{"chosen-token", websocketRequest("Sec-WebSocket-Protocol: " + bearer + ", a\r\n"),
			websocket + "Sec-WebSocket-Protocol: " + bearer + "\r\n", 502, ""},
		{"chosen-empty-only-token-offered", websocketRequest("Sec-WebSocket-Protocol: " + bearer + "\r\n"),
			websocket + "Sec-WebSocket-Protocol:\r\n", 0, ""},
		{"without-accept", websocketRequest(""), strings.Replace(websocket, "Sec-WebSocket-Accept", "X-Accept", 1), 502, ""},
		{"two-accepts", websocketRequest(""), websocket + "Sec-WebSocket-Accept: b\r\n", 502, ""},
		{"with-extensions", websocketRequest("Sec-WebSocket-Extensions: permessage-deflate\r\n"),
			websocket + "Sec-WebSocket-Extensions: permessage-deflate\r\n", 502, ""},
		{"with-length-zero", websocketRequest(""), websocket + "Content-Length: 0\r\n", 502, ""},
		{"without-connection", websocketRequest(""), strings.Replace(websocket, "Connection: upgrade\r\n", "", 1), 502, ""},
		{"without-upgrade", websocketRequest(""), strings.Replace(websocket, "Upgrade: WebSocket\r\n", "", 1), 502, ""},
		{"upgrade-list", websocketRequest(""), strings.Replace(websocket, "WebSocket\r\n", "websocket, SPDY/3.1\r\n", 1), 502, ""},
		{"two-upgrades", websocketRequest(""), websocket + "Upgrade: websocket\r\n", 502, ""},
		{"spdy-for-websocket", websocketRequest(""), spdy, 502, ""},
		{"spdy", spdyRequest("X-Stream-Protocol-Version: a\r\nX-Stream-Protocol-Version: b\r\n"),
			spdy + "X-Stream-Protocol-Version: b\r\n", 0, "b"},
		{"spdy-list", spdyRequest("X-Stream-Protocol-Version: a, b\r\n"), spdy + "X-Stream-Protocol-Version: b\r\n", 0, "b"},
		{"spdy-without", spdyRequest(""), spdy, 0, ""},
		{"spdy-not-offered", spdyRequest("X-Stream-Protocol-Version: a\r\n"),
			spdy + "X-Stream-Protocol-Version: b\r\n", 502, ""},
		{"spdy-two", spdyRequest("X-Stream-Protocol-Version: a\r\nX-Stream-Protocol-Version: b\r\n"),
			spdy + "X-Stream-Protocol-Version: a\r\nX-Stream-Protocol-Version: b\r\n", 502, ""},
		{"websocket-for-spdy", spdyRequest(""), websocket, 502, ""},
		{"h2c-is-no-upgrade", "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
			"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n", 502, ""},
	} {
		var resp Response
		in := row.in + "\r\n\x81\x00"
		n, err := ParseResponse([]byte(in), nil, parseRequest(t, row.request), &resp)
		if status(t, err) != row.want {
			t.Errorf("%s: ParseResponse(%q) = %v, want status %d", row.name, in, err, row.want)
		}
		if err != nil {
			continue
		}
		if in[n:] != "\x81\x00" || resp.Upgrade == ProtocolNone || resp.Framing != (Framing{}) {
			t.Errorf("%s: ParseResponse(%q) = %d with %v and %v", row.name, in, n, resp.Upgrade, resp.Framing)
		}
		if got := string(resp.Subprotocol()); got != row.chosen {
			t.Errorf("%s: subprotocol %q, want %q", row.name, got, row.chosen)
		}
	}
}

// TestParseResponseFraming goes through the rules of RFC 9112, Section 6.3.
func TestParseResponseFraming(t *testing.T) {
	const get, headRequest = "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n"
	for _, row := range []struct {
		name    string
		request string
		in      string
		want    string // framing, or empty if it is refused
	}{
		{"interim", get, "100 Continue\r\n", "none"},
		{"interim-length-zero", get, "103 Early Hints\r\nContent-Length: 0\r\n", "none"},
		{"interim-length", get, "103 Early Hints\r\nContent-Length: 1\r\n", ""},
		{"interim-coding", get, "103 Early Hints\r\nTransfer-Encoding: chunked\r\n", ""},
		{"no-content-length-zero", get, "204 No Content\r\nContent-Length: 0\r\n", "none"},
		{"no-content-length", get, "204 No Content\r\nContent-Length: 1\r\n", ""},
		{"not-modified-coding", get, "304 Not Modified\r\nTransfer-Encoding: chunked\r\n", "none"},
		{"head-both", headRequest, "200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n", ""},
		{"head-until-close", headRequest, "200 OK\r\n", "none"},
		{"reset-content-length", get, "205 Reset Content\r\nContent-Length: 0\r\n", "content-length 0"},
		{"reset-content-without", get, "205 Reset Content\r\n", "until-close"},
		{"coding-in-capitals", get, "200 OK\r\nTransfer-Encoding: Chunked\r\n", "chunked"},
		{"coding-unknown", get, "200 OK\r\nTransfer-Encoding: gzip\r\n", ""},
		{"underscore-twin", get, "200 OK\r\nContent_Length: 0\r\n", ""},
		{"underscore-identity", get, "200 OK\r\nX_Remote_User: a\r\nContent-Length: 0\r\n", "content-length 0"},
		{"host-is-nothing-here", get, "200 OK\r\nHost: a b\r\nHost: c\r\nContent-Length: 0\r\n", ""},
		{"nominated-length", get, "200 OK\r\nConnection: content-length\r\nContent-Length: 0\r\n", ""},
	} {
		var resp Response
		in := "HTTP/1.1 " + row.in + "\r\n"
		_, err := ParseResponse([]byte(in), nil, parseRequest(t, row.request), &resp)
		got := ""
		if err == nil {
			got = framingText(resp.Framing.Kind, resp.Framing.Length, resp.Framing.Kind == FramingLength)
		}
		if got != row.want {
			t.Errorf("%s: ParseResponse(%q) is framed %q, %v; want %q", row.name, in, got, err, row.want)
		}
		if until := resp.Framing.Kind == FramingUntilClose; until != resp.Close {
			t.Errorf("%s: until close %v, but Close is %v", row.name, until, resp.Close)
		}
	}
}

// TestParseResponseWithoutRequest: a nil request is a GET.
func TestParseResponseWithoutRequest(t *testing.T) {
	var resp Response
	if _, err := ParseResponse([]byte(apiResponse), nil, nil, &resp); err != nil || resp.Status != 200 {
		t.Errorf("ParseResponse(%q) = %v with status %d", apiResponse, err, resp.Status)
	}
	if resp.Framing != (Framing{Kind: FramingLength, Length: 2953}) || string(resp.Reason) != "OK" {
		t.Errorf("read %v %q", resp.Framing, resp.Reason)
	}
	if _, err := ParseResponse([]byte(switchedToWebSocket), nil, nil, &resp); status(t, err) != 502 {
		t.Errorf("ParseResponse(%q) = %v, want 502", switchedToWebSocket, err)
	}
}

// TestVerbatim wants Verbatim to be what AppendResponse prints, or nothing.
func TestVerbatim(t *testing.T) {
	for _, row := range []struct {
		name  string
		in    string
		close bool
		want  bool
	}{
		{"api-server", apiResponse, false, true},
		{"api-server-to-be-closed", apiResponse, true, false},
		{"closed-by-server", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", false, false},
		{"nominated", "HTTP/1.1 200 OK\r\nX-A: 1\r\nConnection: x-a\r\nContent-Length: 0\r\n\r\n", false, false},
		{"keep-alive", "HTTP/1.1 200 OK\r\nKeep-Alive: a\r\nContent-Length: 0\r\n\r\n", false, false},
		{"length-zeros", "HTTP/1.1 200 OK\r\nContent-Length: 00\r\n\r\n", false, false},
		{"length-tab", "HTTP/1.1 200 OK\r\nContent-Length:\t0\r\n\r\n", false, false},
		{"length-space-behind", "HTTP/1.1 200 OK\r\nContent-Length:0 \r\n\r\n", false, false},
		{"length-of-nothing", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", false, false},
		{"coding-in-capitals", "HTTP/1.1 200 OK\r\nTransfer-Encoding: CHUNKED\r\n\r\n", false, false},
		{"coding", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", false, true},
		{"until-close", "HTTP/1.1 200 OK\r\nA: b\r\n\r\n", false, false},
		{"interim", "HTTP/1.1 100 Continue\r\n\r\n", true, true},
		{"odd-space-elsewhere", "HTTP/1.1 200 \r\nA:  b \t\r\nContent-Length: 0\r\n\r\n", false, true},
	} {
		var resp Response
		if _, err := ParseResponse([]byte(row.in+"body"), nil, nil, &resp); err != nil {
			t.Errorf("%s: ParseResponse(%q) = %v", row.name, row.in, err)
			continue
		}
		printed := string(AppendResponse(nil, &resp, row.close))
		got := resp.Verbatim(row.close)
		if (got != nil) != row.want || got != nil && string(got) != printed {
			t.Errorf("%s: Verbatim(%v) of %q is %q, want it: %v; printed %q", row.name, row.close, row.in, got, row.want, printed)
		}
		if (printed == row.in) != row.want {
			t.Errorf("%s: AppendResponse of %q is %q, want it unchanged: %v", row.name, row.in, printed, row.want)
		}
	}
}

// TestAppendResponse has heads that do not leave as they came.
func TestAppendResponse(t *testing.T) {
	for _, row := range []struct {
		name    string
		request string
		in      string
		close   bool
		want    string
	}{
		{"hop-by-hop", smallestRequest,
			"HTTP/1.1 200 OK\r\nDate: d\r\nConnection: close, x-a\r\nX-A: 1\r\nWarning: w\r\nProxy-Authenticate: p\r\nTrailer: t\r\nContent-Length: 1\r\nWarning: v\r\n\r\n", false,
			"HTTP/1.1 200 OK\r\nDate: d\r\nWarning: w\r\nContent-Length: 1\r\nWarning: v\r\n\r\n"},
		{"closed", smallestRequest, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n", true,
			"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n"},
		{"until-close", smallestRequest, "HTTP/1.1 200 OK\r\n\r\n", false, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"},
		{"head-length-zeros", "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0500\r\n\r\n", false,
			"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"},
		{"upgrade-required", smallestRequest, "HTTP/1.1 426 Upgrade Required\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n", false,
			"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n"},
		{"switching", websocketRequest("Sec-WebSocket-Protocol: a\r\n"),
			"HTTP/1.1 101 Switching Protocols\r\nupgrade: WEBSOCKET\r\nX-A: 1\r\nconnection: upgrade, x-a\r\nSec-WebSocket-Accept: b\r\nSec-WebSocket-Protocol: a\r\n\r\n", true,
			"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: b\r\nSec-WebSocket-Protocol: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"},
	} {
		var resp Response
		if _, err := ParseResponse([]byte(row.in), nil, parseRequest(t, row.request), &resp); err != nil {
			t.Errorf("%s: ParseResponse(%q) = %v", row.name, row.in, err)
			continue
		}
		if got := string(AppendResponse([]byte("before"), &resp, row.close)); got != "before"+row.want {
			t.Errorf("%s: AppendResponse of %q is\n%q, want\n%q", row.name, row.in, got, "before"+row.want)
		}
	}
}

// TestParseResponseAgain wants nothing of one response to be left in the next one.
func TestParseResponseAgain(t *testing.T) {
	req := parseRequest(t, kubectlExec)
	var resp, fresh Response
	for _, in := range []string{switchedToWebSocket, apiResponse, "HTTP/1.1 204 \r\n\r\n", "HTTP/1.1 9", "HTTP/1.1 999 \r\n", apiResponse} {
		_, err := ParseResponse([]byte(in), nil, req, &resp)
		_, want := ParseResponse([]byte(in), nil, req, &fresh)
		if got, alone := fmt.Sprintf("%+v %v", resp, err), fmt.Sprintf("%+v %v", fresh, want); got != alone {
			t.Errorf("ParseResponse(%q) into a used response gives\n%s\nbut into a new one\n%s", in, got, alone)
		}
		fresh = Response{}
	}
}
