package gateway

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/config"
	"github.com/spliceway/spliceway/conn"
	"github.com/spliceway/spliceway/record"
	"github.com/spliceway/spliceway/trace"
)

// tracing is where traces go, as a part. Every span is made where an audit event is.
type tracing struct {
	part
	*trace.Tracer
	settings config.Tracing
}

// openTracing takes over the tracing of old or makes one, if requests are to be traced.
func (g *Gateway) openTracing(gen, old *generation) error {
	settings := gen.config.Tracing
	if !settings.Enabled() {
		return nil
	}
	if old != nil && old.tracing != nil && old.tracing.settings == settings {
		gen.tracing = old.tracing
	} else {
		t := &tracing{settings: settings}
		cfg := settings.Tracer()
		cfg.Process, cfg.Report = g.process(), g.exported
		var err error
		if t.Tracer, err = trace.New(cfg); err != nil {
			return err
		}
		log := g.log.With().Str("endpoint", t.Endpoint()).Logger()
		t.run = func(ctx context.Context) {
			t.Tracer.Run(ctx, g.every, func(err error) { g.reloaded(log, "tracing", err) })
		}
		gen.tracing = t
	}
	gen.behind = append(gen.behind, &gen.tracing.part)
	return nil
}

// process is what all spans say of the process.
func (g *Gateway) process() []trace.Attribute {
	return []trace.Attribute{
		trace.String("service.name", "spliceway"),
		trace.String("service.version", g.version),
		trace.String("service.instance.id", rand.Text()),
	}
}

// exported is told what became of spans. It logs once in a while.
func (g *Gateway) exported(o trace.Outcome, spans int, err error) {
	g.metrics.Spans(string(o), spans)
	lost := 0
	switch o {
	case trace.Sent:
		return
	case trace.Dropped, trace.Failed, trace.Rejected:
		lost = spans
	}
	if lost, tell := g.spans.add(time.Now(), lost); tell {
		g.log.Warn().Err(err).Int("lost", lost).
			Msg("spans can't all be exported; nothing else is affected, and spliceway_trace_spans_total counts them")
	}
}

// attributes are those of a span.
type attributes []trace.Attribute

// text adds a text, unless it is empty.
func (a *attributes) text(key, value string) {
	if value != "" {
		*a = append(*a, trace.String(key, value))
	}
}

// octets is text of a buffer that is used again.
func (a *attributes) octets(key string, value []byte) {
	if len(value) > 0 {
		*a = append(*a, trace.String(key, value))
	}
}

// count adds a number.
func (a *attributes) count(key string, n int64) { *a = append(*a, trace.Int(key, n)) }

// who says on whose connection something has happened.
func (a *attributes) who(c *audit.Connection) {
	a.text("user.name", c.User)
	a.text("k8s.cluster.name", c.Cluster)
	a.text("spliceway.conn_id", c.ID)
}

// fault says how something ended that did not end in order, and returns whether
// somebody else than the client is to blame.
func (a *attributes) fault(status int, reason, blame string) bool {
	server := status >= http.StatusInternalServerError
	if reason == "" && server {
		reason = strconv.Itoa(status)
	}
	a.text("error.type", reason)
	a.text("spliceway.blame", blame)
	return blame != audit.BlameClient && (server || blame != "")
}

// maxAttributes is how many attributes a request has at the most.
const maxAttributes = 22

// request makes the span of a request. Its names are those of the semantic conventions
// of OpenTelemetry where there are any.
func (t *tracing) request(r *audit.Request, known string) {
	if !r.Trace.Sampled {
		return
	}
	a := make(attributes, 0, maxAttributes)
	a.text("http.request.method", cmp.Or(string(r.Method), "_OTHER"))
	a.text("url.scheme", "https")
	if r.Status != 0 {
		a.count("http.response.status_code", int64(r.Status))
	}
	if address, err := netip.ParseAddrPort(r.Connection.RemoteAddr); err == nil {
		a.text("client.address", address.Addr().String())
	}
	a.who(r.Connection)
	a.octets("spliceway.request_id", r.ID)
	a.octets("spliceway.audit_id", r.AuditID)
	if r.Info != nil {
		a.kubernetes(r.Info)
	}
	a.count("spliceway.bytes_up", r.BytesUp)
	a.count("spliceway.bytes_down", r.BytesDown)
	name := cmp.Or(string(r.Method), "HTTP")
	if known != "" { // any other could be made up: names of spans are to be few
		name += " " + known
	}
	end := time.Now()
	failed := a.fault(r.Status, r.Reason, r.Blame)
	t.Emit(&trace.Span{Context: r.Trace, Name: name, Kind: trace.Server, Start: end.Add(-r.Duration), End: end, Attributes: a, Failed: failed})
}

// kubernetes says what a request means to an API server.
func (a *attributes) kubernetes(i *audit.RequestInfo) {
	a.octets("url.path", i.Path) // without its query
	a.text("spliceway.verb", i.Verb)
	a.octets("spliceway.api_group", i.APIGroup)
	a.octets("spliceway.api_version", i.APIVersion)
	a.octets("k8s.namespace.name", i.Namespace)
	a.octets("spliceway.resource", i.Resource)
	a.octets("spliceway.subresource", i.Subresource)
	a.octets("spliceway.name", i.Name)
}

// session makes the span of a stream, from the 101 to the end of both directions. It
// is below the one of its request. The command is left out: it may have secrets.
func (t *tracing) session(s *stream, e *audit.SessionEnd) {
	var a attributes
	a.who(s.event.Connection)
	a.octets("spliceway.request_id", s.event.RequestID)
	a.text("spliceway.session_id", s.event.ID)
	a.text("spliceway.protocol", s.event.Protocol)
	a.text("spliceway.subprotocol", s.event.Subprotocol)
	a.text("k8s.namespace.name", s.event.Namespace)
	a.text("k8s.pod.name", s.event.Pod)
	a.text("k8s.container.name", s.event.Container)
	a.text("k8s.node.name", s.event.Node)
	a.text("spliceway.recording", e.Recording)
	if e.Exit != nil {
		a.count("spliceway.exit", int64(*e.Exit))
	}
	var cause *conn.Error
	blame := ""
	if errors.As(e.Err, &cause) {
		blame = cause.Blame
	}
	failed := a.fault(0, e.Reason, blame) || e.Recording == record.OutcomeFailed.String()
	end := time.Now()
	t.Emit(&trace.Span{Context: s.place, Name: cmp.Or(s.event.Kind, "stream"), Start: end.Add(-e.Duration), End: end, Attributes: a, Failed: failed})
}

// connection makes the span of a tunnel's set-up, from the accept to the end of its
// last handshake or to the refusal of somebody whose token and proof are good. What
// anybody can cause has none.
func (t *tracing) connection(who *audit.Connection, accepted time.Time, status int, reason string) {
	place := t.Start(trace.Context{})
	if !place.Sampled || who.User == "" {
		return
	}
	var a attributes
	a.text("http.request.method", http.MethodConnect)
	a.count("http.response.status_code", int64(status))
	if address, err := netip.ParseAddrPort(who.RemoteAddr); err == nil {
		a.text("client.address", address.Addr().String())
	}
	a.who(who)
	failed := a.fault(status, reason, "")
	t.Emit(&trace.Span{Context: place, Name: http.MethodConnect, Kind: trace.Server, Start: accepted, End: time.Now(), Attributes: a, Failed: failed})
}
