package httpparse_test

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	. "github.com/spliceway/spliceway/httpparse"
	"github.com/spliceway/spliceway/internal/wirecase"
)

// parseHex reads a chunk size.
func parseHex(s string) (int64, error) { return strconv.ParseInt(s, 16, 64) }

// TestWireCases judges every case of testdata, cut in every way.
func TestWireCases(t *testing.T) {
	count := map[string]int{}
	for _, c := range wirecase.Load(t, "testdata", "") {
		count[c.Strength]++
		t.Run(c.Family+"/"+c.Name, func(t *testing.T) { runWireCase(t, c) })
	}
	t.Logf("cases by strength: %v", count)
	if total := count["must"] + count["should"] + count["policy"]; total != 375 {
		t.Errorf("testdata has %d cases, want 375", total)
	}
}

// runWireCase judges one case given whole, and wants the same verdict and result when it is given octet by octet, in
// two parts cut at each position, twice, and with octets behind it.
func runWireCase(t *testing.T, c *wirecase.Case) {
	stream := []byte(c.Stream(t))
	whole := read(t, c, false, stream)
	judge(t, c, whole)
	want := verdict(whole)
	same := func(how string, x *exchange) {
		t.Helper()
		if got := verdict(x); got != want {
			t.Fatalf("%s: the stream %s is read as\n%s\nbut whole as\n%s", c.Why, how, got, want)
		}
	}
	same("octet by octet", read(t, c, false, pieces(stream)...))
	for _, at := range cuts(len(stream)) {
		same("cut at "+strconv.Itoa(at), read(t, c, false, stream[:at:at], stream[at:]))
	}
	if c.EndsEarly {
		return // more octets make it something else
	}
	judgeTwice(t, c, whole, stream)
	judgeTrailing(t, c, whole, stream)
}

// pieces cuts a stream into single octets, or into something larger if it is large: the parser is asked for each.
func pieces(stream []byte) [][]byte {
	const large, size = 4 << 10, 61
	if len(stream) > large {
		return slices.Collect(slices.Chunk(stream[:min(len(stream), 40<<10)], size))
	}
	return slices.Collect(slices.Chunk(stream, 1))
}

// cuts returns the positions at which a stream of n octets is cut in two: all, or those around the limits and some
// between them.
func cuts(n int) []int {
	var at []int
	const all = 4 << 10
	for i := 1; i < min(n, all); i++ {
		at = append(at, i)
	}
	for _, limit := range []int{8 << 10, 16 << 10, 32 << 10, n - 4} {
		for i := limit - 3; i <= limit+3; i++ {
			if i >= all && i < n {
				at = append(at, i)
			}
		}
	}
	if n > 64<<10 {
		return slices.DeleteFunc(at, func(i int) bool { return i < all && i%97 != 0 }) // large ones are alike
	}
	return at
}

// read gives the pieces to an exchange and ends the stream.
func read(t *testing.T, c *wirecase.Case, endless bool, pieces ...[]byte) *exchange {
	t.Helper()
	x := &exchange{responses: isResponse(c), endless: endless}
	if x.responses {
		x.request = contextRequest(t, c)
	}
	for _, piece := range pieces {
		x.feed(piece)
	}
	if !x.eof() && x.failed == nil && len(x.seen) > 0 && x.open {
		x.last().complete = false
	}
	return x
}

// contextRequest makes the request that the response of a case answers.
func contextRequest(t *testing.T, c *wirecase.Case) *Request {
	t.Helper()
	head := c.Method + " / HTTP/1.1\r\nHost: k8s.example\r\n"
	switch c.Upgrade {
	case "websocket":
		head += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n"
	case "SPDY/3.1":
		head += "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n" +
			"X-Stream-Protocol-Version: v4.channel.k8s.io\r\nX-Stream-Protocol-Version: v3.channel.k8s.io\r\n"
	}
	var req Request
	if _, err := ParseRequest([]byte(head+"\r\n"), nil, &req); err != nil {
		t.Fatalf("ParseRequest(%q) = %v", head, err)
	}
	return &req
}

