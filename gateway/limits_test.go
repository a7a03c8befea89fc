package gateway

import (
	"net"
	"net/http"
	"strings"
	"testing"

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

func TestLimitUnauthenticated(t *testing.T) {
	b := start(t, settings{"limits": "{unauthenticatedPerSource: 1}"})
	idle, err := net.Dial("tcp", b.address)
	if err != nil {
		t.Fatal(err)
	}
	b.until("it is counted", func() bool { return b.metric(`limit_in_use{limit="unauthenticated"}`) == 1 })
	second, err := net.Dial("tcp", b.address)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if n, err := second.Read(make([]byte, 1)); err == nil {
		t.Errorf("Read = %d, want the connection to be closed", n)
	}
	line := b.audit.one(t, "event", "connection.refused")
	wantFields(t, line, "phase", "outer_tls", "reason", "unauthenticated_per_source")
	b.wantMetric(`limit_refused_total{limit="unauthenticated_per_source"}`, 1)
	idle.Close()
	b.until("it is given back", func() bool { return b.metric(`limit_in_use{limit="unauthenticated"}`) == 0 })
	b.open().mustAsk("/api/v1/pods")
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

func TestLimitHead(t *testing.T) {
	b := start(t, nil)
	n := b.open()
	if a := n.ask("/api/v1/pods", "X-Long: "+strings.Repeat("x", 17<<10)); a.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("answer %d, want 431", a.status)
	}
	b.audit.one(t, "event", "connection.closed") // and counted before that
	b.wantMetric(`limit_refused_total{limit="head"}`, 1)
}
