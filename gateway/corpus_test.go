package gateway

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spliceway/spliceway/internal/wirecase"
)

// The wire cases of httpparse through a running gateway: real sockets, both
// layers of TLS in front, one behind. Package conn gives them to a connection cut
// in every way; here it is two.

// wireBed is a bed whose API server keeps octets.
type wireBed struct {
	*bed
	server *octetServer
}

func newWireBed(t *testing.T) *wireBed {
	t.Helper()
	b := newBed(t)
	server := newOctetServer(t, b.api.ca)
	b.prepare(settings{"clusters": "[" + clusterAt(server.url(), "prod", prodAddress, prodAlias, "") + "]"})
	b.run()
	return &wireBed{bed: b, server: server}
}

// ended waits until the gateway is through with every client and every connection
// to the API server is closed, and returns what went there and how many idle
// connections the pool had kept.
func (b *wireBed) ended() (heard octets, kept int) {
	b.t.Helper()
	b.until("all connections have ended", func() bool { return b.gateway.mux.Connections() == 0 })
	pool := b.gateway.current.Load().backends["prod"].pool
	kept = pool.Stats().Idle
	pool.CloseIdle()
	return b.server.settled(), kept
}

// wireWays are the ways in which a stream is given, each piece in a TLS record of
// its own, which is what the other side gets from one Read.
func wireWays(stream string) [][]string {
	size := 1
	if len(stream) > 512 {
		size = 509
	}
	var small []string
	for piece := range slices.Chunk([]byte(stream), size) {
		small = append(small, string(piece))
	}
	return [][]string{{stream}, small}
}

// tally is what became of the cases of a family.
type tally struct{ cases, accepted, refused, choices, deviations int }

// row is the line of a family in the table of docs/supported.md.
func (n *tally) row(family string) string {
	return fmt.Sprintf("| `%s` | %d | %d | %d | %d | %d |\n", family, n.cases, n.accepted, n.refused, n.choices, n.deviations)
}

// TestCorpus gives every wire case to the gateway, and wants the table in
// docs/supported.md to say what became of them.
func TestCorpus(t *testing.T) {
	t.Parallel()
	b := newWireBed(t)
	families := map[string]*tally{}
	total := &tally{}
	for _, c := range wirecase.Load(t, "../httpparse/testdata", "re") {
		if families[c.Family] == nil {
			families[c.Family] = &tally{}
		}
		ok := t.Run(c.Family+"/"+c.Name, func(t *testing.T) {
			b.t, b.server.t = t, t
			defer func() { b.t, b.server.t = nil, nil }()
			run := &wireRun{wireBed: b, Case: c}
			if strings.HasPrefix(c.Family, "req-") {
				run.requests()
			} else {
				run.responses()
			}
		})
		for _, n := range []*tally{families[c.Family], total} {
			n.add(c, ok)
		}
	}
	b.t, b.server.t = t, t
	wantTable(t, families, total)
}

// add counts a case, which came out as it says if ok.
func (n *tally) add(c *wirecase.Case, ok bool) {
	n.cases++
	switch {
	case !ok:
		n.deviations++
	case c.Accepted():
		n.accepted++
	default:
		n.refused++
	}
	if c.Strength == "policy" {
		n.choices++
	}
}

// wantTable compares the table of the document with the run.
func wantTable(t *testing.T, families map[string]*tally, total *tally) {
	t.Helper()
	text, err := os.ReadFile("../docs/supported.md")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for _, family := range slices.Sorted(maps.Keys(families)) {
		want.WriteString(families[family].row(family))
	}
	want.WriteString(strings.ReplaceAll(total.row("all"), "`", ""))
	if !strings.Contains(string(text), want.String()) {
		t.Errorf("docs/supported.md does not have the table of this run:\n%s", want.String())
	}
}

// wireRun is one case on its way through the gateway.
type wireRun struct {
	*wireBed
	*wirecase.Case
}

