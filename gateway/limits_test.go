package gateway

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/spliceway/spliceway/authn"
)

func TestLimitConnectionsPerUser(t *testing.T) {
	b := start(t, settings{"limits": "{connectionsPerUser: 2}"})
	first, second := b.open(), b.open()
	o := b.dial("")
	a := o.send(connectHead(prodTarget, b.token(), o.proof()))
	if a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") != "" || strings.TrimSpace(a.body) != reasonConnections {
		t.Errorf("third CONNECT = %d %q, want 429 %s", a.status, a.body, reasonConnections)
	}
	line := b.audit.one(t, "event", "connection.refused")
	wantFields(t, line, "reason", reasonConnections, "user", "ann@example.com", "cluster", "prod", "phase", "authn")
	other := b.open(func(c *authn.Claims) { c.User.Username = "bob@example.com" })
	other.mustAsk("/api/v1/pods")
	b.wantMetric(`limit_refused_total{limit="connections_per_user"}`, 1)
	b.wantMetric(`limit_in_use{limit="connections_per_user"}`, 2)
	b.wantMetric(`limit{limit="connections_per_user"}`, 2)
	first.Close()
	b.until("the connection is given back", func() bool { return b.metric(`limit_in_use{limit="connections_per_user"}`) == 1 })
	b.open().mustAsk("/api/v1/pods")
	second.mustAsk("/api/v1/pods")
}

// Beyond limits.connections nobody is accepted: who comes waits in the kernel.
func TestLimitConnections(t *testing.T) {
	b := start(t, settings{"limits": "{connections: 2}"})
	first, second := b.open(), b.open()
	b.until("the limit is counted", func() bool { return b.metric(`limit_refused_total{limit="connections"}`) == 1 })
	waits := make(chan *outer, 1)
	go func() { waits <- b.dial("") }() // until first is closed
	first.mustAsk("/api/v1/pods")
	second.mustAsk("/api/v1/pods")
	b.wantMetric("connections_active", 2)
	select {
	case <-waits:
		t.Error("a third connection is served beside two")
	default:
	}
	first.Close()
	(<-waits).Close()
	second.mustAsk("/api/v1/pods")
}

// Beyond these limits a connection is closed before it has cost a handshake.
func TestLimitBeforeTLS(t *testing.T) {
	for limits, word := range map[string]string{
		"{connectionsPerSource: 2}":                         "connections_per_source",
		"{unauthenticated: 2, unauthenticatedPerSource: 0}": "unauthenticated",
		"{unauthenticatedPerSource: 2}":                     "unauthenticated_per_source",
	} {
		t.Run(word, func(t *testing.T) {
			b := start(t, settings{"limits": limits})
			first := b.dial("")
			b.dial("")
			b.wantMetric(`limit_in_use{limit="`+word+`"}`, 2)
			third, err := net.Dial("tcp", b.address)
			if err != nil {
				t.Fatal(err)
			}
			defer third.Close()
			third.SetDeadline(time.Now().Add(patience))
			if got, err := io.ReadAll(third); len(got) > 0 || err != nil {
				t.Errorf("the third connection gives %q, %v, want it to be closed", got, err)
			}
			wantFields(t, b.audit.one(t, "event", "connection.refused"), "phase", "outer_tls", "reason", word)
			b.wantMetric(`limit_refused_total{limit="`+word+`"}`, 1)
			b.wantMetric(`connections_total{phase="outer_tls",result="limited"}`, 1)
			first.Close()
			b.until("it is given back", func() bool { return b.metric(`limit_in_use{limit="`+word+`"}`) == 1 })
			b.open().mustAsk("/api/v1/pods")
		})
	}
}

// wantOverload wants a refusal that kubectl prints at once, on a connection that goes on.
func wantOverload(t *testing.T, a answer, status int, says string) {
	t.Helper()
	if a.status != status || a.last || a.header.Get("Retry-After") != "" ||
		!strings.Contains(a.body, `"kind":"Status"`) || !strings.Contains(a.body, says) {
		t.Errorf("answer %d %q (last: %v), want %d that says %q, and the connection to go on", a.status, a.body, a.last, status, says)
	}
}

func TestLimitRequestRate(t *testing.T) {
	b := start(t, settings{"limits": "{requestRate: 1, requestBurst: 2}"})
	n, m := b.open(), b.open()
	refused := 0
	for range 2 {
		n.mustAsk("/api/v1/pods")
	}
	for range 3 { // one more may come in each second that this takes
		if a := m.ask("/api/v1/pods"); a.status != http.StatusOK {
			wantOverload(t, a, http.StatusTooManyRequests, "too many requests in too short a time")
			refused++
		}
	}
	b.open(func(c *authn.Claims) { c.User.Username = "bob@example.com" }).mustAsk("/api/v1/pods")
	if refused == 0 {
		t.Skip("this machine takes a second for each request")
	}
	b.wantMetric(`limit_refused_total{limit="request_rate"}`, float64(refused))
	wantFields(t, b.audit.wait(t, refused, where("reason", "request-rate"))[0], "event", "request", "user", "ann@example.com", "blame", "gateway")
	b.until("requests are allowed again", func() bool { return m.ask("/api/v1/pods").status == http.StatusOK })
}

