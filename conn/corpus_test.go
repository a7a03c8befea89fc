package conn

import (
	"bufio"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spliceway/spliceway/internal/wirecase"
)

// The wire cases of httpparse, through a running connection. What is complete and
// what it says is judged by net/http, not by the parser that is under test.

// wireCase is a case with what conn makes of it.
type wireCase struct{ *wirecase.Case }

// wireCases returns the cases of the families whose names begin with prefix.
func wireCases(t *testing.T, prefix string) []wireCase {
	t.Helper()
	var all []wireCase
	for _, c := range wirecase.Load(t, "../httpparse/testdata", prefix) {
		all = append(all, wireCase{c})
	}
	return all
}

// ways returns the stream whole, octet by octet (in larger pieces if it is
// large), and cut in two at a bounded number of positions.
func ways(stream string) [][]string {
	const large, piece = 4 << 10, 509
	size := 1
	if len(stream) > large {
		size = piece
	}
	all := [][]string{{stream}, nil}
	for rest := stream; len(rest) > 0; {
		n := min(size, len(rest))
		all[1], rest = append(all[1], rest[:n]), rest[n:]
	}
	step := max(1, len(stream)/48)
	for at := 1; at < len(stream); at += step {
		all = append(all, []string{stream[:at], stream[at:]})
	}
	return all
}

// feed says the pieces until the other side closes, which it may.
func feed(p *peer, pieces []string) {
	for _, piece := range pieces {
		if _, err := p.Write([]byte(piece)); err != nil {
			return
		}
		synctest.Wait()
	}
}

// TestCorpusRequests gives every request case to a gateway in front of an API
// server that answers each complete request and no other.
func TestCorpusRequests(t *testing.T) {
	count := 0
	for _, w := range wireCases(t, "req-") {
		count++
		t.Run(w.Family+"/"+w.Name, func(t *testing.T) {
			stream := w.Stream(t)
			var whole string
			for i, pieces := range ways(stream) {
				synctest.Test(t, func(t *testing.T) {
					s := newSite(t)
					defer s.hangUp()
					heard := w.request(s, pieces)
					if i == 0 {
						whole = heard
						if !w.Accepted() && !w.EndsEarly && len(stream) <= smallBuffer && heard != "" {
							t.Errorf("%s: the API server hears %q of a request that was refused in one piece", w.Why, heard)
						}
					} else if w.Accepted() && heard != whole {
						t.Errorf("%s: in %d pieces the API server hears %q, but at once %q", w.Why, len(pieces), heard, whole)
					}
					s.hangUp()
					s.wantNothingLeft()
				})
				if t.Failed() {
					t.Fatalf("given in %d pieces, the first of %d octets", len(pieces), len(pieces[0]))
				}
			}
		})
	}
	if count != 283 {
		t.Errorf("%d request cases, want 283", count)
	}
}

// request gives the pieces to the gateway and judges what becomes of them. It
// returns what the API server has heard.
func (w wireCase) request(s *site, pieces []string) string {
	c := s.connect()
	feed(c.peer, pieces)
	server := &answering{site: s, upgrade: w.Early}
	server.run()
	answer := c.heard()
	if w.Accepted() {
		w.judgeAccepted(s.t, c, server, answer)
		return server.heard
	}
	if server.messages > 0 {
		s.t.Errorf("%s: the API server hears %d complete requests: %q", w.Why, server.messages, server.heard)
	}
	w.judgeRefusal(s, c, answer)
	server.run()
	if server.messages > 0 {
		s.t.Errorf("%s: the API server hears %d complete requests in the end: %q", w.Why, server.messages, server.heard)
	}
	return server.heard
}

// judgeRefusal wants one of the listed statuses and the end, or the end alone.
func (w wireCase) judgeRefusal(s *site, c *client, answer string) {
	s.t.Helper()
	if answer == "" { // it waits for more, which does not come
		c.CloseWrite()
		if answer = c.heard(); answer == "" {
			c.hearsEnd()
			return
		}
	}
	r, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), nil)
	if err != nil || !slices.Contains(w.Status, r.StatusCode) {
		s.t.Errorf("%s: the client hears %q, want a response with one of %d", w.Why, answer, w.Status)
		return
	}
	c.hearsEnd()
}

// judgeAccepted wants the requests to have arrived, the first as the case says.
func (w wireCase) judgeAccepted(t *testing.T, c *client, server *answering, answer string) {
	t.Helper()
	if server.messages != w.Messages {
		t.Errorf("%s: the API server hears %d complete requests, want %d: %q", w.Why, server.messages, w.Messages, server.heard)
		return
	}
	if w.Early {
		if early := w.Stream(t)[w.Consumed:]; server.tunnel != early {
			t.Errorf("%s: the tunnel begins with %q, want %q", w.Why, server.tunnel, early)
		}
		return
	}
	raw := server.first
	if w.Family == "req-trailers" { // the head may say what the trailer must not
		_, raw, _ = strings.Cut(raw, "\r\n\r\n")
	}
	for _, s := range w.Forward.Without {
		if strings.Contains(raw, s) {
			t.Errorf("%s: the API server hears %q, which has %q", w.Why, raw, s)
		}
	}
	if want := wirecase.Unescape(t, w.Body); server.body != want {
		t.Errorf("%s: the body is %q, want %q", w.Why, server.body, want)
	}
	if w.Rest == "reject" {
		if !strings.Contains(answer, "HTTP/1.1 400 ") {
			t.Errorf("%s: the client hears %q, want a 400 for the rest", w.Why, answer)
		}
		c.hearsEnd()
	}
	wantCanonical(t, server.first)
}

