package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/cluster"
	"github.com/spliceway/spliceway/config"
	"github.com/spliceway/spliceway/conn"
	"github.com/spliceway/spliceway/httpparse"
	"github.com/spliceway/spliceway/metrics"
)

// backend is one configured cluster with what serves it: pool, credential,
// counters. It is safe for concurrent use.
type backend struct {
	cluster  *cluster.Cluster
	extra    bool // send the connection id to the API server
	conn     *conn.Config
	pool     *conn.Pool
	metrics  *metrics.Cluster
	audit    *audit.Log
	recorder *recorder
	refused  func(reason string) // counts a request that the gateway answered itself
	log      zerolog.Logger
	dials    health
	token    health // of its file

	reloaded func(kind string, err error) // tells of files that were read again, or could not be
}

func (g *Gateway) newBackend(settings config.Cluster) (*backend, error) {
	cfg := g.config
	opened, err := cluster.New(settings.Config(cfg.Timeouts.Dial))
	if err != nil {
		return nil, fmt.Errorf("preparing cluster %q: %w", settings.Name, err)
	}
	b := &backend{
		cluster: opened, extra: settings.ImpersonateExtra, metrics: g.metrics.Cluster(settings.Name),
		audit: g.audit, recorder: &g.recorder, refused: g.metrics.Refusal,
		log: g.log.With().Str(audit.FieldCluster, settings.Name).Str(audit.FieldUpstream, opened.Addr()).Logger(),
	}
	b.reloaded = func(kind string, err error) { g.reloaded(b.log, kind, err) }
	b.pool = conn.NewPool(conn.PoolConfig{
		Dial: opened.Dial, Dialed: b.dialed,
		MaxIdle: orNone(cfg.Limits.IdleUpstream), DialTimeout: cfg.Timeouts.Dial,
	})
	b.metrics.WatchPool(func() (idle, active int) { s := b.pool.Stats(); return s.Idle, s.Active })
	b.conn = &conn.Config{
		Pool: b.pool, Credential: b, Host: opened.Host(),
		Limits: httpparse.Limits{Head: int(cfg.Limits.Head), Line: int(cfg.Limits.Line), Fields: cfg.Limits.Fields},
		Timeouts: conn.Timeouts{
			Idle: cfg.Timeouts.Idle, RequestHead: cfg.Timeouts.RequestHead, ResponseHead: cfg.Timeouts.ResponseHead,
			BodyIdle: cfg.Timeouts.BodyIdle, StreamIdle: cfg.Timeouts.StreamIdle,
		},
		Admit: b.recorder.admit, Tap: b.tap, Begun: b.metrics.RequestStarted, Done: b.done, Retried: b.metrics.Retry,
	}
	return b, nil
}

// orNone makes 0 mean none, where a zero field would mean the default.
func orNone(n int) int {
	if n == 0 {
		return -1
	}
	return n
}

// dialed counts a dial, and logs when the API server stops being reachable and
// when it is back: once each, however many requests find out.
func (b *backend) dialed(took time.Duration, err error) {
	if err == nil {
		b.metrics.Dial("ok", took)
		if b.dials.succeeded() {
			b.log.Info().Msg("API server is reachable again")
		}
		return
	}
	result := "failed"
	var dial *cluster.DialError
	if errors.As(err, &dial) {
		result = dial.Reason
	}
	b.metrics.Dial(result, took)
	if result != cluster.ReasonCanceled && b.dials.failed(err) {
		b.log.Error().Err(err).Msg("API server is not reachable")
	}
}

// done tells audit log and metrics of one request.
func (b *backend) done(r *audit.Request) {
	verb, longRunning := "", false
	if r.Info != nil {
		verb, longRunning = r.Info.Verb, r.Info.LongRunning()
	}
	b.metrics.RequestDone(verb, r.Status, longRunning, r.Duration)
	b.metrics.AddBytes(r.BytesUp, r.BytesDown)
	b.countFault(r)
	b.audit.Request(r)
}

// countFault counts a request that did not end in order, in one of three places.
func (b *backend) countFault(r *audit.Request) {
	switch {
	case r.Reason == "":
	case r.Blame == audit.BlameUpstream:
		b.metrics.Error(r.Reason)
	case answeredHere(r):
		b.refused(r.Reason)
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

// run follows the cluster's files and its health until ctx is done, then closes
// the pool.
func (b *backend) run(ctx context.Context, every time.Duration) {
	var probing sync.WaitGroup
	probing.Go(func() { b.probe(ctx, every) })
	b.cluster.Run(ctx, every, b.changed)
	probing.Wait()
	b.pool.Close()
}

// changed is told of files that have changed.
func (b *backend) changed(kind string, err error) {
	switch {
	case kind == cluster.KindToken && err == nil:
		b.token.succeeded()
	case kind == cluster.KindToken:
		b.token.failed(err)
	case err == nil:
		b.pool.CloseIdle() // they were opened under the old authorities or certificate
	}
	b.reloaded(kind, err)
}

// Authorization implements conn.Credential.
func (b *backend) Authorization() []byte { return b.cluster.Authorization() }

// Refresh implements conn.Credential. It tells of what it finds, because nobody
// else does: run sees changes only that it is the first to see.
func (b *backend) Refresh() (changed bool, err error) {
	changed, err = b.cluster.Refresh()
	switch {
	case changed:
		b.token.succeeded()
		b.reloaded(cluster.KindToken, nil)
	case err != nil && b.token.failed(err): // once, however many requests ask
		b.reloaded(cluster.KindToken, err)
	}
	return changed, err
}

// probe dials the API server once, so that the log and readiness tell of one that
// can't be reached before a user does, and then for as long as it can't be reached.
// A gateway that is not ready gets no requests: nothing else would find out that
// the API server is back.
func (b *backend) probe(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for try := true; ; try = b.dials.current() != nil {
		if try {
			b.dialOnce(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// dialOnce is a dial that carries nothing.
func (b *backend) dialOnce(ctx context.Context) {
	start := time.Now()
	c, err := b.cluster.Dial(ctx, nil)
	b.dialed(time.Since(start), err)
	if err == nil {
		c.Close()
	}
}