func TestLimitStreamsPerUser(t *testing.T) {
	b := start(t, settings{"limits": "{streamsPerUser: 1}"})
	b.api.on("/apis/stream", echo)
	stream, n := b.open(), b.open()
	stream.startStream("/apis/stream")
	stream.wantEcho("hello")
	wantOverload(t, n.ask("/api/v1/pods?watch=true"), http.StatusTooManyRequests, "too many watches and sessions")
	n.mustAsk("/api/v1/pods")
	b.wantMetric(`limit_refused_total{limit="streams_per_user"}`, 1)
	b.wantMetric(`limit_in_use{limit="streams_per_user"}`, 1)
	stream.Close()
	b.until("the stream is given back", func() bool { return b.metric(`limit_in_use{limit="streams_per_user"}`) == 0 })
	again := b.open()
	again.startStream("/apis/stream")
	again.wantEcho("again")
}

// A stream does not take the place that is kept for short requests.
func TestLimitUpstream(t *testing.T) {
	b := start(t, settings{"limits": "{upstream: 2, queue: 1}", "timeouts": "{queue: 50ms}"})
	b.api.on("/apis/stream", echo)
	stream, n := b.open(), b.open()
	stream.startStream("/apis/stream")
	stream.wantEcho("hello")
	wantOverload(t, n.ask("/api/v1/pods?watch=true"), http.StatusServiceUnavailable, "too many requests wait")
	n.mustAsk("/api/v1/pods")
	b.wantMetric(`limit_refused_total{limit="queue_time"}`, 1)
	b.wantMetric(`upstream_queue_wait_seconds_count{cluster="prod",kind="stream"}`, 1)
	b.wantMetric(`upstream_in_use{cluster="prod",kind="stream"}`, 1)
	b.wantMetric(`upstream_limit{cluster="prod"}`, 2)
	stream.Close()
	b.until("the place is given back", func() bool { return b.metric(`upstream_in_use{cluster="prod",kind="stream"}`) == 0 })
	again := b.open()
	again.startStream("/apis/stream")
	again.wantEcho("again")
}

