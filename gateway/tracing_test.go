package gateway

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collectorpb "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector is a real one, as far as its front goes.
type collector struct {
	*httptest.Server
	t *testing.T

	mu     sync.Mutex
	bodies []string // guarded by mu
	spans  []span   // guarded by mu
}

// span is one that a collector has got.
type span struct {
	*otlp.Span
	attributes map[string]string
}

func newCollector(t *testing.T) *collector {
	c := &collector{t: t}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

// ServeHTTP takes everything.
func (c *collector) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var export collectorpb.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &export)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		c.t.Errorf("an export to %s: %v", r.URL.Path, err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bodies = append(c.bodies, string(body))
	for _, resource := range export.ResourceSpans {
		for _, scope := range resource.ScopeSpans {
			for _, s := range scope.Spans {
				c.spans = append(c.spans, newSpan(s))
			}
		}
	}
}

func newSpan(s *otlp.Span) span {
	made := span{s, make(map[string]string)}
	for _, a := range s.Attributes {
		made.attributes[a.Key] = a.Value.GetStringValue()
		if made.attributes[a.Key] == "" {
			made.attributes[a.Key] = fmt.Sprint(a.Value.GetIntValue())
		}
	}
	return made
}

// octets are those of all exports.
func (c *collector) octets() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.bodies, "")
}

// one wants one span of a name, and returns it.
func (c *collector) one(name string) span {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	var found []span
	for _, s := range c.spans {
		names = append(names, s.Name)
		if s.Name == name {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		c.t.Fatalf("the spans are %q, want one %s among them", names, name)
	}
	return found[0]
}

// wants wants attributes of a span: name, value, name, value.
func (s *span) wants(t *testing.T, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if got := s.attributes[pairs[i]]; got != pairs[i+1] {
			t.Errorf("%s has %s=%q, want %q; all: %v", s.Name, pairs[i], got, pairs[i+1], s.attributes)
		}
	}
}

// to is the configuration of traces to an endpoint.
func to(endpoint, more string) string { return fmt.Sprintf("{endpoint: %q%s}", endpoint, more) }

const (
	clientTrace  = "0af7651916cd43dd8448eb211c80319c"
	clientParent = "00-" + clientTrace + "-b7ad6b7169203331-01"
	podPath      = "/api/v1/namespaces/shop/pods/web-1"
)

// A span says what the audit log says, belongs to the trace of the client, and is the
// parent of what the API server does.
func TestTraceRequest(t *testing.T) {
	c := newCollector(t)
	b := start(t, settings{"tracing": to(c.URL, ", ratio: 0")})
	n := b.open()
	n.mustAsk("/version") // belongs to no trace, and is not sampled
	if a := n.ask(podPath+"?pretty=secret", "traceparent: "+clientParent, "tracestate: a=1"); a.status != http.StatusOK {
		t.Fatalf("the GET = %d %q, want 200", a.status, a.body)
	}
	n.Close()
	b.audit.one(t, "event", "connection.closed")
	if err := b.stop(); err != nil {
		t.Errorf("Run = %v", err)
	}
	s := c.one("GET pods")
	if len(c.spans) != 1 || hex.EncodeToString(s.TraceId) != clientTrace || hex.EncodeToString(s.ParentSpanId) != "b7ad6b7169203331" ||
		s.Kind != otlp.Span_SPAN_KIND_SERVER || s.Status.GetCode() != otlp.Status_STATUS_CODE_UNSET || s.EndTimeUnixNano < s.StartTimeUnixNano {
		t.Errorf("%d spans: %v", len(c.spans), s.Span)
	}
	told := b.audit.one(t, "event", "request", "path", podPath)
	s.wants(t, "http.request.method", "GET", "http.response.status_code", "200", "url.path", podPath, "url.scheme", "https",
		"client.address", "127.0.0.1", "user.name", "ann@example.com", "k8s.cluster.name", "prod", "spliceway.verb", "get",
		"k8s.namespace.name", "shop", "spliceway.resource", "pods", "spliceway.name", "web-1", "spliceway.api_version", "v1",
		"spliceway.conn_id", told.text("conn_id"), "spliceway.request_id", told.text("request_id"), "spliceway.audit_id", told.text("audit_id"))
	if strings.Contains(c.octets(), "secret") {
		t.Error("the span has the query")
	}
	if len(s.Attributes) > maxAttributes {
		t.Errorf("%d attributes, and there is room for %d", len(s.Attributes), maxAttributes)
	}
	if told.text("trace_id") != clientTrace {
		t.Errorf("the audit log has %v, want the trace's id", told)
	}
	asked := b.api.requests()
	want := []string{"00-" + clientTrace + "-" + hex.EncodeToString(s.SpanId) + "-01"}
	if got := asked[1].Header["Traceparent"]; !slices.Equal(got, want) || asked[1].Header.Get("Tracestate") != "a=1" {
		t.Errorf("the API server gets %q %q, want %q", got, asked[1].Header["Tracestate"], want)
	}
	if got := asked[0].Header.Get("Traceparent"); len(got) != 55 || !strings.HasSuffix(got, "-00") {
		t.Errorf("the API server gets %q, want a trace that is not sampled", got)
	}
}

