package httpparse_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	. "github.com/spliceway/spliceway/httpparse"
	"github.com/spliceway/spliceway/internal/wirecase"
)

// TestAppendRequest has whole heads as the client sends them and as the server gets them.
func TestAppendRequest(t *testing.T) {
	edit := &RequestEdit{Host: []byte("up"), Lines: [][]byte{[]byte("X-Ours: 1\r\n"), []byte("X-Ours: 2\r\n")}}
	for _, row := range []struct {
		name string
		in   string // behind the request line
		edit *RequestEdit
		want string
	}{
		{"nothing-to-do", "Host: h\r\nA: b\r\n", nil, "Host: h\r\nA: b\r\n"},
		{"host-comes-first", "A: b\r\nhost:  h \r\nC: d\r\n", nil, "Host: h\r\nA: b\r\nC: d\r\n"},
		{"host-is-ours", "Host: h\r\nA: b\r\n", edit, "Host: up\r\nA: b\r\nX-Ours: 1\r\nX-Ours: 2\r\n"},
		{"only-host", "Host: h\r\n", edit, "Host: up\r\nX-Ours: 1\r\nX-Ours: 2\r\n"},
		{"identity", "Host: h\r\nauthorization: a\r\nA: b\r\nIMPERSONATE-anything: c\r\nImpersonate-: d\r\nx-remote-extra-%41: e\r\n", edit,
			"Host: up\r\nA: b\r\nX-Ours: 1\r\nX-Ours: 2\r\n"},
		{"origin", "Host: h\r\nForwarded: a\r\nX-Forwarded-Proto: b\r\nX-Real-IP: c\r\nAudit-ID: d\r\nA: b\r\n", nil, "Host: h\r\nA: b\r\n"},
		{"hop-by-hop", "Host: h\r\nKeep-Alive: a\r\nTE: b\r\nTrailer: c\r\nProxy-Anything: d\r\nHTTP2-Settings: e\r\nA: b\r\nConnection: keep-alive\r\n", nil,
			"Host: h\r\nA: b\r\n"},
		{"names-alike", "Host: h\r\nX-Impersonate-User: a\r\nAuthorizations: b\r\nTEA: c\r\nAudit: d\r\nProxy: e\r\n", nil,
			"Host: h\r\nX-Impersonate-User: a\r\nAuthorizations: b\r\nTEA: c\r\nAudit: d\r\nProxy: e\r\n"},
		{"nominated-before-and-behind", "x-A: 1\r\nHost: h\r\nConnection: X-a, x-b\r\nX-B: 2\r\nX-C: 3\r\nX-B: 4\r\n", nil, "Host: h\r\nX-C: 3\r\n"},
		{"closed", "Host: h\r\nConnection: close\r\n", nil, "Host: h\r\n"},
		{"length", "Content-Length: 5\r\nHost: h\r\n", nil, "Host: h\r\nContent-Length: 5\r\n"},
		{"length-zeros", "Content-Length: 0005\r\nHost: h\r\nA: b\r\n", nil, "Host: h\r\nA: b\r\nContent-Length: 5\r\n"},
		{"length-all-zeros", "Content-Length: 00\r\nHost: h\r\n", nil, "Host: h\r\nContent-Length: 0\r\n"},
		{"length-space", "content-length:5\r\nHost: h\r\n", nil, "Host: h\r\nContent-Length: 5\r\n"},
		{"length-tab", "content-length:\t5\r\nHost: h\r\n", nil, "Host: h\r\nContent-Length: 5\r\n"},
		{"coding", "transfer-encoding: chunked\r\nHost: h\r\n", nil, "Host: h\r\ntransfer-encoding: chunked\r\n"},
		{"coding-in-capitals", "Transfer-Encoding: CHUNKED\r\nHost: h\r\n", nil, "Host: h\r\nTransfer-Encoding: chunked\r\n"},
		{"coding-space", "Transfer-Encoding:chunked\r\nHost: h\r\n", nil, "Host: h\r\nTransfer-Encoding: chunked\r\n"},
		{"expectation", "Expect: 100-CONTINUE\r\nHost: h\r\nContent-Length: 5\r\n", nil, "Host: h\r\nContent-Length: 5\r\nExpect: 100-continue\r\n"},
		{"expectation-of-nothing", "Expect: 100-continue\r\nHost: h\r\n", nil, "Host: h\r\n"},
		{"upgrade-to-h2c", "Host: h\r\nConnection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: a\r\n", nil, "Host: h\r\n"},
		{"upgrade-without-option", "Host: h\r\nUpgrade: websocket\r\nConnection: keep-alive\r\n", nil, "Host: h\r\n"},
		{"option-without-upgrade", "Host: h\r\nConnection: upgrade\r\n", nil, "Host: h\r\n"},
		{"websocket", "Host: h\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nConnection: keep-alive, UPGRADE\r\nSec-WebSocket-Key: k\r\nSec-WebSocket-Extensions: e\r\nSec-WebSocket-Protocol: p\r\n", edit,
			"Host: up\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: k\r\nSec-WebSocket-Protocol: p\r\nX-Ours: 1\r\nX-Ours: 2\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"},
		{"spdy", "Host: h\r\nUpgrade: spdy/3.1\r\nConnection: Upgrade\r\nX-Stream-Protocol-Version: v4\r\n", nil,
			"Host: h\r\nX-Stream-Protocol-Version: v4\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"},
		{"token-among-subprotocols", "Sec-WebSocket-Protocol: a ,base64url.bearer.authorization.k8s.io.eA,\tb\r\nHost: h\r\nA: b\r\n", nil,
			"Host: h\r\nSec-WebSocket-Protocol: a, b\r\nA: b\r\n"},
		{"token-in-one-of-two-lists", "Host: h\r\nSec-WebSocket-Protocol: BASE64URL.bearer.authorization.k8s.io.eA\r\nSec-WebSocket-Protocol: a,b\r\n", nil,
			"Host: h\r\nSec-WebSocket-Protocol: a,b\r\n"},
		{"odd-space-stays", "Host: h\r\nA:b\r\nC: \t d \t\r\n", nil, "Host: h\r\nA:b\r\nC: \t d \t\r\n"},
		{"obs-text-stays", "Host: h\r\nA: caf\xc3\xa9\xff\r\n", nil, "Host: h\r\nA: caf\xc3\xa9\xff\r\n"},
	} {
		line := "GET /a?b HTTP/1.1\r\n"
		if strings.Contains(row.in, "spdy") {
			line = "POST /a?b HTTP/1.1\r\n"
		}
		req := parseRequest(t, line+row.in+"\r\n")
		if got, want := string(AppendRequest([]byte("before"), req, row.edit)), "before"+line+row.want+"\r\n"; got != want {
			t.Errorf("%s: AppendRequest of %q is\n%q, want\n%q", row.name, row.in, got, want)
		}
	}
}