// hold has the API server answer a path when release is closed, and asks for it in
// two tunnels, which takes both places of limits.upstream 2.
func hold(b *bed, path string) (release chan struct{}) {
	b.t.Helper()
	release = make(chan struct{})
	b.api.on(path, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	for range 2 {
		b.open().begin(path)
	}
	b.until("both places are taken", func() bool { return b.metric(`upstream_in_use{cluster="prod",kind="request"}`) == 2 })
	return release
}

// So many may wait, and not one more.
func TestLimitQueue(t *testing.T) {
	b := start(t, settings{"limits": "{upstream: 2, queue: 1}", "timeouts": "{queue: 10m}"})
	release := hold(b, "/api/slow")
	waits, n := b.open(), b.open()
	waits.begin("/api/waits")
	b.until("one waits", func() bool { return b.metric(`upstream_queue_length{cluster="prod",kind="request"}`) == 1 })
	wantOverload(t, n.ask("/api/v1/pods"), http.StatusServiceUnavailable, "too many requests wait")
	b.wantMetric(`limit_refused_total{limit="queue"}`, 1)
	b.wantMetric(`refusals_total{reason="queue-full"}`, 1)
	close(release)
	if a := readAnswer(t, waits.r, http.MethodGet); a.status != http.StatusOK {
		t.Errorf("who has waited gets %d %q, want 200", a.status, a.body)
	}
	n.mustAsk("/api/v1/pods")
}

// Of the connections that two requests leave behind, as many are kept as may be.
func TestLimitIdleUpstream(t *testing.T) {
	b := start(t, settings{"limits": "{upstream: 2, idleUpstream: 1}"})
	close(hold(b, "/api/slow"))
	b.until("both requests have ended", func() bool {
		return b.metric(`requests_in_flight{cluster="prod"}`) == 0 && b.metric(`upstream_connections{cluster="prod",state="active"}`) == 0
	})
	b.wantMetric(`upstream_connections{cluster="prod",state="idle"}`, 1)
}

// A client that vanishes while its request waits leaves the queue, and nobody asks
// the API server for it.
func TestLimitQueueForgetsWhoIsGone(t *testing.T) {
	b := start(t, settings{"limits": "{upstream: 2, queue: 4}", "timeouts": "{queue: 10m}"})
	release := hold(b, "/api/slow")
	gone, stays := b.open(), b.open()
	gone.begin("/api/gone")
	waiting := func(n float64) func() bool {
		return func() bool { return b.metric(`upstream_queue_length{cluster="prod",kind="request"}`) == n }
	}
	b.until("one waits", waiting(1))
	stays.begin("/api/stays")
	b.until("two wait", waiting(2))
	gone.Close()
	b.until("one has left", waiting(1))
	wantFields(t, b.audit.one(t, "event", "request"), "path", "/api/gone", "reason", "client-closed", "blame", "client")
	close(release)
	if a := readAnswer(t, stays.r, http.MethodGet); a.status != http.StatusOK {
		t.Errorf("who has stayed gets %d %q, want 200", a.status, a.body)
	}
	b.wantMetric(`requests_aborted_total{cluster="prod",reason="client-closed"}`, 1)
	for _, r := range b.api.requests() {
		if r.URL.Path == "/api/gone" {
			t.Error("the API server was asked for what nobody waits for")
		}
	}
}

// A shape is a message with one thing in it that a limit is about.
type shape struct {
	key  string // of limits
	most int
	make func(first string, n int) (fields, trailer string)
}

// fieldLines are n octets of field lines, none of them longer than 200.
func fieldLines(n int) (all string) {
	for ; n > 200; n -= 100 {
		all += field(100)
	}
	return all + field(n)
}

// field is a field line of n octets.
func field(n int) string { return "X: " + strings.Repeat("x", n-len("X: \r\n")) + "\r\n" }

// shapes are for messages whose first lines have two fields.
var shapes = []shape{
	{"line", 300, func(_ string, n int) (string, string) { return field(n), "" }},
	{"fields", 16, func(_ string, n int) (string, string) { return strings.Repeat("X: x\r\n", n-2), "" }},
	{"head", 1024, func(first string, n int) (string, string) { return fieldLines(n - len(first) - len("\r\n")), "" }},
	{"trailer", 256, func(_ string, n int) (string, string) { return "", fieldLines(n) }},
}

// message is one without content.
func (s *shape) message(first string, n int) string {
	fields, trailer := s.make(first, n)
	return first + fields + "\r\n0\r\n" + trailer + "\r\n"
}

const fewOctets = "{line: 300B, fields: 16, head: 1KiB, trailer: 256B}"

func TestLimitHead(t *testing.T) {
	b := start(t, settings{"limits": fewOctets})
	refused := 0
	want := func(octets, status, what string) {
		t.Helper()
		if got := b.raw(octets); !strings.HasPrefix(got, status) {
			t.Errorf("%s is answered %q, want %s", what, got, status)
		}
		if status != "200" {
			refused++
			b.until("it is counted", func() bool { return b.metric(`limit_refused_total{limit="head"}`) == float64(refused) })
		}
	}
	const first = "POST /api HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
	for _, s := range shapes {
		want(s.message(first, s.most), "200", s.key+" at its limit")
		want(s.message(first, s.most+1), "431", s.key+" beyond its limit")
	}
	get := func(n int) string {
		return "GET /" + strings.Repeat("a", n-len("GET / HTTP/1.1\r\n")) + " HTTP/1.1\r\nHost: a\r\n\r\n"
	}
	want(get(300), "200", "a first line at its limit")
	want(get(301), "414", "a first line beyond its limit")
}

// What is too large of an API server's answer is refused as any other that is not valid.
func TestLimitHeadOfResponse(t *testing.T) {
	b := start(t, settings{"limits": fewOctets})
	const first = "HTTP/1.1 200 OK\r\nDate: today\r\nTransfer-Encoding: chunked\r\n"
	for i, s := range shapes {
		for beyond, status := range []int{http.StatusOK, http.StatusBadGateway} {
			b.api.on("/api/"+s.key, func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := w.(http.Hijacker).Hijack()
				if err != nil {
					panic(err)
				}
				defer conn.Close()
				io.WriteString(conn, s.message(first, s.most+beyond))
			})
			a := b.open().ask("/api/" + s.key)
			if cut := a.status == http.StatusOK && a.err != nil; a.status != status && !cut || cut && beyond == 0 {
				t.Errorf("%s of %d is answered %d, %v, want %d", s.key, s.most+beyond, a.status, a.err, status)
			}
		}
		b.until("it is counted", func() bool {
			return b.metric(`upstream_errors_total{cluster="prod",reason="bad-response"}`) == float64(i+1)
		})
	}
}
