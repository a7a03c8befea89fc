package gateway

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/cluster"
	"github.com/spliceway/spliceway/conn"
	"github.com/spliceway/spliceway/metrics"
)

// upstream is the way to the API server of one cluster, as a part: connections,
// credential, whether it can be reached. It is safe for concurrent use.
type upstream struct {
	part
	settings upstreamSettings
	cluster  *cluster.Cluster
	pool     *conn.Pool
	metrics  *metrics.Cluster
	log      zerolog.Logger
	dials    health // of the API server
	means    health // of the gateway: files, memory and ports for another connection
	token    health // of its file

	reloaded func(kind string, err error) // tells of files that were read again, or could not be
}

func (g *Gateway) newUpstream(settings upstreamSettings) (*upstream, error) {
	opened, err := cluster.New(settings.cluster)
	if err != nil {
		return nil, err
	}
	u := &upstream{
		settings: settings, cluster: opened, metrics: g.metrics.Cluster(opened.Name()),
		log: g.log.With().Str(audit.FieldCluster, opened.Name()).Str(audit.FieldUpstream, opened.Addr()).Logger(),
	}
	u.reloaded = func(kind string, err error) { g.reloaded(u.log, kind, err) }
	u.pool = conn.NewPool(conn.PoolConfig{
		Dial: opened.Dial, Dialed: u.dialed,
		MaxIdle: orNone(settings.maxIdle), DialTimeout: settings.cluster.DialTimeout,
	})
	unwatch := u.metrics.WatchPool(func() (idle, active int) { s := u.pool.Stats(); return s.Idle, s.Active })
	u.run = func(ctx context.Context) { u.follow(ctx, g.every) }
	u.close = func() { unwatch(); u.pool.Close() }
	return u, nil
}

// orNone makes 0 mean none, where a zero field would mean the default.
func orNone(n int) int {
	if n == 0 {
		return -1
	}
	return n
}

// dialed counts a dial, and remembers what it says of the API server and of the
// gateway. A gateway that has run out of files knows nothing of the API server.
func (u *upstream) dialed(took time.Duration, err error) {
	result := "ok"
	var dial *cluster.DialError
	switch {
	case errors.As(err, &dial):
		result = dial.Reason
	case err != nil:
		result = "failed"
	}
	u.metrics.Dial(result, took)
	switch result {
	case cluster.ReasonCanceled:
	case cluster.ReasonExhausted:
		if u.means.failed(err) {
			u.log.Error().Err(err).Msg("the gateway can't open connections to the API server")
		}
	default:
		if u.means.succeeded() {
			u.log.Info().Msg("the gateway can open connections to the API server again")
		}
		u.reached(err)
	}
}

// reached logs when the API server stops being reachable and when it is back: once
// each, however many requests find out.
func (u *upstream) reached(err error) {
	u.metrics.Reachable(err == nil)
	switch {
	case err != nil && u.dials.failed(err):
		u.log.Error().Err(err).Msg("API server is not reachable")
	case err == nil && u.dials.succeeded():
		u.log.Info().Msg("API server is reachable again")
	}
}

// trouble is why no connection to the API server could be opened when it was last
// tried, nil if it could.
func (u *upstream) trouble() error { return cmp.Or(u.means.current(), u.dials.current()) }

// follow follows the cluster's files and its health until ctx is done.
func (u *upstream) follow(ctx context.Context, every time.Duration) {
	var probing sync.WaitGroup
	probing.Go(func() { u.probe(ctx, every) })
	u.cluster.Run(ctx, every, u.changed)
	probing.Wait()
}

// changed is told of files that have changed.
func (u *upstream) changed(kind string, err error) {
	switch {
	case kind == cluster.KindToken && err == nil:
		u.token.succeeded()
	case kind == cluster.KindToken:
		u.token.failed(err)
	case err == nil:
		u.pool.CloseIdle() // they were opened under the old authorities or certificate
	}
	u.reloaded(kind, err)
}

// Authorization implements conn.Credential.
func (u *upstream) Authorization() []byte { return u.cluster.Authorization() }

// Refresh implements conn.Credential. It tells of what it finds, because nobody
// else does: run sees changes only that it is the first to see.
func (u *upstream) Refresh() (changed bool, err error) {
	changed, err = u.cluster.Refresh()
	switch {
	case changed:
		u.token.succeeded()
		u.reloaded(cluster.KindToken, nil)
	case err != nil && u.token.failed(err): // once, however many requests ask
		u.reloaded(cluster.KindToken, err)
	}
	return changed, err
}

// probe dials the API server once, so that the log and readiness tell of one that
// can't be reached before a user does, and then for as long as there is trouble.
// A gateway that is not ready gets no requests: nothing else would find out that
// the API server is back.
func (u *upstream) probe(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for try := true; ; try = u.trouble() != nil {
		if try {
			u.dialOnce(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// dialOnce is a dial that carries nothing.
func (u *upstream) dialOnce(ctx context.Context) {
	start := time.Now()
	c, err := u.cluster.Dial(ctx, nil)
	u.dialed(time.Since(start), err)
	if err == nil {
		c.Close()
	}
}
