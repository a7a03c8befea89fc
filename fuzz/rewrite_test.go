package fuzz

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/spliceway/spliceway/httpparse"
)

// FuzzRewrite forwards the heads of requests. What is forwarded is compared with a
// model that is made of nothing but lines.
func FuzzRewrite(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, answersExpect bool, head []byte) {
		var req httpparse.Request
		n, err := httpparse.ParseRequest(head, nil, &req)
		if err != nil {
			return
		}
		head = head[:n]
		req.Expect = req.Expect && !answersExpect
		before := bytes.Clone(head)
		once := httpparse.AppendRequest([]byte("in front"), &req, edit)
		if !bytes.Equal(head, before) || !bytes.HasPrefix(once, []byte("in front")) {
			t.Fatalf("%q is changed to %q by printing %q", before, head, once)
		}
		once = once[len("in front"):]
		checkLines(t, head, once, &req)
		checkIdentity(t, head, once)
		checkReprinted(t, once, &req)
		// An edit adds lines, and replaces the Host line by one of any length.
		without := httpparse.AppendRequest(nil, &req, nil)
		if len(without)-len(req.Header.Get("Host")) > len(once)-len(edit.Host) {
			t.Fatalf("%q is forwarded as %q, but without an edit as %q", head, once, without)
		}
	})
}

// checkLines wants the lines of what is forwarded to be the lines that it should
// have: the client's in their order, those of the edit, and those made anew.
func checkLines(t *testing.T, head, forwarded []byte, req *httpparse.Request) {
	t.Helper()
	lines := strings.SplitAfter(string(head), "\r\n")
	named := optionsOf(req.Header)
	want := []string{lines[0], "Host: upstream.example:6443\r\n"}
	for _, line := range lines[1 : len(lines)-2] { // the last two are the empty line and nothing
		name, value, _ := strings.Cut(line, ":")
		switch lower := strings.ToLower(name); {
		case named[lower] || ofOneHop(lower) || ofGateway(lower) || isFraming(lower):
		case lower == "host" || lower == "expect" || lower == "sec-websocket-extensions":
		case lower == "sec-websocket-protocol":
			want = append(want, withoutBearer(line, value)...)
		default:
			want = append(want, line)
		}
	}
	for _, line := range edit.Lines {
		want = append(want, string(line))
	}
	want = append(want, canonicalLines(req)...)
	got := strings.SplitAfter(string(forwarded), "\r\n")
	if len(got) < 2 || got[len(got)-1] != "" || got[len(got)-2] != "\r\n" {
		t.Fatalf("%q is forwarded as %q", head, forwarded)
	}
	got = normalFraming(got[:len(got)-2])
	// A framing line that was in canonical form is where it was.
	slices.Sort(got[1:])
	slices.Sort(want[1:])
	if !slices.Equal(got, want) {
		t.Fatalf("%q is forwarded as\n%q, want\n%q", head, got, want)
	}
}

// canonicalLines returns what a request says about itself at the end.
func canonicalLines(req *httpparse.Request) (lines []string) {
	switch req.Framing.Kind {
	case httpparse.FramingChunked:
		lines = append(lines, "Transfer-Encoding: chunked\r\n")
	case httpparse.FramingLength:
		lines = append(lines, "Content-Length: "+decimal(req.Framing.Length)+"\r\n")
	}
	if req.Expect {
		lines = append(lines, "Expect: 100-continue\r\n")
	}
	switch req.Upgrade {
	case httpparse.ProtocolWebSocket:
		lines = append(lines, "Connection: Upgrade\r\n", "Upgrade: websocket\r\n")
	case httpparse.ProtocolSPDY:
		lines = append(lines, "Connection: Upgrade\r\n", "Upgrade: SPDY/3.1\r\n")
	}
	return lines
}

// normalFraming spells the names of framing lines in one way: lines that are
// canonical are kept as the client spelled them.
func normalFraming(lines []string) []string {
	for i, line := range lines {
		for _, name := range []string{"Content-Length", "Transfer-Encoding"} {
			if len(line) > len(name) && line[len(name)] == ':' && strings.EqualFold(line[:len(name)], name) {
				lines[i] = name + line[len(name):]
			}
		}
	}
	return lines
}