// Fields that are removed are not printed, and all others are, framing and what is printed anew as well.
func TestRemove(t *testing.T) {
	const head = "GET / HTTP/1.1\r\nA: 1\r\nhost: h\r\nB: 2\r\na: 3\r\nC: 4\r\nAA: 5\r\n"
	for _, row := range []struct {
		names []string
		want  string
	}{
		{nil, "A: 1\r\nB: 2\r\na: 3\r\nC: 4\r\nAA: 5\r\n"},
		{[]string{"a"}, "B: 2\r\nC: 4\r\nAA: 5\r\n"},
		{[]string{"B", "aa"}, "A: 1\r\na: 3\r\nC: 4\r\n"},
		{[]string{"A", "B", "C", "AA", "A"}, ""},
		{[]string{"D", ""}, "A: 1\r\nB: 2\r\na: 3\r\nC: 4\r\nAA: 5\r\n"},
	} {
		req := parseRequest(t, head+"\r\n")
		for _, name := range row.names {
			req.Remove(name)
		}
		if got, want := string(AppendRequest(nil, req, nil)), "GET / HTTP/1.1\r\nHost: h\r\n"+row.want+"\r\n"; got != want {
			t.Errorf("without %q the head is\n%q, want\n%q", row.names, got, want)
		}
		if req.Header.Count("a") != 2 {
			t.Error("a field that is removed is no longer in the header")
		}
		if _, err := ParseRequest([]byte(head+"\r\n"), nil, req); err != nil || !strings.Contains(string(AppendRequest(nil, req, nil)), "A: 1\r\nB: 2\r\na: 3") {
			t.Errorf("a field stays removed behind another ParseRequest (%v)", err)
		}
	}
}