const noContent = "HTTP/1.1 204 No Content\r\n\r\n"

// requests gives a case of a client to the gateway, in each way.
func (w *wireRun) requests() {
	w.server.answer(func(c net.Conn, head string) {
		answer := noContent
		if w.Early {
			answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
				"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n"
		}
		io.WriteString(c, answer)
	})
	var whole []string
	for i, pieces := range wireWays(w.Stream(w.t)) {
		statuses := w.ask(pieces)
		heard, _ := w.ended()
		if !w.Accepted() {
			w.wantRefused(i, statuses, heard)
			continue
		}
		w.wantArrived(statuses, heard)
		for j := range heard.messages {
			heard.messages[j] = anonymous(heard.messages[j])
		}
		if i == 0 {
			whole = heard.messages
		} else if !slices.Equal(heard.messages, whole) {
			w.t.Errorf("%s: in %d pieces the API server hears %q, but at once %q", w.Why, len(pieces), heard.messages, whole)
		}
	}
}

// anonymous takes out of a message what is different each time.
func anonymous(message string) string {
	return regexp.MustCompile(`Audit-ID: [^\r]*`).ReplaceAllString(message, "Audit-ID: 1")
}

// ask sends the pieces through a tunnel of its own, and returns the statuses of all
// responses up to the end, which it wants to come.
func (w *wireRun) ask(pieces []string) (statuses []int) {
	w.t.Helper()
	n := w.open()
	defer n.Close()
	for _, piece := range pieces {
		if _, err := io.WriteString(n, piece); err != nil {
			break // refused before its end
		}
	}
	if w.refusedAtEnd() {
		n.CloseWrite()
	}
	method, _, _ := strings.Cut(pieces[0], " ")
	for want := max(w.Messages, 1); ; method = http.MethodGet {
		response, err := http.ReadResponse(n.r, &http.Request{Method: method})
		if err != nil {
			return statuses
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			w.t.Errorf("%s: response %d ends with %v", w.Why, response.StatusCode, err)
		}
		if statuses = append(statuses, response.StatusCode); len(statuses) == want && w.Rest == "" {
			n.CloseWrite()
		}
	}
}

// refusedAtEnd reports whether it is the end of the stream that makes it bad: that
// it comes too early, or that it comes before any line's.
func (w *wireRun) refusedAtEnd() bool {
	return w.EndsEarly || !strings.Contains(w.Stream(w.t), "\n")
}

// wantRefused wants one of the listed answers, and nothing at the API server. Of a
// request that turned out bad in its body, or given in pieces, a part may have gone
// there, which is no request without its end.
func (w *wireRun) wantRefused(way int, statuses []int, heard octets) {
	w.t.Helper()
	if len(heard.messages) > 0 {
		w.t.Errorf("%s: the API server hears %d complete requests: %q", w.Why, len(heard.messages), heard.messages)
	}
	const buffer = 4 << 10 // of conn: more is never looked at before some of it is sent
	if way == 0 && !w.EndsEarly && len(w.Stream(w.t)) <= buffer && heard.rest != "" {
		w.t.Errorf("%s: the API server hears %q of a request that was refused in one piece", w.Why, heard.rest)
	}
	if len(statuses) == 0 && w.refusedAtEnd() {
		return
	}
	if len(statuses) != 1 || !slices.Contains(w.Status, statuses[0]) {
		w.t.Errorf("%s: the client hears %d, want one of %d", w.Why, statuses, w.Status)
	}
}

