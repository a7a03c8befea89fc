package fuzz

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/spliceway/spliceway/httpparse"
)

// answered are the requests whose responses FuzzResponse reads.
var answered = [...]string{
	"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: v5.channel.k8s.io, v4.channel.k8s.io\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n" +
		"X-Stream-Protocol-Version: v4.channel.k8s.io\r\nX-Stream-Protocol-Version: v3.channel.k8s.io\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
}

// answeredRequest returns the request of that number, counted round.
func answeredRequest(tb testing.TB, number uint8) *httpparse.Request {
	tb.Helper()
	var req httpparse.Request
	if _, err := httpparse.ParseRequest([]byte(answered[int(number)%len(answered)]), nil, &req); err != nil {
		tb.Fatal(err)
	}
	return &req
}

// FuzzResponse reads the responses to one of a few requests: its head under any
// limits, and all up to the final one with its body.
func FuzzResponse(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, request uint8, small bool, stream []byte) {
		to := answeredRequest(t, request)
		whole := checkPrefixes(t, stream, func(b []byte) parsed {
			var resp httpparse.Response
			n, err := httpparse.ParseResponse(b, limitsOf(small), to, &resp)
			return parsedResponse(n, err, &resp)
		})
		if whole.err == nil {
			checkPrinted(t, to, stream, false)
			checkPrinted(t, to, stream, true)
		}
		r := readResponses(to, stream)
		for pieces := range splits(stream) {
			if again := readResponses(to, pieces...); !again.same(r) {
				t.Fatalf("%q is read as\n%v\nbut in %d pieces, the first of %d octets, as\n%v", stream, r, len(pieces), len(pieces[0]), again)
			}
		}
		sameResponses(t, string(to.Method), stream, r)
	})
}

// parsedResponse returns what became of a response. A refused one holds nothing.
func parsedResponse(n int, err error, resp *httpparse.Response) parsed {
	if err != nil && resp.Status == 0 && len(resp.Header) == 0 {
		return parsed{n, "", err}
	}
	return parsed{n, responseText(resp), err}
}

// responseText writes down all that is known of a response.
func responseText(r *httpparse.Response) string {
	return fmt.Sprintf("%d %q %q %v close=%v %v %q", r.Status, r.Reason, fieldLines(r.Header), r.Framing, r.Close, r.Upgrade, r.Subprotocol())
}

// sameResponses wants that net/http finds the responses that r did.
func sameResponses(t *testing.T, method string, stream []byte, r *reader) {
	t.Helper()
	j := newJudge(stream)
	for i := range r.messages {
		m := &r.messages[i]
		got, err := j.response(method)
		if err != nil && stricter(m.header) {
			return
		}
		if err != nil {
			t.Fatalf("net/http refuses %v: %v", m, err)
		}
		sameAsJudged(t, m, got)
	}
	if r.err != nil || r.ended {
		return
	}
	if got, err := j.response(method); err == nil {
		t.Fatalf("%q: needs more, but net/http reads %+v", stream[r.taken:], got)
	}
}

// checkPrinted prints an accepted head. What is printed has to be accepted, to be
// printed the same again, to be what net/http reads, and to have no field that is
// for one hop only.
func checkPrinted(t *testing.T, to *httpparse.Request, stream []byte, closes bool) {
	t.Helper()
	var resp, again httpparse.Response
	if _, err := httpparse.ParseResponse(stream, nil, to, &resp); err != nil {
		t.Fatalf("%q is accepted under small limits only: %v", stream, err)
	}
	checkClamped(t, resp.Header, resp.Reason)
	once := httpparse.AppendResponse(nil, &resp, closes)
	if head := resp.Verbatim(closes); head != nil && !bytes.Equal(head, once) {
		t.Fatalf("%q is printed as %q, but verbatim %q", stream, once, head)
	}
	n, err := httpparse.ParseResponse(once, nil, to, &again)
	if err != nil || n != len(once) {
		t.Fatalf("%q is printed as %q, of which %d octets are accepted: %v", stream, once, n, err)
	}
	if again.Status != resp.Status || again.Framing != resp.Framing || again.Upgrade != resp.Upgrade {
		t.Fatalf("%q is printed as %q", stream, once)
	}
	if twice := httpparse.AppendResponse(nil, &again, closes); !bytes.Equal(twice, once) {
		t.Fatalf("%q is printed as %q, and that as %q", stream, once, twice)
	}
	if wantsClose := resp.Status >= 200 && (closes || resp.Framing.Kind == httpparse.FramingUntilClose); again.Close != wantsClose {
		t.Fatalf("%q is printed as %q: close is %v, want %v", stream, once, again.Close, wantsClose)
	}
	checkHops(t, &resp, &again)
}

// checkHops wants the fields of a response to be printed but for those of one hop.
func checkHops(t *testing.T, resp, printed *httpparse.Response) {
	t.Helper()
	named := optionsOf(resp.Header)
	var want, got []string
	for _, f := range resp.Header {
		if name := strings.ToLower(string(f.Name)); !ofOneHop(name) && !named[name] && !isFraming(name) {
			want = append(want, string(f.Name)+":"+string(f.Value))
		}
	}
	for _, f := range printed.Header {
		name := strings.ToLower(string(f.Name))
		switch {
		case name == "connection" && strings.EqualFold(string(f.Value), "close"):
		case resp.Upgrade != httpparse.ProtocolNone && (name == "connection" || name == "upgrade"):
		case ofOneHop(name):
			t.Fatalf("%q is printed with %q", fieldLines(resp.Header), f.Name)
		case !isFraming(name):
			got = append(got, string(f.Name)+":"+string(f.Value))
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Fatalf("%q is printed with the fields %q, want %q", fieldLines(resp.Header), got, want)
	}
}

func responseSeeds(tb testing.TB) (seeds []seed) {
	for _, c := range httpCases(tb, "resp-*.json") {
		request := uint8(0)
		switch {
		case c.Upgrade == "websocket":
			request = 2
		case c.Upgrade != "":
			request = 3
		case c.Method == "HEAD":
			request = 1
		}
		seeds = append(seeds, seed{request, false, c.stream}, seed{request, true, c.stream})
	}
	return append(seeds, seed{uint8(4), false, []byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n" +
		"Upgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: \r\n\r\n")})
}