// verdict writes down everything that an exchange saw.
func verdict(x *exchange) string {
	var b strings.Builder
	for _, m := range x.seen {
		fmt.Fprintf(&b, "%d-%d %q %v %v close=%v complete=%v\n  header %q\n  body %q\n", m.start, m.end, m.line,
			m.framing, m.upgrade, m.close, m.complete, m.header, m.body)
		if m.complete || m.framing.Kind == FramingNone {
			fmt.Fprintf(&b, "  forwarded %q\n", m.forwarded)
		}
	}
	if x.failed != nil {
		fmt.Fprintf(&b, "failed %d %v\n", x.failed.Status, x.failed)
	}
	fmt.Fprintf(&b, "tunnel %q", x.early)
	return b.String()
}

// judge compares what an exchange saw of the whole stream with what the case wants.
func judge(t *testing.T, c *wirecase.Case, x *exchange) {
	t.Helper()
	if len(x.seen) > 0 {
		judgeForwarded(t, c, x.seen[0].forwarded)
	}
	accepted := len(x.seen) > 0 && x.seen[0].complete
	if want := c.Expect == "accept"; accepted != want {
		t.Fatalf("%s (%s): accepted = %v, want %v\n%s", c.Why, c.Strength, accepted, want, verdict(x))
	}
	if !accepted {
		if x.failed != nil && !slices.Contains(c.Status, x.failed.Status) {
			t.Errorf("%s: refused with %d %s, want one of %d", c.Why, x.failed.Status, x.failed.Reason, c.Status)
		}
		if (x.failed == nil) != c.EndsEarly {
			t.Errorf("%s: refused: %v, only the end of the stream is wrong: want %v", c.Why, x.failed, c.EndsEarly)
		}
		return
	}
	m := x.seen[0]
	if got := framingText(m.framing.Kind, m.framing.Length, m.framing.Kind == FramingLength); got != c.Framing {
		t.Errorf("framing %s, want %s", got, c.Framing)
	}
	if want := []byte(wirecase.Unescape(t, c.Body)); !bytes.Equal(m.body, want) {
		t.Errorf("body %q, want %q", m.body, want)
	}
	if m.end != c.Consumed {
		t.Errorf("first message has %d octets, want %d", m.end, c.Consumed)
	}
	if len(x.seen) != c.Messages {
		t.Errorf("%d messages, want %d", len(x.seen), c.Messages)
	}
	if want := c.Rest == "reject"; (x.failed != nil) != want {
		t.Errorf("rest refused = %v, want %v", x.failed, want)
	}
	if early := []byte(c.Stream(t))[c.Consumed:]; c.Early && !bytes.Equal(x.early, early) {
		t.Errorf("tunnel begins with %q, want %q", x.early, early)
	}
}

// judgeForwarded looks for what must and must not reach the other side.
func judgeForwarded(t *testing.T, c *wirecase.Case, forwarded []byte) {
	t.Helper()
	if c.Family == "req-trailers" { // the head may say what the trailer must not
		_, forwarded, _ = bytes.Cut(forwarded, []byte("\r\n\r\n"))
	}
	for _, s := range c.Forward.Without {
		if bytes.Contains(forwarded, []byte(s)) {
			t.Errorf("%s: forwarded %q, which has %q", c.Why, forwarded, s)
		}
	}
	if !c.Forward.Gateway {
		return
	}
	for _, line := range gatewayEdit.Lines {
		if bytes.Count(forwarded, line) != 1 {
			t.Errorf("%s: forwarded %q, want %q once", c.Why, forwarded, line)
		}
	}
}