// wantCanonical wants the head of a request to have the gateway's identity, once,
// and nothing in two ways.
func wantCanonical(t *testing.T, message string) {
	t.Helper()
	head, _, _ := strings.Cut(message, "\r\n\r\n")
	if strings.Count(head, "\n") != strings.Count(head, "\r\n") {
		t.Errorf("the head %q has bare line feeds", head)
	}
	if !strings.Contains(head+"\r\n", "\r\n"+identity+"Authorization: Bearer gateway\r\nAudit-ID: c1-1\r\n") {
		t.Errorf("the head %q has not the gateway's lines", head)
	}
	count := map[string]int{}
	for _, line := range strings.Split(head, "\r\n")[1:] {
		name, _, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.TrimSpace(name) != name {
			t.Errorf("the head %q has the line %q", head, line)
		}
		count[strings.ReplaceAll(strings.ToLower(name), "_", "-")]++
	}
	for _, name := range []string{"host", "impersonate-user", "authorization", "audit-id"} {
		if count[name] != 1 {
			t.Errorf("the head %q has %d lines of %s", head, count[name], name)
		}
	}
	if count["impersonate-group"] != 2 || count["content-length"]+count["transfer-encoding"] > 1 {
		t.Errorf("the head %q is not canonical", head)
	}
}

// answering is an API server that answers each complete request on its
// connections, and agrees to an upgrade if it is to.
type answering struct {
	site     *site
	upgrade  bool
	conns    []*peer
	pending  []string // heard on each, of a request that is not complete
	heard    string   // on all of them
	messages int
	first    string // complete request
	body     string // of it, decoded
	tunnel   string // heard behind the upgrade
}

// run hears and answers until nothing moves.
func (a *answering) run() {
	a.site.t.Helper()
	for moved := true; moved; {
		synctest.Wait()
		a.site.mu.Lock()
		for _, p := range a.site.dialed {
			a.conns, a.pending = append(a.conns, p), append(a.pending, "")
		}
		a.site.dialed = nil
		a.site.mu.Unlock()
		moved = false
		for i, p := range a.conns {
			octets := p.heard()
			moved = moved || octets != ""
			a.heard += octets
			a.pending[i] += octets
			a.answer(i)
		}
	}
}

// answer answers what is complete of what connection i has heard.
func (a *answering) answer(i int) {
	for a.pending[i] != "" {
		if a.upgrade && a.messages > 0 {
			a.tunnel += a.pending[i]
			a.pending[i] = ""
			return
		}
		n, body, ok := wirecase.CompleteRequest(a.pending[i])
		if !ok {
			return
		}
		if a.messages++; a.messages == 1 {
			a.first, a.body = a.pending[i][:n], body
		}
		answer := noContent
		if a.upgrade {
			answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n" +
				"Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n"
			if strings.Contains(a.first, "SPDY/3.1") {
				answer = spdyAgreed
			}
		}
		a.pending[i] = a.pending[i][n:]
		a.conns[i].Write([]byte(answer))
		synctest.Wait()
	}
}

// TestCorpusResponses gives every response case to a gateway as the answer to its
// request, and then serves another client.
func TestCorpusResponses(t *testing.T) {
	count := 0
	for _, w := range wireCases(t, "resp-") {
		count++
		t.Run(w.Family+"/"+w.Name, func(t *testing.T) {
			var whole string
			for i, pieces := range ways(w.Stream(t)) {
				conversation(t, func(s *site) {
					heard := w.response(s, pieces)
					if i == 0 {
						whole = heard
					} else if w.Accepted() && heard != whole {
						t.Errorf("%s: in %d pieces the client hears %q, but at once %q", w.Why, len(pieces), heard, whole)
					}
				})
				if t.Failed() {
					t.Fatalf("given in %d pieces, the first of %d octets", len(pieces), len(pieces[0]))
				}
			}
		})
	}
	if count != 92 {
		t.Errorf("%d response cases, want 92", count)
	}
}

