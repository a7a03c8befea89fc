package metrics

import (
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// exercise uses every metric once.
func exercise(m *Metrics) {
	m.WatchConnections(func() int { return 1 })
	m.Connection("connect", "refused")
	m.TunnelOpened()
	m.TunnelOpened()
	m.TunnelClosed("idle")
	m.Authentication("expired")
	m.Refusal("smuggling")
	m.Reload("certificate", nil)
	m.Reload("certificate", io.ErrUnexpectedEOF)
	m.Panic()
	m.AuditError()
	m.Spans("dropped", 2)
	m.CertificateExpiry("tls.crt", time.Unix(1900000000, 0))
	c := m.Cluster("prod")
	c.RequestStarted()
	c.RequestStarted()
	c.RequestDone(&Request{Verb: "list", Resource: []byte("pods"), Code: 200, Duration: 3 * time.Millisecond, Answered: time.Millisecond})
	c.AddBytes(10, 200)
	c.Dial("ok", 2*time.Millisecond)
	c.WatchPool(func() (idle, active int) { return 1, 0 })
	c.Retry("closed")
	c.Error("dial")
	c.Aborted("client-closed")
	c.StreamOpened("spdy")
	c.StreamOpened("websocket")
	c.StreamClosed("spdy", "recorded")
	c.Reachable(false)
	m.WatchReady(func() bool { return true })
	m.Draining()
	m.AcceptError()
	m.WatchLimit("connections", func() int { return 10 }, func() int { return 1 })
	m.LimitRefused("connections")
	c.WatchQueue(func() int { return 9 }, []string{"request"}, func(int) (inUse, waiting int) { return 2, 1 })
	c.QueueWait("request", time.Second)
	m.SigningKeysMaxAge(time.Hour)
	m.WatchRecordings(func() Recordings {
		return Recordings{Open: 3, Written: 1000, Unsynced: 2 * time.Second, Used: 5000, Quota: 6000, Free: 7000, MinFree: 800}
	})
	m.RecordingSynced(time.Millisecond)
	m.RecordingNotice("full")
}

const exercised = `
# HELP spliceway_accept_errors_total Errors in accepting connections after which the gateway paused, such as a lack of file descriptors.
# TYPE spliceway_accept_errors_total counter
spliceway_accept_errors_total 1
# HELP spliceway_audit_errors_total Audit events lost because they could not be written.
# TYPE spliceway_audit_errors_total counter
spliceway_audit_errors_total 1
# HELP spliceway_authentications_total Tokens and proofs verified, by result.
# TYPE spliceway_authentications_total counter
spliceway_authentications_total{result="expired"} 1
# HELP spliceway_certificate_expiry_timestamp_seconds When a certificate in use expires, in seconds since 1970.
# TYPE spliceway_certificate_expiry_timestamp_seconds gauge
spliceway_certificate_expiry_timestamp_seconds{certificate="tls.crt"} 1.9e+09
# HELP spliceway_connections_active Open client connections, in any phase.
# TYPE spliceway_connections_active gauge
spliceway_connections_active 1
# HELP spliceway_connections_total Client connections, by the phase they reached and its result.
# TYPE spliceway_connections_total counter
spliceway_connections_total{phase="connect",result="refused"} 1
# HELP spliceway_draining Whether the gateway is draining before it ends: 1 or 0.
# TYPE spliceway_draining gauge
spliceway_draining 1
# HELP spliceway_forwarded_bytes_total Octets of heads and bodies forwarded; up is towards the API server.
# TYPE spliceway_forwarded_bytes_total counter
spliceway_forwarded_bytes_total{cluster="prod",direction="down"} 200
spliceway_forwarded_bytes_total{cluster="prod",direction="up"} 10
# HELP spliceway_panics_total Panics caught; each ended one connection.
# TYPE spliceway_panics_total counter
spliceway_panics_total 1
# HELP spliceway_ready Whether /readyz reports the gateway as ready: 1 or 0.
# TYPE spliceway_ready gauge
spliceway_ready 1
# HELP spliceway_recording_store_free_bytes Free space in the file system of the store.
# TYPE spliceway_recording_store_free_bytes gauge
spliceway_recording_store_free_bytes 7000
# HELP spliceway_recording_store_min_free_bytes Free space below which no more sessions are recorded. Absent if there is no limit.
# TYPE spliceway_recording_store_min_free_bytes gauge
spliceway_recording_store_min_free_bytes 800
# HELP spliceway_recording_store_quota_bytes Size of the store at which no more sessions are recorded. Absent if there is no limit.
# TYPE spliceway_recording_store_quota_bytes gauge
spliceway_recording_store_quota_bytes 6000
# HELP spliceway_recording_store_used_bytes Size of all files in the store of recordings.
# TYPE spliceway_recording_store_used_bytes gauge
spliceway_recording_store_used_bytes 5000
# HELP spliceway_recording_unsynced_age_seconds Age of the oldest octet of a recording that may not be on disk yet; 0 if there is none.
# TYPE spliceway_recording_unsynced_age_seconds gauge
spliceway_recording_unsynced_age_seconds 2
# HELP spliceway_recording_written_bytes_total Octets of recordings written.
# TYPE spliceway_recording_written_bytes_total counter
spliceway_recording_written_bytes_total 1000
# HELP spliceway_recordings_open Recordings being written.
# TYPE spliceway_recordings_open gauge
spliceway_recordings_open 3
# HELP spliceway_refusals_total Requests that the gateway itself refused, through no fault of the API server, by reason.
# TYPE spliceway_refusals_total counter
spliceway_refusals_total{reason="smuggling"} 1
# HELP spliceway_reload_total Reloads of changed files, by kind of file and result.
# TYPE spliceway_reload_total counter
spliceway_reload_total{file="certificate",result="error"} 1
spliceway_reload_total{file="certificate",result="ok"} 1
spliceway_reload_total{file="configuration",result="error"} 0
spliceway_reload_total{file="signing-keys",result="error"} 0
spliceway_reload_total{file="token",result="error"} 0
spliceway_reload_total{file="tracing",result="error"} 0
spliceway_reload_total{file="upstream-tls",result="error"} 0
# HELP spliceway_requests_aborted_total Requests that ended before their response was complete, through no fault of the API server, by reason.
# TYPE spliceway_requests_aborted_total counter
spliceway_requests_aborted_total{cluster="prod",reason="client-closed"} 1
# HELP spliceway_requests_in_flight Requests being forwarded, including streams.
# TYPE spliceway_requests_in_flight gauge
spliceway_requests_in_flight{cluster="prod"} 1
# HELP spliceway_requests_total Requests that have ended, by verb, resource and the HTTP status that the client got.
# TYPE spliceway_requests_total counter
spliceway_requests_total{cluster="prod",code="200",resource="pods",verb="list"} 1
# HELP spliceway_streams_active Open upgraded streams.
# TYPE spliceway_streams_active gauge
spliceway_streams_active{cluster="prod",protocol="spdy"} 0
spliceway_streams_active{cluster="prod",protocol="websocket"} 1
# HELP spliceway_streams_total Upgraded streams that have ended, by protocol and the outcome of their recording.
# TYPE spliceway_streams_total counter
spliceway_streams_total{cluster="prod",outcome="failed",protocol="spdy"} 0
spliceway_streams_total{cluster="prod",outcome="failed",protocol="websocket"} 0
spliceway_streams_total{cluster="prod",outcome="recorded",protocol="spdy"} 1
# HELP spliceway_trace_spans_total Spans of traces, by outcome: sent; retried, which are sent again; dropped because the queue was full; failed because the collector did not answer or said no; rejected by a collector that took others.
# TYPE spliceway_trace_spans_total counter
spliceway_trace_spans_total{outcome="dropped"} 2
spliceway_trace_spans_total{outcome="failed"} 0
spliceway_trace_spans_total{outcome="rejected"} 0
spliceway_trace_spans_total{outcome="retried"} 0
spliceway_trace_spans_total{outcome="sent"} 0
# HELP spliceway_tunnels_active Open authenticated tunnels.
# TYPE spliceway_tunnels_active gauge
spliceway_tunnels_active 1
# HELP spliceway_tunnels_ended_total Authenticated tunnels that have ended, by reason.
# TYPE spliceway_tunnels_ended_total counter
spliceway_tunnels_ended_total{reason="idle"} 1
# HELP spliceway_upstream_connections Open connections to API servers, by state.
# TYPE spliceway_upstream_connections gauge
spliceway_upstream_connections{cluster="prod",state="active"} 0
spliceway_upstream_connections{cluster="prod",state="idle"} 1
# HELP spliceway_upstream_dials_total Connections made to API servers, by result.
# TYPE spliceway_upstream_dials_total counter
spliceway_upstream_dials_total{cluster="prod",result="ok"} 1
# HELP spliceway_upstream_errors_total Requests that failed because of the API server or the network to it, by reason.
# TYPE spliceway_upstream_errors_total counter
spliceway_upstream_errors_total{cluster="prod",reason="dial"} 1
# HELP spliceway_upstream_reachable Whether the API server could be reached when it was last tried: 1 or 0.
# TYPE spliceway_upstream_reachable gauge
spliceway_upstream_reachable{cluster="prod"} 0
# HELP spliceway_upstream_retries_total Requests sent again on another connection, by reason.
# TYPE spliceway_upstream_retries_total counter
spliceway_upstream_retries_total{cluster="prod",reason="closed"} 1
`

func TestMetricsExposition(t *testing.T) {
	m := New(Build{Version: "v1", Commit: "abc"})
	exercise(m)
	var names []string
	for line := range strings.Lines(exercised) {
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			names = append(names, strings.Fields(rest)[0])
		}
	}
	if err := testutil.GatherAndCompare(m.Registry(), strings.NewReader(exercised), names...); err != nil {
		t.Error(err)
	}
}

