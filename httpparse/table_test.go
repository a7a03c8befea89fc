package httpparse

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestOctets compares the table with the grammar as the standards print it.
func TestOctets(t *testing.T) {
	const alphanumeric = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for _, row := range []struct {
		name string
		bit  uint8
		is   func(c byte) bool
	}{
		{"tchar", isToken, oneOf(alphanumeric + "!#$%&'*+-.^_`|~")},
		{"subprotocol", isSubprotocol, oneOf(alphanumeric + "!#$%&'*+-.^_`|~/")},
		{"path", isPath, oneOf(alphanumeric + "-._~!$&'()*+,;=:@")},
		{"host", isHost, oneOf(alphanumeric + "-._")},
		{"ipv6", isIPv6, oneOf("0123456789abcdefABCDEF:.")},
		{"underscore", isUnderscore, oneOf("_")},
		{"query", isQuery, func(c byte) bool { return c > ' ' && c < 0x7f && !strings.ContainsRune(`#\%`, rune(c)) }},
		{"value", isValue, func(c byte) bool { return c == '\t' || c >= ' ' && c != 0x7f }},
	} {
		for c := range 256 {
			if got, want := octets[c]&row.bit != 0, row.is(byte(c)); got != want {
				t.Errorf("%s: octet %#02x is allowed: %v, want %v", row.name, c, got, want)
			}
		}
	}
}

func oneOf(set string) func(byte) bool {
	return func(c byte) bool { return strings.IndexByte(set, c) >= 0 }
}

// TestValueEnd puts each octet at each place of two words, among octets that could disturb the search.
func TestValueEnd(t *testing.T) {
	for _, fill := range "a\t \x80\xff~\x21" {
		for c := range 256 {
			for at := range 17 {
				b := []byte(strings.Repeat(string([]byte{byte(fill)}), 17))
				b[at] = byte(c)
				checkValueEnd(t, b)
			}
		}
	}
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	for range 20000 {
		b := make([]byte, random.IntN(40))
		for i := range b {
			b[i] = byte(0x60 + random.IntN(0x20)) // with 0x7f
			if random.IntN(16) == 0 {
				b[i] = byte(random.IntN(256))
			}
		}
		checkValueEnd(t, b)
	}
}

func checkValueEnd(t *testing.T, b []byte) {
	t.Helper()
	for from := range min(len(b)+1, 3) {
		want := from
		for want < len(b) && octets[b[want]]&isValue != 0 {
			want++
		}
		if got := valueEnd(b, from); got != want {
			t.Fatalf("valueEnd(%q, %d) = %d, want %d", b, from, got, want)
		}
	}
}

// TestClassify has each name that means something, in every mix of cases that a client could try, and neighbours.
func TestClassify(t *testing.T) {
	names := map[string]class{
		"Host": classHost, "Content-Length": classContentLength, "Transfer-Encoding": classTransferEncoding,
		"Connection": classConnection, "Upgrade": classUpgrade, "Expect": classExpect, "Keep-Alive": classHop,
		"Proxy-Connection": classHop, "Proxy-Authorization": classHop, "TE": classHop, "Trailer": classHop,
		"HTTP2-Settings": classHop, "Authorization": classIdentity, "Impersonate-User": classIdentity,
		"X-Remote-Group": classIdentity, "Forwarded": classOrigin, "X-Forwarded-For": classOrigin,
		"X-Real-Ip": classOrigin, "Audit-ID": classOrigin, "Sec-WebSocket-Extensions": classExtensions,
		"Sec-WebSocket-Protocol": classSubprotocol, "Sec-WebSocket-Key": classKey,
		"Sec-WebSocket-Version": classVersion, "Sec-WebSocket-Accept": classAccept,
		"X-Stream-Protocol-Version": classStreamProtocol,
	}
	prefixed := []string{"Proxy-Connection", "Proxy-Authorization", "Impersonate-User", "X-Remote-Group", "X-Forwarded-For"}
	for name, want := range names {
		for _, spelling := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			if got := classify([]byte(spelling)); got != want {
				t.Errorf("classify(%q) = %d, want %d", spelling, got, want)
			}
			if got := classifyTwin([]byte(strings.ReplaceAll(spelling, "-", "_"))); got != want {
				t.Errorf("classifyTwin(%q with underscores) = %d, want %d", spelling, got, want)
			}
		}
		for _, other := range []string{"X" + name, name[1:]} {
			if got := classify([]byte(other)); got != classOrdinary {
				t.Errorf("classify(%q) = %d, want it to be ordinary", other, got)
			}
		}
		longer, want := name+"x", want
		if !slices.Contains(prefixed, name) {
			want = classOrdinary
		}
		if got := classify([]byte(longer)); got != want {
			t.Errorf("classify(%q) = %d, want %d", longer, got, want)
		}
		if len(name) >= longestTwin {
			t.Errorf("%q does not fit what is looked at for underscores", name)
		}
	}
	if got := classify(nil); got != classOrdinary {
		t.Errorf("classify(nil) = %d", got)
	}
}

// TestTexts has what ends up in logs.
func TestTexts(t *testing.T) {
	got := fmt.Sprint(ProtocolNone, ProtocolWebSocket, ProtocolSPDY, Protocol(9), FramingNone, FramingLength,
		FramingChunked, FramingUntilClose, FramingKind(9), &Error{Status: 400, Offset: 7, Reason: "no host"})
	const want = "http1 websocket spdy unknown none content-length chunked until-close unknown httpparse: no host at octet 7"
	if got != want {
		t.Errorf("texts are %q, want %q", got, want)
	}
}