// Without tracing nothing is looked at.
func TestTraceOff(t *testing.T) {
	b := start(t, nil)
	n := b.open()
	defer n.Close()
	n.mustAsk(podPath, "traceparent: "+clientParent, "tracestate: a=1")
	n.mustAsk(podPath, "traceparent: bad", "traceparent: "+clientParent)
	n.mustAsk(podPath)
	asked := b.api.requests()
	for i, want := range [][]string{{clientParent}, {"bad", clientParent}, nil} {
		if got := asked[i].Header["Traceparent"]; !slices.Equal(got, want) {
			t.Errorf("the API server gets %q, want %q", got, want)
		}
	}
	if asked[0].Header.Get("Tracestate") != "a=1" || strings.Contains(b.audit.String(), "trace_id") {
		t.Errorf("the state is %q; audit:\n%s", asked[0].Header.Get("Tracestate"), b.audit)
	}
}

// What did not end in order says so; only what is not the client's fault has failed.
func TestTraceFaults(t *testing.T) {
	c := newCollector(t)
	b := start(t, settings{"tracing": to(c.URL, "")})
	b.api.on(podPath, func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) })
	b.api.on("/apis/apps/v1/deployments", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	b.api.on("/apis/example.com/v1/made-up", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	for _, request := range []string{"PATCH " + podPath, "GET /apis/apps/v1/deployments", "PUT /apis/example.com/v1/made-up"} {
		n := b.open()
		io.WriteString(n, request+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		io.ReadAll(n.r)
		n.Close()
	}
	b.raw("no request at all\r\n\r\n")
	o := b.dial("")
	if a := o.send(connectHead("elsewhere.test:443", b.token(), o.proof())); a.status != http.StatusBadRequest {
		t.Errorf("CONNECT = %d, want 400", a.status)
	}
	if err := b.stop(); err != nil {
		t.Errorf("Run = %v", err)
	}
	for _, row := range []struct {
		name, status, fault, blame string
		failed                     bool
	}{
		{"PATCH pods", "502", "upstream-closed", "upstream", true},
		{"GET deployments", "403", "", "", false},
		{"PUT", "500", "500", "", true},
		{"HTTP", "501", "malformed", "client", false},
	} {
		s := c.one(row.name)
		s.wants(t, "http.response.status_code", row.status, "error.type", row.fault, "spliceway.blame", row.blame)
		if failed := s.Status.GetCode() == otlp.Status_STATUS_CODE_ERROR; failed != row.failed {
			t.Errorf("%s has failed: %v, want %v", row.name, failed, row.failed)
		}
	}
	connects := map[string]int{}
	for _, s := range c.spans {
		if s.Name == "CONNECT" {
			s.wants(t, "user.name", "ann@example.com", "client.address", "127.0.0.1")
			connects[s.attributes["http.response.status_code"]+" "+s.attributes["error.type"]]++
		}
	}
	if want := "map[200 :4 400 target:1]"; fmt.Sprint(connects) != want {
		t.Errorf("connections: %v, want %s", connects, want)
	}
}

// A stream has a span of its own below the one of its request; both end with it.
func TestTraceStream(t *testing.T) {
	c := newCollector(t)
	b := start(t, settings{"recordings": `{dir: rec, mode: strict}`, "tracing": to(c.URL, "")})
	b.api.on(strings.Split(execPath, "?")[0], command("marker"))
	n := b.open()
	if a := n.ask(execPath, append([]string{"traceparent: " + clientParent}, websocketFields...)...); a.status != http.StatusSwitchingProtocols {
		t.Fatalf("the exec = %d %q, want 101", a.status, a.body)
	}
	io.ReadAll(n.r)
	n.Close()
	told := b.audit.one(t, "event", "session.ended")
	b.audit.one(t, "event", "connection.closed")
	if err := b.stop(); err != nil {
		t.Errorf("Run = %v", err)
	}
	request, exec := c.one("GET pods/exec"), c.one("exec")
	request.wants(t, "http.response.status_code", "101", "spliceway.subresource", "exec")
	exec.wants(t, "spliceway.session_id", told.text("session_id"), "spliceway.recording", "recorded", "spliceway.exit", "0",
		"k8s.pod.name", "web-1", "k8s.container.name", "main", "k8s.namespace.name", "shop", "spliceway.protocol", "websocket",
		"spliceway.subprotocol", "v5.channel.k8s.io", "spliceway.request_id", told.text("request_id"), "error.type", "")
	if string(exec.ParentSpanId) != string(request.SpanId) || string(exec.TraceId) != string(request.TraceId) ||
		exec.StartTimeUnixNano < request.StartTimeUnixNano || request.EndTimeUnixNano < exec.EndTimeUnixNano {
		t.Errorf("the stream %v is not within its request %v", exec.Span, request.Span)
	}
	if told.text("session_id") == "" || strings.Contains(c.octets(), "command") {
		t.Error("the span has no session or the command")
	}
}

// A collector that is down, or silent, keeps nobody waiting but the end, and that for
// a few seconds.
func TestTraceCollectorDown(t *testing.T) {
	silent := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-silent:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(silent) })
	for name, endpoint := range map[string]string{"down": "http://" + freeAddress(t), "silent": server.URL} {
		t.Run(name, func(t *testing.T) {
			b := start(t, settings{"tracing": to(endpoint, "")})
			n := b.open()
			for range 50 {
				n.mustAsk(podPath)
			}
			n.Close()
			b.audit.one(t, "event", "connection.closed")
			if name == "down" {
				b.until("spans are retried", func() bool { return b.metric(`trace_spans_total{outcome="retried"}`) > 0 })
			}
			if err := b.stop(); err != nil {
				t.Errorf("Run = %v", err)
			}
			if told := b.log.find(func(e event) bool { return strings.HasPrefix(e.text("message"), "spans can't all be exported") }); len(told) != 1 {
				t.Errorf("the log tells of it %d times, want once:\n%s", len(told), b.log)
			}
		})
	}
}