func TestMetricsLint(t *testing.T) {
	m := New(Build{Version: "v1", Commit: "abc"})
	exercise(m)
	m.SigningKeysFetched(time.Now())
	problems, err := testutil.GatherAndLint(m.Registry())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestHandlerServesAllFamilies(t *testing.T) {
	m := New(Build{Version: "v1.2.3", Commit: "abc"})
	exercise(m)
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body := w.Body.String()
	for _, want := range []string{
		`spliceway_build_info{commit="abc",go_version="go`, `version="v1.2.3"} 1`,
		`spliceway_request_duration_seconds_count{cluster="prod",verb="list"} 1`,
		`spliceway_upstream_dial_duration_seconds_count{cluster="prod"} 1`,
		`spliceway_upstream_response_seconds_count{cluster="prod"} 1`,
		`spliceway_recording_fsync_duration_seconds_count 1`,
		"go_goroutines", "process_start_time_seconds",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("GET /metrics lacks %q", want)
		}
	}
	if strings.Contains(body, "signing_keys_age") {
		t.Error("GET /metrics has an age of signing keys that were never fetched")
	}
}

// ageOf returns the age of the signing keys.
func ageOf(t *testing.T, m *Metrics) float64 {
	t.Helper()
	families, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "spliceway_signing_keys_age_seconds" {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatal("there is no age")
	return 0
}

func TestSigningKeysAge(t *testing.T) {
	m := New(Build{})
	m.SigningKeysFetched(time.Now().Add(-time.Hour))
	if got := ageOf(t, m); got < 3600 || got > 3700 {
		t.Errorf("age = %v, want about 3600", got)
	}
}

func TestRequestDoneLongRunningIsNotObserved(t *testing.T) {
	m := New(Build{})
	c := m.Cluster("prod")
	c.RequestStarted()
	c.RequestDone(&Request{Verb: "watch", Code: 200, LongRunning: true, Duration: time.Hour, Answered: time.Hour})
	if n, err := testutil.GatherAndCount(m.Registry(), "spliceway_request_duration_seconds"); err != nil || n != 0 {
		t.Errorf("%d histograms (%v), want none", n, err)
	}
	if got := testutil.ToFloat64(c.inFlight); got != 0 {
		t.Errorf("in flight = %v, want 0", got)
	}
}

func TestRequestDoneBounds(t *testing.T) {
	for _, row := range []struct {
		verb, group, resource, subresource string
		code                               int
		want                               string // code, resource, verb
	}{
		{"get", "", "", "", 100, "100 none get"},
		{"get", "", "", "", 101, "101 none get"},
		{"get", "", "", "", 511, "511 none get"},
		{"get", "", "", "", 599, "other none get"},
		{"get", "", "", "", 99, "other none get"},
		{"get", "", "", "", 0, "other none get"},
		{"get", "", "", "", -1, "other none get"},
		{"", "", "", "", 200, "200 none other"},
		{"GET", "", "", "", 200, "200 none other"},
		{"\xff\xfe", "", "\xff", "", 200, "200 other other"},
		{"deletecollection", "", "pods", "", 200, "200 pods deletecollection"},
		{"create", "", "pods", "exec", 101, "101 pods/exec create"},
		{"get", "", "pods", "status", 200, "200 pods get"},
		{"get", "", "secrets", "exec", 404, "404 secrets get"},
		{"get", "apps", "deployments", "scale", 200, "200 deployments get"},
		{"get", "", "deployments", "", 404, "404 other get"}, // a group that has none
		{"get", "serving.example.com", "services", "", 200, "200 other get"},
		{"get", "serving.example.com", "pods", "exec", 200, "200 other get"},
		{"get", "", "none", "", 404, "404 other get"},
		{"list", "events.k8s.io", "events", "", 200, "200 events list"},
		{"list", "", "events", "", 200, "200 events list"},
	} {
		m := New(Build{})
		m.Cluster("c").RequestDone(&Request{Verb: row.verb, Group: []byte(row.group), Resource: []byte(row.resource),
			Subresource: []byte(row.subresource), Code: row.code, Duration: time.Second})
		f := strings.Fields(row.want)
		want := fmt.Sprintf("# HELP spliceway_requests_total Requests that have ended, by verb, resource and the HTTP status that the client got.\n"+
			"# TYPE spliceway_requests_total counter\nspliceway_requests_total{cluster=\"c\",code=%q,resource=%q,verb=%q} 1\n", f[0], f[1], f[2])
		if err := testutil.GatherAndCompare(m.Registry(), strings.NewReader(want), "spliceway_requests_total"); err != nil {
			t.Errorf("RequestDone(%+v): %v", row, err)
		}
	}
}

// Whatever clients ask for, the series of a cluster stay as many as verbs, resources
// and status codes allow, and those of no resource of Kubernetes don't add any.
func TestRequestDoneInvented(t *testing.T) {
	m := New(Build{})
	c := m.Cluster("c")
	for i := range 1000 {
		name := []byte(fmt.Sprint("invented", i))
		c.RequestDone(&Request{Verb: string(name), Group: name, Resource: name, Subresource: name, Code: 1000 + i})
		c.RequestDone(&Request{Verb: "get", Resource: name, Code: 404})
	}
	if n, _ := testutil.GatherAndCount(m.Registry(), "spliceway_requests_total"); n != 2 {
		t.Errorf("%d series, want 2", n)
	}
}

func TestWordsAreBounded(t *testing.T) {
	m := New(Build{})
	for i := range 10 * maxWords {
		m.Refusal(fmt.Sprint("reason-", i))
	}
	m.Refusal("\xff not utf-8")
	m.Refusal(strings.Repeat("x", maxWordSize+1))
	if n, _ := testutil.GatherAndCount(m.Registry(), "spliceway_refusals_total"); n != maxWords+1 {
		t.Errorf("%d series, want %d", n, maxWords+1)
	}
	if got, want := testutil.ToFloat64(m.refusals.with("other")), float64(9*maxWords+2); got != want {
		t.Errorf("refusals of other = %v, want %v", got, want)
	}
	if got := testutil.ToFloat64(m.refusals.with("reason-7")); got != 1 {
		t.Errorf("refusals of an early word = %v, want 1", got)
	}
}

func TestClustersAreNotBounded(t *testing.T) {
	m := New(Build{})
	for i := range 2 * maxWords {
		m.Cluster(fmt.Sprint("cluster-", i)).Retry("closed")
	}
	if n, _ := testutil.GatherAndCount(m.Registry(), "spliceway_upstream_retries_total"); n != 2*maxWords {
		t.Errorf("%d series, want %d", n, 2*maxWords)
	}
}

func TestAddBytesNegative(t *testing.T) {
	c := New(Build{}).Cluster("prod")
	c.AddBytes(-1, 5)
	if up, down := testutil.ToFloat64(c.bytesUp), testutil.ToFloat64(c.bytesDown); up != 0 || down != 5 {
		t.Errorf("AddBytes(-1, 5) counted %v, %v, want 0, 5", up, down)
	}
}

func TestConcurrentFirstUse(t *testing.T) {
	m := New(Build{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for code := 400; code < 419; code++ {
				m.Cluster("prod").RequestDone(&Request{Verb: "get", Code: code, Duration: time.Millisecond})
			}
		})
	}
	wg.Wait()
	for code := 400; code < 419; code++ {
		counter := m.Cluster("prod").verbs["get"].counter(m.Cluster("prod"), placeNone, code)
		if got := testutil.ToFloat64(counter); got != 8 {
			t.Fatalf("code %d counted %v times, want 8", code, got)
		}
	}
}
