package gateway

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spliceway/spliceway/audit"
)

// Load balancers connect every few seconds and leave without a word. They are
// counted, and must not fill the audit log.
func TestObserveSilentProbes(t *testing.T) {
	b := start(t, nil)
	raw, err := net.Dial("tcp", b.address)
	if err != nil {
		t.Fatal(err)
	}
	raw.Close()
	b.dial("").Close()
	if a := b.dial("").send("GET /healthz HTTP/1.1\r\nHost: gw\r\n\r\n"); a.status != http.StatusOK {
		t.Errorf("GET /healthz = %d, want 200", a.status)
	}
	// Somebody who begins to speak and leaves is told of, and comes last.
	o := b.dial("")
	io.WriteString(o, "CONNECT prod.test")
	o.Close()
	wantFields(t, b.audit.one(t, "event", "connection.refused"), "phase", "connect", "reason", "closed")
	b.until("all probes are counted", func() bool {
		return b.metric(`connections_total{phase="outer_tls",result="closed"}`) == 1 &&
			b.metric(`connections_total{phase="connect",result="closed"}`) == 2
	})
	b.wantMetric(`connections_total{phase="connect",result="healthz"}`, 1)
	if n := len(b.audit.find(func(event) bool { return true })); n != 1 {
		t.Errorf("the audit log has %d lines, want one:\n%s", n, b.audit)
	}
}

// A client that does not trust the certificate of the inner TLS fails when it is
// known who it is.
func TestObserveInnerHandshakeFails(t *testing.T) {
	b := start(t, nil)
	o := b.dial("")
	if a := o.send(connectHead(prodTarget, b.token(), o.proof())); a.status != http.StatusOK {
		t.Fatalf("CONNECT = %d, want 200", a.status)
	}
	inner := tls.Client(o, &tls.Config{RootCAs: b.api.ca.Pool(), ServerName: prodAlias})
	if err := inner.Handshake(); err == nil {
		t.Fatal("the handshake succeeds with an authority that is not the gateway's")
	}
	line := b.audit.one(t, "event", "connection.refused")
	wantFields(t, line, "phase", "inner_tls", "reason", "rejected", "user", "ann@example.com", "cluster", "prod", "grant", "r-1")
	if !strings.Contains(line.text("error"), "bad certificate") {
		t.Errorf("error = %q, want what the client says", line.text("error"))
	}
	if n := len(b.audit.find(where("event", "connection.opened"))); n != 0 {
		t.Errorf("%d connections were opened, want none", n)
	}
	b.wantMetric(`connections_total{phase="inner_tls",result="rejected"}`, 1)
	b.wantMetric(`authentications_total{result="ok"}`, 1)
}

// exhausted is a listener that at first has no files for a connection.
type exhausted struct {
	net.Listener
	failures int
}

func (l *exhausted) Accept() (net.Conn, error) {
	if l.failures > 0 {
		l.failures--
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
	}
	return l.Listener.Accept()
}

func TestObserveAcceptErrors(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := newBed(t)
	b.prepare(settings{"listen": `"` + l.Addr().String() + `"`})
	b.runIn(Process{Sockets: map[string][]net.Listener{SocketGateway: {&exhausted{l, 3}}}})
	b.open().mustAsk("/api")
	b.wantMetric("accept_errors_total", 3)
	b.log.one(t, "message", "accepting connections fails, trying again", "level", "error")
}

// A fault of ours in one request is the end of its connection, and of no other.
func TestObservePanic(t *testing.T) {
	b := newBed(t)
	b.prepare(nil)
	backend := b.gateway.current.Load().backends["prod"]
	done := backend.conn.Done
	backend.conn.Done = func(r *audit.Request) {
		done(r)
		if string(r.Info.Path) == "/api/v1/panic" {
			panic("a fault of ours")
		}
	}
	b.run()
	victim, other := b.open(), b.open()
	victim.ask("/api/v1/panic")
	io.Copy(io.Discard, victim.r) // until it ends
	other.mustAsk("/api/v1/pods")
	b.open().mustAsk("/api/v1/pods")
	closed := b.audit.one(t, "event", "connection.closed")
	wantFields(t, closed, "reason", "panic", "blame", "gateway", "user", "ann@example.com")
	logged := b.log.one(t, "message", "panic while serving a connection")
	wantFields(t, logged, "conn_id", closed.text("conn_id"), "error", "a fault of ours")
	b.until("the panic is counted", func() bool { return b.metric("panics_total") == 1 })
	b.wantMetric("tunnels_active", 2)
	if n := len(b.audit.find(where("event", "connection.refused"))); n != 0 {
		t.Errorf("%d refusals, want none: the connection was opened", n)
	}
}