// Who was let in before a reload is traced as before, and who comes after it as is now
// said.
func TestTraceReload(t *testing.T) {
	first, second := newCollector(t), newCollector(t)
	b := start(t, nil)
	untraced := b.open()
	b.mustReload(settings{"tracing": to(first.URL, "")})
	old := b.open()
	tracing := b.gateway.current.Load().tracing
	b.mustReload(settings{"tracing": to(first.URL, ""), "drain": "{timeout: 6s}"})
	if b.gateway.current.Load().tracing != tracing {
		t.Error("what has not changed is made anew")
	}
	b.mustReload(settings{"tracing": to(second.URL, "")})
	now := b.open()
	untraced.mustAsk("/api/v1/nodes")
	old.mustAsk("/api/v1/pods")
	now.mustAsk("/api/v1/services")
	for _, n := range []*tunnel{untraced, old, now} {
		n.Close()
	}
	b.audit.wait(t, 3, where("event", "connection.closed"))
	b.until("the first one has its span, for it is not used any more", func() bool { return strings.Contains(first.octets(), "GET pods") })
	if err := b.reload(settings{"tracing": "{endpoint: 'https://collector.test', caFile: gone}"}); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("a file that is not there: %v, want a refusal", err)
	}
	if err := b.stop(); err != nil {
		t.Errorf("Run = %v", err)
	}
	first.one("GET pods")
	second.one("GET services")
	if all := first.octets() + second.octets(); strings.Contains(all, "nodes") || strings.Contains(first.octets(), "services") {
		t.Error("a request is traced where it should not be")
	}
	if at := second.one("GET services").EndTimeUnixNano; time.Since(time.Unix(0, int64(at))) > time.Hour {
		t.Errorf("the span ends %v", at)
	}
}
