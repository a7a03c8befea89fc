package fuzz

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/httpparse"
	"github.com/spliceway/spliceway/session"
)

// sessionForms are the protocols that sessions are decoded from.
var sessionForms = []struct{ target, upgrade, offer, protocol string }{
	{"/api/v1/namespaces/a/pods/b/exec?command=sh&stdin=1&stdout=1&stderr=1", "SPDY/3.1", "X-Stream-Protocol-Version", "v4.channel.k8s.io"},
	{"/api/v1/namespaces/a/pods/b/attach?stdout=1&tty=1", "SPDY/3.1", "X-Stream-Protocol-Version", "channel.k8s.io"},
	{"/api/v1/namespaces/a/pods/b/portforward", "SPDY/3.1", "X-Stream-Protocol-Version", "portforward.k8s.io"},
	{"/api/v1/namespaces/a/pods/b/exec?command=sh&stdin=1&stdout=1&stderr=1", "websocket", "Sec-WebSocket-Protocol", "v5.channel.k8s.io"},
	{"/api/v1/namespaces/a/pods/b/exec?command=sh&stdin=1&stdout=1&tty=1", "websocket", "Sec-WebSocket-Protocol", "base64.channel.k8s.io"},
	{"/api/v1/namespaces/a/pods/b/portforward", "websocket", "Sec-WebSocket-Protocol", "SPDY/3.1+portforward.k8s.io"},
	{"/api/v1/namespaces/a/pods/b/portforward?ports=80", "websocket", "Sec-WebSocket-Protocol", "v4.channel.k8s.io"},
}

// sessionInfo is what is known of a session in one of the forms.
func sessionInfo(tb testing.TB, form uint8) *session.Info {
	tb.Helper()
	is := sessionForms[int(form)%len(sessionForms)]
	head := is.target + " HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: " + is.upgrade + "\r\n" + is.offer + ": " + is.protocol + "\r\n"
	accept := ""
	if is.upgrade == "websocket" {
		head += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
		accept = "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n"
	}
	var req httpparse.Request
	var resp httpparse.Response
	var info audit.RequestInfo
	if _, err := httpparse.ParseRequest([]byte("GET "+head+"\r\n"), nil, &req); err != nil {
		tb.Fatal(err)
	}
	agreed := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + is.upgrade + "\r\n" +
		is.offer + ": " + is.protocol + "\r\n" + accept + "\r\n"
	if _, err := httpparse.ParseResponse([]byte(agreed), nil, &req, &resp); err != nil {
		tb.Fatal(err)
	}
	info.Parse(req.Method, req.Target)
	known, err := session.Recognise(&req, &resp, &info)
	if err != nil {
		tb.Fatal(err)
	}
	return known
}

// sessionEvents keeps events as text, with the data of one stream joined.
type sessionEvents struct {
	lines []string
	last  session.EventType
}

func (s *sessionEvents) Event(e *session.Event) error {
	if len(e.Data) > 0 && e.Type == s.last {
		s.lines[len(s.lines)-1] += string(e.Data)
		return nil
	}
	s.last = e.Type
	var own *session.Error
	reason := ""
	if errors.As(e.Cause, &own) {
		reason = own.Blame + " " + own.Reason
	}
	s.lines = append(s.lines, fmt.Sprintf("%s %d %dx%d %d %q %d %d %d %d %s|%s",
		e.Type, e.Stream, e.Cols, e.Rows, e.Code, e.Text, e.Port, e.Conn, e.Up, e.Down, reason, e.Data))
	return nil
}

// decodeSession gives a session what the client and then what the server says, in
// pieces, and returns its events and what the client gets.
func decodeSession(tb testing.TB, form uint8, up, down [][]byte) (events []string, client string) {
	tb.Helper()
	sink := new(sessionEvents)
	s, err := session.New(sessionInfo(tb, form), session.Config{Sink: sink})
	if err != nil {
		tb.Fatal(err)
	}
	var got strings.Builder
	for _, p := range up {
		if err = s.Up(p); err != nil {
			break
		}
	}
	for _, p := range down {
		for {
			words, failed := s.Insert()
			got.Write(words)
			if err = failed; err != nil || len(p) == 0 {
				break
			}
			n, failed := s.Down(p)
			if n < 0 || n > len(p) || failed != nil && n > 0 {
				tb.Fatalf("Down takes %d of %d octets with %v", n, len(p), failed)
			}
			got.Write(p[:n])
			if err = failed; err != nil {
				break
			}
			p = p[n:]
		}
		if err != nil {
			break
		}
	}
	s.Close(err)
	return sink.lines, got.String()
}

// sessionSeeds are a few frames for every form that a session has.
func sessionSeeds(testing.TB) (seeds []seed) {
	for form := range sessionForms {
		seeds = append(seeds, seed{uint8(form), []byte(""), []byte("\x82\x01\x01\x82\x06\x01hello\x82\x17\x03{\"status\":\"Success\"}  \x88\x02\x03\xe8")})
		seeds = append(seeds, seed{uint8(form), []byte("\x82\x86\x00\x00\x00\x00\x00hello"), []byte("\x81\x011\x01\x031aG\x80\x02k=\x88\x00")})
		seeds = append(seeds, seed{uint8(form), []byte("\x00\x00\x00\x01\x00\x00\x00\x02hi"), []byte("\x80\x03\x00\x06\x00\x00\x00\x04\x00\x00\x00\x01")})
	}
	return seeds
}

// FuzzSession: however a stream is cut, a session has the same events and ends for the
// same reason; and what the client gets is what the server sent, up to last words.
func FuzzSession(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, form uint8, up, down []byte) {
		if len(up)+len(down) > 4<<10 {
			return
		}
		var want []string
		var client string
		checkMemory(t, len(up)+len(down), func() {
			want, client = decodeSession(t, form, [][]byte{up}, [][]byte{down})
		})
		if n := commonPrefix(client, string(down)); n < len(down) && n < len(client) && !strings.Contains(want[len(want)-1], "protocol") {
			t.Fatalf("the client gets %q of %q", client, down)
		}
		ended := want[len(want)-1]
		for cut := range splits(down) {
			got, _ := decodeSession(t, form, slices.Collect(slices.Chunk(up, 1)), cut)
			if !slices.Equal(got, want) {
				t.Fatalf("in pieces %q the events are\n%q, want\n%q (which end with %s)", cut, got, want, ended)
			}
		}
	})
}

func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