// wantArrived wants the requests to have come to the API server, each in one form.
func (w *wireRun) wantArrived(statuses []int, heard octets) {
	w.t.Helper()
	var want []int
	for range w.Messages {
		want = append(want, http.StatusNoContent)
	}
	rest := ""
	switch {
	case w.Early:
		want, rest = []int{http.StatusSwitchingProtocols}, w.Stream(w.t)[w.Consumed:]
	case w.Rest == "reject":
		want = append(want, http.StatusBadRequest)
	}
	if !slices.Equal(statuses, want) {
		w.t.Errorf("%s: the client hears %d, want %d", w.Why, statuses, want)
	}
	if len(heard.messages) != w.Messages || heard.rest != rest {
		w.t.Fatalf("%s: the API server hears %q and %q, want %d requests and %q", w.Why, heard.messages, heard.rest, w.Messages, rest)
	}
	if body := wirecase.Unescape(w.t, w.Body); heard.bodies[0] != body {
		w.t.Errorf("%s: the body is %q, want %q", w.Why, heard.bodies[0], body)
	}
	raw := heard.messages[0]
	if w.Family == "req-trailers" { // the head may say what the trailer must not
		_, raw, _ = strings.Cut(raw, "\r\n\r\n")
	}
	for _, without := range w.Forward.Without {
		if strings.Contains(raw, without) {
			w.t.Errorf("%s: the API server hears %q, which has %q", w.Why, raw, without)
		}
	}
	for _, message := range heard.messages {
		wantCanonical(w.t, message)
	}
}

// wantCanonical wants the head of a request to have ann's identity, once, and
// nothing in two ways.
func wantCanonical(t *testing.T, message string) {
	t.Helper()
	head, _, _ := strings.Cut(message, "\r\n\r\n")
	head += "\r\n"
	if strings.Count(head, "\n") != strings.Count(head, "\r\n") || strings.Count(head, "\r") != strings.Count(head, "\r\n") {
		t.Errorf("the head %q has bare line ends", head)
	}
	lines := "\r\nImpersonate-User: ann@example.com\r\nImpersonate-Group: dev\r\nImpersonate-Group: on call\r\n" +
		"X-Forwarded-For: 127.0.0.1\r\nAuthorization: Bearer " + apiToken + "\r\nAudit-ID: "
	if !strings.Contains(head, lines) {
		t.Errorf("the head %q does not have the gateway's lines", head)
	}
	count := map[string]int{}
	for _, line := range strings.Split(strings.TrimSuffix(head, "\r\n"), "\r\n")[1:] {
		name, _, ok := strings.Cut(line, ":")
		if !ok || name == "" || strings.TrimSpace(name) != name {
			t.Errorf("the head %q has the line %q", head, line)
		}
		name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
		if strings.HasPrefix(name, "impersonate-") {
			count["impersonate"]++
		}
		count[name]++
	}
	for _, name := range []string{"host", "impersonate-user", "authorization", "audit-id", "x-forwarded-for"} {
		if count[name] != 1 {
			t.Errorf("the head %q has %d lines of %s", head, count[name], name)
		}
	}
	if count["impersonate"] != 3 || count["content-length"]+count["transfer-encoding"] > 1 {
		t.Errorf("the head %q is not canonical", head)
	}
}

// responses has the API server give the case as its answer, in each way, and then
// lets another client ask.
func (w *wireRun) responses() {
	for _, pieces := range wireWays(w.Stream(w.t)) {
		said := make(chan struct{})
		w.server.answer(func(c net.Conn, head string) {
			if strings.HasPrefix(head, "GET /next ") {
				io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext")
				return
			}
			defer close(said)
			for _, piece := range pieces {
				if _, err := io.WriteString(c, piece); err != nil {
					return // refused before its end
				}
			}
			if w.EndsEarly || strings.HasPrefix(w.Framing, "until-close") {
				c.Close()
			}
		})
		n := w.open()
		io.WriteString(n, w.asked())
		heard := w.hear(n)
		<-said
		pool := w.gateway.current.Load().backends["prod"].pool
		if w.Accepted() {
			w.wantRelayed(heard)
		} else {
			w.wantNotRelayed(heard)
			w.until("the request has ended", func() bool { return pool.Stats().Active == 0 })
			if kept := pool.Stats().Idle; kept != 0 {
				w.t.Errorf("%s: the connection was kept behind a response that was refused", w.Why)
			}
		}
		for _, without := range w.Forward.Without {
			if strings.Contains(heard.octets, without) {
				w.t.Errorf("%s: the client hears %q, which has %q", w.Why, heard.octets, without)
			}
		}
		next := w.open()
		if a := next.ask("/next"); a.status != http.StatusOK || a.body != "next" || a.err != nil {
			w.t.Errorf("%s: the next client hears %d %q (%v)", w.Why, a.status, a.body, a.err)
		}
		n.Close()
		next.Close()
		if seen, _ := w.ended(); len(seen.messages) != 2 || seen.rest != "" {
			w.t.Errorf("%s: the API server hears %d requests and %q, want the two", w.Why, len(seen.messages), seen.rest)
		}
	}
}

