package gateway

import (
	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/conn"
	"github.com/spliceway/spliceway/httpparse"
	"github.com/spliceway/spliceway/metrics"
)

// backend is how one generation serves one cluster: the way there, and what is
// said and written about requests. It is safe for concurrent use.
type backend struct {
	*upstream
	extra    bool // send the connection id to the API server
	conn     *conn.Config
	audit    *audit.Log
	recorder *recorder
	tracing  *tracing
	refused  func(reason string) // counts a request that the gateway answered itself
	limited  func(limit string)  // counts one that a limit has turned away
}

func (g *Gateway) newBackend(gen *generation, u *upstream, extra bool) *backend {
	limits, timeouts := &gen.config.Limits, &gen.config.Timeouts
	b := &backend{upstream: u, extra: extra, audit: g.audit, recorder: &gen.recorder, tracing: gen.tracing, refused: g.metrics.Refusal, limited: g.metrics.LimitRefused}
	b.conn = &conn.Config{
		Gate: g.gate(u, gen.config), Pool: u.pool, Credential: u, Host: u.cluster.Host(),
		Limits: httpparse.Limits{Head: int(limits.Head), Line: int(limits.Line), Fields: limits.Fields, Trailer: int(limits.Trailer)},
		Timeouts: conn.Timeouts{
			Idle: timeouts.Idle, RequestHead: timeouts.RequestHead, ResponseHead: timeouts.ResponseHead,
			BodyIdle: timeouts.BodyIdle, StreamIdle: timeouts.StreamIdle,
		},
		Admit: b.recorder.admit, Tap: b.tap, Begun: b.metrics.RequestStarted, Done: b.done, Retried: b.metrics.Retry,
	}
	if gen.tracing != nil {
		b.conn.Trace = gen.tracing.Start
	}
	return b
}

// done tells audit log, metrics and trace of one request.
func (b *backend) done(r *audit.Request) {
	ended := metrics.Request{Code: r.Status, Duration: r.Duration, Answered: r.Answered}
	if i := r.Info; i != nil {
		ended.Verb, ended.LongRunning = i.Verb, i.LongRunning()
		ended.Group, ended.Resource, ended.Subresource = i.APIGroup, i.Resource, i.Subresource
	}
	b.metrics.RequestDone(&ended)
	b.metrics.AddBytes(r.BytesUp, r.BytesDown)
	b.countFault(r)
	b.audit.Request(r)
	if b.tracing != nil {
		b.tracing.request(r, b.metrics.Resource(ended.Group, ended.Resource, ended.Subresource))
	}
}

// countFault counts a request that did not end in order, in one of three places.
func (b *backend) countFault(r *audit.Request) {
	switch {
	case r.Reason == "":
	case r.Blame == audit.BlameUpstream:
		b.metrics.Error(r.Reason)
	case answeredHere(r):
		b.refused(r.Reason)
		b.countLimit(r)
	default:
		b.metrics.Aborted(r.Reason)
	}
}

// answeredHere reports whether a request that did not end in order got its status
// from the gateway, and no API server is to blame.
func answeredHere(r *audit.Request) bool {
	switch r.Blame {
	case audit.BlameClient:
		// An audit id is the API server's: the client did not wait for the end of
		// its answer.
		return r.Status >= 400 && len(r.AuditID) == 0
	case audit.BlameGateway, audit.BlameRecorder:
		return r.Status >= 400
	}
	return false // ended from outside, which is not answered
}

// tap has the recorder decide about a stream.
func (b *backend) tap(u *conn.Upgrade) (conn.Tap, error) { return b.recorder.tap(u, b.metrics) }