// TestAppendRequestExpectationAnswered: who answers the client's expectation himself does not pass it on.
func TestAppendRequestExpectationAnswered(t *testing.T) {
	req := parseRequest(t, "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
	req.Expect = false
	if got, want := string(AppendRequest(nil, req, nil)), "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n"; got != want {
		t.Errorf("AppendRequest = %q, want %q", got, want)
	}
}

// randomLine is a field line for a random head, and whether it has to reach the server as it is.
type randomLine struct {
	text string
	kept bool
}

var randomLines = []randomLine{
	{"Accept: application/json", true},
	{"user-agent:\tkubectl ", true},
	{"X-Empty:", true},
	{"X_Trace: 1", true},
	{"X-Text: caf\xc3\xa9", true},
	{"Kubectl-Command: kubectl get", true},
	{"Cookie: a=b", true},
	{"X-Hop: 1", false}, // named in Connection below
	{"x-hop: 2", false},
	{"Authorization: Bearer client", false},
	{"IMPERSONATE-Group: system:masters", false},
	{"X-Remote-User: client", false},
	{"X-Forwarded-For: 6.6.6.6", false},
	{"Keep-Alive: timeout=5", false},
	{"Proxy-Authorization: Bearer client", false},
	{"TE: trailers", false},
	{"Audit-ID: client", false},
	{"Sec-WebSocket-Extensions: client", false},
}

// TestAppendRequestRandomHeads makes heads of lines in any order and wants the server to get exactly those that are to
// be kept, in their order, and ours, and to read the result as it was meant.
func TestAppendRequestRandomHeads(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 3000 {
		lines := []randomLine{{"Host: client", false}, {"Connection: x-hop", false}}
		for range random.IntN(12) {
			lines = append(lines, randomLines[random.IntN(len(randomLines))])
		}
		random.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		in, want := "GET /a HTTP/1.1\r\n", "GET /a HTTP/1.1\r\nHost: upstream.example:6443\r\n"
		for _, line := range lines {
			in += line.text + "\r\n"
			if line.kept {
				want += line.text + "\r\n"
			}
		}
		want += string(slices.Concat(gatewayEdit.Lines...)) + "\r\n"
		req := parseRequest(t, in+"\r\n")
		printed := AppendRequest(nil, req, &gatewayEdit)
		if string(printed) != want {
			t.Fatalf("AppendRequest of %q is\n%q, want\n%q", in, printed, want)
		}
		sameAsNetHTTP(t, "random", message{line: "GET /a", forwarded: printed})
	}
}

// TestWireCasesAgain wants a head that was printed to be read and printed in the same way again, but for the lines that
// only the gateway may add.
func TestWireCasesAgain(t *testing.T) {
	count := 0
	for _, c := range wirecase.Load(t, "testdata", "") {
		if c.Expect != "accept" {
			continue
		}
		count++
		name, stream := c.Family+"/"+c.Name, []byte(c.Stream(t))
		if isResponse(c) {
			responseAgain(t, name, contextRequest(t, c), stream)
			continue
		}
		first := parseRequest(t, string(stream))
		printed := AppendRequest(nil, first, nil)
		second := parseRequest(t, string(printed))
		if again := AppendRequest(nil, second, nil); string(again) != string(printed) {
			t.Errorf("%s: printed %q and then %q", name, printed, again)
		}
		got := fmt.Sprintf("%s %s %v %v %v", second.Method, second.Target, second.Framing, second.Expect, second.Upgrade)
		want := fmt.Sprintf("%s %s %v %v %v", first.Method, first.Target, first.Framing, first.Expect, first.Upgrade)
		if got != want {
			t.Errorf("%s: read %s and then %s", name, want, got)
		}
	}
	if count != 101 {
		t.Errorf("%d accepted cases, want 101", count)
	}
}

// responseAgain does so for a response, with and without closing behind it.
func responseAgain(t *testing.T, name string, req *Request, stream []byte) {
	t.Helper()
	for _, close := range []bool{false, true} {
		var first, second Response
		if _, err := ParseResponse(stream, nil, req, &first); err != nil {
			t.Fatalf("%s: ParseResponse(%q) = %v", name, stream, err)
		}
		printed := AppendResponse(nil, &first, close)
		if verbatim := first.Verbatim(close); verbatim != nil && string(verbatim) != string(printed) {
			t.Errorf("%s: verbatim %q, but printed %q", name, verbatim, printed)
		}
		if _, err := ParseResponse(printed, nil, req, &second); err != nil {
			t.Fatalf("%s: ParseResponse(%q) = %v", name, printed, err)
		}
		got := fmt.Sprintf("%d %q %v %v", second.Status, second.Reason, second.Framing, second.Upgrade)
		want := fmt.Sprintf("%d %q %v %v", first.Status, first.Reason, first.Framing, first.Upgrade)
		if got != want {
			t.Errorf("%s: read %s and then %s", name, want, got)
		}
		if final := first.Status >= 200; close && final && !second.Close {
			t.Errorf("%s: %q does not say that the connection is closed", name, printed)
		}
	}
}