// asked is the request that a case answers.
func (w *wireRun) asked() string {
	const exec = " /api/v1/namespaces/a/pods/b/exec HTTP/1.1\r\nHost: k8s.test\r\nConnection: Upgrade\r\nUpgrade: "
	switch w.Upgrade {
	case "websocket":
		return "GET" + exec + "websocket\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n"
	case "SPDY/3.1":
		return w.Method + exec + "SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n" +
			"X-Stream-Protocol-Version: v3.channel.k8s.io\r\n\r\n"
	}
	return w.Method + " /x HTTP/1.1\r\nHost: k8s.test\r\n\r\n"
}

// heard is what a client got for a request.
type heard struct {
	octets string // all
	status int    // of the final response, 0 if there is none
	body   string // of it
	rest   string // behind it
	err    error  // why it is not complete
}

// hear reads a final response and then, after an end of its own, all that comes.
func (w *wireRun) hear(n *tunnel) heard {
	w.t.Helper()
	var h heard
	var all strings.Builder
	from := bufio.NewReader(io.TeeReader(n.r, &all))
	for h.status < 200 && h.status != http.StatusSwitchingProtocols && h.err == nil {
		var r *http.Response
		if r, h.err = http.ReadResponse(from, &http.Request{Method: w.Method}); h.err != nil {
			break
		}
		h.status = r.StatusCode
		if h.status >= 200 {
			var body []byte
			body, h.err = io.ReadAll(r.Body)
			h.body = string(body)
		}
	}
	if h.status == http.StatusSwitchingProtocols { // what came with it is for the stream
		early := make([]byte, len(w.Stream(w.t))-w.Consumed)
		_, h.err = io.ReadFull(from, early)
		h.body = string(early)
	}
	n.CloseWrite()
	if h.status == http.StatusSwitchingProtocols {
		n.Close() // the API server would wait for more
	} else {
		rest, _ := io.ReadAll(from)
		h.rest = string(rest)
	}
	h.octets = all.String()
	return h
}

// wantRelayed wants the client to have heard what the case says, and no more.
func (w *wireRun) wantRelayed(h heard) {
	w.t.Helper()
	want := wirecase.Unescape(w.t, w.Body)
	if h.status == http.StatusSwitchingProtocols {
		want = w.Stream(w.t)[w.Consumed:]
	}
	if h.err != nil || h.body != want || h.rest != "" {
		w.t.Errorf("%s: the client hears %q: the body %q (%v) and then %q, want the body %q", w.Why, h.octets, h.body, h.err, h.rest, want)
	}
}

// wantNotRelayed wants a 502, or a response that is visibly cut off.
func (w *wireRun) wantNotRelayed(h heard) {
	w.t.Helper()
	if h.err == nil && !slices.Contains(w.Status, h.status) || h.rest != "" {
		w.t.Errorf("%s: the client hears %q as a complete response with the body %q and then %q, want one of %d or a cut",
			w.Why, h.octets, h.body, h.rest, w.Status)
	}
}