// asked is the request that a case answers.
func (w wireCase) asked() string {
	switch w.Upgrade {
	case "websocket":
		return request("GET /api/v1/namespaces/a/pods/b/exec", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: v5.channel.k8s.io")
	case "SPDY/3.1":
		return request(w.Method+" /api/v1/namespaces/a/pods/b/exec", "Connection: Upgrade", "Upgrade: SPDY/3.1",
			"X-Stream-Protocol-Version: v4.channel.k8s.io", "X-Stream-Protocol-Version: v3.channel.k8s.io")
	}
	return request(w.Method + " /x")
}

// response answers a request with the pieces and judges what becomes of them. It
// returns what the client has heard.
func (w wireCase) response(s *site, pieces []string) string {
	c := s.connect()
	c.says(w.asked())
	up := s.accepts()
	up.heard()
	feed(up, pieces)
	heard := c.heard()
	reusable := s.pool.Stats().Idle == 1
	if w.EndsEarly || strings.HasPrefix(w.Framing, "until-close") {
		up.CloseWrite()
		heard += c.heard()
	}
	if w.Accepted() {
		w.judgeRelayed(s, heard)
		if reusable && w.endsWithPiece(pieces) {
			return heard // whether something follows is seen on TCP only: TestCorpusSurplus
		}
		if left := w.Stream(s.t)[w.Consumed:]; reusable && left != "" {
			s.t.Errorf("%s: the connection was kept, with %q left on it", w.Why, left)
		}
	} else {
		w.judgeNotRelayed(s, c, heard, reusable)
	}
	for _, without := range w.Forward.Without {
		if strings.Contains(heard, without) {
			s.t.Errorf("%s: the client hears %q, which has %q", w.Why, heard, without)
		}
	}
	w.wantNextUnaffected(s, up, reusable)
	return heard
}

// endsWithPiece tells whether the message ends with a piece that is not the last.
func (w wireCase) endsWithPiece(pieces []string) bool {
	n := 0
	for _, piece := range pieces[:len(pieces)-1] {
		if n += len(piece); n == w.Consumed {
			return true
		}
	}
	return false
}

// judgeRelayed wants the client to have heard what the case says.
func (w wireCase) judgeRelayed(s *site, heard string) {
	s.t.Helper()
	from := bufio.NewReader(strings.NewReader(heard))
	asked := &http.Request{Method: w.Method}
	r, err := http.ReadResponse(from, asked)
	for err == nil && r.StatusCode < 200 && r.StatusCode != http.StatusSwitchingProtocols {
		r, err = http.ReadResponse(from, asked)
	}
	if err != nil {
		s.t.Errorf("%s: the client hears %q: %v", w.Why, heard, err)
		return
	}
	body, err := io.ReadAll(r.Body)
	want := wirecase.Unescape(s.t, w.Body)
	if r.StatusCode == http.StatusSwitchingProtocols {
		body, err = io.ReadAll(from)
		want = w.Stream(s.t)[w.Consumed:]
	}
	if err != nil || string(body) != want {
		s.t.Errorf("%s: the client hears the body %q, %v, want %q", w.Why, body, err, want)
	}
}

// judgeNotRelayed wants a 502, or a response that is visibly cut off.
func (w wireCase) judgeNotRelayed(s *site, c *client, heard string, reusable bool) {
	s.t.Helper()
	if reusable {
		s.t.Errorf("%s: the connection was kept behind a response that was refused", w.Why)
	}
	if heard == "" { // the gateway waits for more, and gets no more
		after(4 * time.Hour)
		heard = c.heard()
	}
	from := bufio.NewReader(strings.NewReader(heard))
	for {
		r, err := http.ReadResponse(from, &http.Request{Method: w.Method})
		if err != nil {
			break // it ends in the head, or with an interim response
		}
		if slices.Contains(w.Status, r.StatusCode) || r.StatusCode == http.StatusGatewayTimeout {
			return
		}
		if r.StatusCode >= 200 || r.StatusCode == http.StatusSwitchingProtocols {
			if body, err := io.ReadAll(r.Body); err == nil {
				s.t.Errorf("%s: the client hears %q as a complete response with the body %q", w.Why, heard, body)
			}
			break
		}
	}
	c.hearsEnd()
}

// wantNextUnaffected wants another client to be served as if nothing had been.
func (w wireCase) wantNextUnaffected(s *site, up *peer, reusable bool) {
	s.t.Helper()
	next := s.connect()
	next.says(request("GET /next"))
	if !reusable {
		up = s.accepts()
	}
	up.hears(forwardedFor("c2", 1, "GET /next"))
	next.hearsNothing()
	up.says(response("200 OK", "next"))
	next.hears(response("200 OK", "next"))
}

// TestCorpusSurplus lets what follows a complete response arrive on the idle
// connection.
func TestCorpusSurplus(t *testing.T) {
	count := 0
	for _, w := range wireCases(t, "resp-") {
		stream := w.Stream(t)
		if !w.Accepted() || w.Consumed == len(stream) || w.Early {
			continue
		}
		count++
		t.Run(w.Family+"/"+w.Name, func(t *testing.T) {
			h := newHost(t, 0)
			c := h.connect()
			c.says(w.asked())
			up := h.accepts()
			up.says(stream[:w.Consumed])
			c.hears(stream[:w.Consumed])
			h.waitIdle(1)
			up.says(stream[w.Consumed:])
			h.waitNotSilent()
			c.says(request("POST /next"))
			up = h.accepts()
			up.hears(forwarded(2, "POST /next"))
			up.says(noContent)
			c.hears(noContent)
		})
	}
	if count != 3 {
		t.Errorf("%d cases with surplus octets, want 3", count)
	}
}