// withoutBearer returns the line of a list of subprotocols, without those that are
// tokens: as it came if there is none.
func withoutBearer(line, value string) []string {
	var left []string
	tokens := false
	for name := range strings.SplitSeq(value, ",") {
		name = strings.Trim(name, " \t\r\n")
		if strings.HasPrefix(strings.ToLower(name), "base64url.bearer.authorization.k8s.io.") {
			tokens = true
		} else {
			left = append(left, name)
		}
	}
	switch {
	case !tokens:
		return []string{line}
	case len(left) == 0:
		return nil
	}
	return []string{"Sec-WebSocket-Protocol: " + strings.Join(left, ", ") + "\r\n"}
}

// checkIdentity wants what is forwarded to say once, and as the gateway says it,
// who asks, whichever way a server reads it.
func checkIdentity(t *testing.T, head, forwarded []byte) {
	t.Helper()
	got, err := newJudge(append(forwarded[:len(forwarded):len(forwarded)], "0\r\n\r\n"...)).requestHead()
	if err != nil {
		t.Fatalf("%q is forwarded as %q, which net/http refuses: %v", head, forwarded, err)
	}
	if got.Host != string(edit.Host) {
		t.Errorf("%q is forwarded to the host %q", head, got.Host)
	}
	for name, want := range map[string]string{"Authorization": "Bearer gateway", "Impersonate-User": "alice", "Impersonate-Group": "dev"} {
		if values := got.Header[name]; len(values) != 1 || values[0] != want {
			t.Errorf("%q is forwarded with %s %q, want %q", head, name, values, want)
		}
		got.Header.Del(name)
	}
	for name := range got.Header {
		// What is built on CGI takes an underscore for a hyphen.
		if name = strings.ReplaceAll(strings.ToLower(name), "_", "-"); ofGateway(name) {
			t.Errorf("%q is forwarded with %s", head, name)
		}
	}
	if bytes.Contains(bytes.ToLower(forwarded), []byte("\nsec-websocket-protocol: base64url.bearer.authorization.k8s.io.")) {
		t.Errorf("%q is forwarded with a token: %q", head, forwarded)
	}
}

// checkReprinted wants what is forwarded to be accepted, to mean the same, and to
// be forwarded with the same lines, from then on in the same order too.
func checkReprinted(t *testing.T, once []byte, req *httpparse.Request) {
	t.Helper()
	var again httpparse.Request
	n, err := httpparse.ParseRequest(once, nil, &again)
	if err != nil || n != len(once) {
		t.Fatalf("%q is forwarded, of which %d octets are accepted: %v", once, n, err)
	}
	if string(again.Method) != string(req.Method) || string(again.Target) != string(req.Target) || again.Framing != req.Framing ||
		again.Upgrade != req.Upgrade || again.Expect != req.Expect || again.Close {
		t.Fatalf("%s is forwarded as %q", requestText(req), once)
	}
	twice := httpparse.AppendRequest(nil, &again, edit)
	sortedOnce, sortedTwice := strings.SplitAfter(string(once), "\r\n"), strings.SplitAfter(string(twice), "\r\n")
	slices.Sort(sortedOnce)
	slices.Sort(sortedTwice)
	if !slices.Equal(sortedOnce, sortedTwice) {
		t.Fatalf("%q is forwarded as %q", once, twice)
	}
	var third httpparse.Request
	if _, err := httpparse.ParseRequest(twice, nil, &third); err != nil {
		t.Fatalf("%q: %v", twice, err)
	}
	if thrice := httpparse.AppendRequest(nil, &third, edit); !bytes.Equal(thrice, twice) {
		t.Fatalf("%q is forwarded as %q", twice, thrice)
	}
}

func rewriteSeeds(tb testing.TB) (seeds []seed) {
	for _, stream := range requestStreams(tb) {
		seeds = append(seeds, seed{false, stream})
		if bytes.Contains(stream, []byte("xpect")) {
			seeds = append(seeds, seed{true, stream})
		}
	}
	return seeds
}