// judgeTwice gives the stream twice at once.
func judgeTwice(t *testing.T, c *wirecase.Case, whole *exchange, stream []byte) {
	t.Helper()
	x := read(t, c, true, slices.Concat(stream, stream))
	if whole.failed != nil {
		if verdict(x) != verdict(whole) {
			t.Errorf("given twice, the stream is read as\n%s\nbut once as\n%s", verdict(x), verdict(whole))
		}
		return
	}
	first := whole.seen[0]
	if c.Consumed != len(stream) || first.upgrade != ProtocolNone || first.framing.Kind == FramingUntilClose {
		return // it does not end with its first message
	}
	if len(x.seen) != 2 {
		t.Fatalf("given twice, the stream has %d messages, want 2\n%s", len(x.seen), verdict(x))
	}
	second := x.seen[1]
	if second.start != first.end || second.end != 2*first.end {
		t.Errorf("second message is octets %d to %d, want %d to %d", second.start, second.end, first.end, 2*first.end)
	}
	second.start, second.end = first.start, first.end
	if got, want := fmt.Sprint(second), fmt.Sprint(first); got != want {
		t.Errorf("second message is\n%s\nbut the first\n%s", got, want)
	}
}

// judgeTrailing gives the stream with octets behind it that begin no message.
func judgeTrailing(t *testing.T, c *wirecase.Case, whole *exchange, stream []byte) {
	t.Helper()
	x := read(t, c, true, slices.Concat(stream, []byte("\x16\x03\x01\x00")))
	if whole.failed != nil {
		if verdict(x) != verdict(whole) {
			t.Errorf("with more octets behind it, the stream is read as\n%s\nbut without as\n%s", verdict(x), verdict(whole))
		}
		return
	}
	if whole.seen[0].framing.Kind == FramingUntilClose || whole.tunnel || c.Consumed != len(stream) && isResponse(c) {
		return // they belong to it
	}
	if x.failed == nil {
		t.Errorf("octets behind the stream are not refused\n%s", verdict(x))
	}
	for i, m := range whole.seen {
		if got, want := fmt.Sprint(x.seen[i]), fmt.Sprint(m); got != want {
			t.Errorf("with more octets behind it, message %d is\n%s\nbut without\n%s", i, got, want)
		}
	}
}

// TestWireCasesReadByNetHTTP wants that an independent parser reads what we forward as we do.
func TestWireCasesReadByNetHTTP(t *testing.T) {
	read := 0
	for _, c := range wirecase.Load(t, "testdata", "") {
		if isResponse(c) || c.Expect != "accept" {
			continue
		}
		x := &exchange{}
		x.feed([]byte(c.Stream(t)))
		for _, m := range x.seen {
			sameAsNetHTTP(t, c.Family+"/"+c.Name, m)
			read++
		}
	}
	if read < 70 {
		t.Errorf("compared %d requests, want all that are accepted", read)
	}
}

// sameAsNetHTTP compares a message with what net/http finds in what is forwarded of it.
func sameAsNetHTTP(t *testing.T, name string, m message) {
	t.Helper()
	r, body := netHTTP(t, name, m.forwarded)
	if got := r.Method + " " + r.RequestURI; got != m.line {
		t.Errorf("%s: net/http reads %q, want %q", name, got, m.line)
	}
	if r.Host != string(gatewayEdit.Host) {
		t.Errorf("%s: net/http reads host %q, want %q", name, r.Host, gatewayEdit.Host)
	}
	if !bytes.Equal(body, m.body) {
		t.Errorf("%s: net/http reads body %q, want %q", name, body, m.body)
	}
	var again Request
	n, err := ParseRequest(m.forwarded, nil, &again)
	if err != nil {
		t.Fatalf("%s: ParseRequest(%q) = %v", name, m.forwarded, err)
	}
	want := http.Header{}
	for _, f := range again.Header {
		if name := http.CanonicalHeaderKey(string(f.Name)); hidden[name] == nil {
			want.Add(string(f.Name), string(f.Value))
		}
	}
	if got := fmt.Sprint(r.Header); got != fmt.Sprint(want) {
		t.Errorf("%s: net/http reads fields %v, want %v", name, got, want)
	}
	if n == 0 || again.Upgrade != m.upgrade || again.Framing != m.framing {
		t.Errorf("%s: parsed again: %v %v, want %v %v", name, again.Upgrade, again.Framing, m.upgrade, m.framing)
	}
}