func TestObserveMetrics(t *testing.T) {
	b := start(t, nil)
	b.api.on("/apis/stream", echo)
	n, stream := b.open(), b.open()
	n.mustAsk("/api/v1/pods")
	n.mustAsk("/api/v1/namespaces/default/pods/web")
	stream.startStream("/apis/stream")
	stream.wantEcho("hello")
	for series, want := range map[string]float64{
		`build_info{commit="c1",go_version="` + runtime.Version() + `",version="v1"}`: 1,
		`connections_active`:                 2,
		`tunnels_active`:                     2,
		`ready`:                              1,
		`upstream_reachable{cluster="prod"}`: 1,
		`upstream_response_seconds_count{cluster="prod"}`:                       2,
		`signing_keys_max_age_seconds`:                                          24 * 60 * 60,
		`authentications_total{result="ok"}`:                                    2,
		`connections_total{phase="inner_tls",result="ok"}`:                      2,
		`requests_total{cluster="prod",code="200",resource="pods",verb="list"}`: 1,
		`requests_total{cluster="prod",code="200",resource="pods",verb="get"}`:  1,
		`requests_in_flight{cluster="prod"}`:                                    1,
		`streams_active{cluster="prod",protocol="spdy"}`:                        1,
		`upstream_connections{cluster="prod",state="active"}`:                   1,
		`upstream_connections{cluster="prod",state="idle"}`:                     1,
	} {
		b.wantMetric(series, want)
	}
	expiry := time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC)
	b.wantMetric(`certificate_expiry_timestamp_seconds{certificate="`+b.dir+`/tls.crt"}`, float64(expiry.Unix()))
	if age := b.metric("signing_keys_age_seconds"); age <= 0 || age > 60 {
		t.Errorf("signing_keys_age_seconds = %v, want the moment since the start", age)
	}
	n.Close()
	stream.Close()
	b.until("all connections have ended", func() bool { return b.metric("connections_active") == 0 })
	for series, want := range map[string]float64{
		`tunnels_active`:                                                 0,
		`requests_in_flight{cluster="prod"}`:                             0,
		`streams_active{cluster="prod",protocol="spdy"}`:                 0,
		`upstream_connections{cluster="prod",state="active"}`:            0,
		`streams_total{cluster="prod",outcome="exempt",protocol="spdy"}`: 1,
	} {
		b.wantMetric(series, want)
	}
	if up, down := b.metric(`forwarded_bytes_total{cluster="prod",direction="up"}`),
		b.metric(`forwarded_bytes_total{cluster="prod",direction="down"}`); up < 500 || down < 300 {
		t.Errorf("%v octets up and %v down, want at least the heads", up, down)
	}
}

// Each request that does not end in order is counted once, as whoever's doing it
// was.
func TestObserveFaults(t *testing.T) {
	refused, aborted, upstream := "refusals_total", "requests_aborted_total", "upstream_errors_total"
	for _, row := range []struct {
		name    string
		request audit.Request
		want    string // the series that counts it; empty: none
	}{
		{"in-order", audit.Request{Status: 200}, ""},
		{"error-of-the-api-server", audit.Request{Status: 404, AuditID: []byte("a")}, ""},
		{"malformed", audit.Request{Status: 400, Blame: audit.BlameClient, Reason: "r"}, refused},
		{"gone-before-an-answer", audit.Request{Blame: audit.BlameClient, Reason: "r"}, aborted},
		{"gone-during-an-answer", audit.Request{Status: 200, Blame: audit.BlameClient, Reason: "r", AuditID: []byte("a")}, aborted},
		{"gone-during-an-error", audit.Request{Status: 404, Blame: audit.BlameClient, Reason: "r", AuditID: []byte("a")}, aborted},
		{"token-expired", audit.Request{Status: 101, Reason: "r"}, aborted},
		{"credential-refused", audit.Request{Status: 502, Blame: audit.BlameGateway, Reason: "r", AuditID: []byte("a")}, refused},
		{"recorder-refuses", audit.Request{Status: 503, Blame: audit.BlameRecorder, Reason: "r"}, refused},
		{"recorder-fails", audit.Request{Status: 101, Blame: audit.BlameRecorder, Reason: "r"}, aborted},
		{"api-server-down", audit.Request{Status: 502, Blame: audit.BlameUpstream, Reason: "r"}, upstream},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBed(t)
			b.prepare(nil)
			b.run()
			backend := b.gateway.current.Load().backends["prod"]
			backend.metrics.RequestStarted()
			row.request.Connection = &audit.Connection{}
			backend.done(&row.request)
			for _, name := range []string{refused, aborted, upstream} {
				want := 0.0
				if name == row.want {
					want = 1
				}
				labels := `{cluster="prod",reason="r"}`
				if name == refused {
					labels = `{reason="r"}`
				}
				b.wantMetric(name+labels, want)
			}
		})
	}
}

// A client that leaves in the middle of an answer is aborted, one that can't
// speak HTTP is refused.
func TestObserveAbortedAndRefused(t *testing.T) {
	b := start(t, nil)
	begun := make(chan struct{})
	b.api.on("/slow", func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
	})
	gone := b.open()
	gone.begin("/slow")
	<-begun
	gone.Close()
	wantFields(t, b.audit.one(t, "event", "request"), "reason", "client-closed", "blame", "client")
	b.wantMetric(`requests_aborted_total{cluster="prod",reason="client-closed"}`, 1)
	b.wantMetric(`refusals_total{reason="client-closed"}`, 0)

	if a := b.open().ask("/api", "Content-Length: 1", "Content-Length: 2"); a.status != http.StatusBadRequest {
		t.Errorf("two lengths = %d, want 400", a.status)
	}
	b.audit.one(t, "event", "request", "reason", "malformed") // which is written behind the count
	b.wantMetric(`refusals_total{reason="malformed"}`, 1)
}
