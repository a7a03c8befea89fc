package gateway

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/config"
	"github.com/spliceway/spliceway/conn"
	"github.com/spliceway/spliceway/limit"
	"github.com/spliceway/spliceway/status"
	"github.com/spliceway/spliceway/tlsmux"
)

// The words for limits, in metrics, beside those of package tlsmux. Those of
// requests are in requestLimits.
const (
	limitConnections = "connections" // for which accepting waits
	limitPerUser     = "connections_per_user"
	limitStreams     = "streams_per_user"
	limitUpstream    = "upstream"
	limitQueue       = "queue"
)

// requestLimits are the words for the reasons of package conn.
var requestLimits = map[string]string{
	conn.ReasonRequestRate:  "request_rate",
	conn.ReasonStreams:      limitStreams,
	conn.ReasonQueueFull:    limitQueue,
	conn.ReasonQueueTime:    "queue_time",
	conn.ReasonHeadTooLarge: "head",
}

// reasonConnections is the reason word for a user who has too many connections.
const reasonConnections = "too-many-connections"

var errConnections = errors.New("gateway: the user has as many connections as limits.connectionsPerUser allows")

// accountConfig is what each user may have.
func accountConfig(cfg *config.Config) limit.AccountConfig {
	l := &cfg.Limits
	return limit.AccountConfig{
		Connections: l.ConnectionsPerUser, Streams: l.StreamsPerUser, Rate: l.RequestRate, Burst: l.RequestBurst,
	}
}

// applyLimits puts limits in force that are counted across generations.
func (g *Gateway) applyLimits(cfg *config.Config) {
	g.accounts.Configure(accountConfig(cfg))
	g.gates.configure(cfg)
}

// counted is a limit of which something is in use: of one for each source or user,
// what the one has that has most.
type counted struct {
	limit string
	most  func(*config.Limits) int // zero: no limit
	inUse func() int
}

// counted lists the limits that are for all clusters.
func (g *Gateway) counted() []counted {
	return []counted{
		{limitConnections, func(l *config.Limits) int { return l.Connections }, g.mux.Connections},
		{tlsmux.LimitPerSource, func(l *config.Limits) int { return l.ConnectionsPerSource }, func() int { return g.mux.Usage().PerSource }},
		{tlsmux.LimitOpening, func(l *config.Limits) int { return l.Unauthenticated }, func() int { return g.mux.Usage().Opening }},
		{tlsmux.LimitOpeningPerSource, func(l *config.Limits) int { return l.UnauthenticatedPerSource }, func() int { return g.mux.Usage().OpeningPerSource }},
		{limitPerUser, func(l *config.Limits) int { return l.ConnectionsPerUser }, func() int { n, _ := g.accounts.Highest(); return n }},
		{limitStreams, func(l *config.Limits) int { return l.StreamsPerUser }, func() int { _, n := g.accounts.Highest(); return n }},
	}
}

// watchLimits makes limits metrics.
func (g *Gateway) watchLimits() {
	for _, c := range g.counted() {
		g.metrics.WatchLimit(c.limit, func() int { return c.most(&g.config().Limits) }, c.inUse)
	}
}

// limitsInside lists all limits of which something is in use.
func (g *Gateway) limitsInside(gen *generation) []status.Limit {
	limits := &gen.config.Limits
	var all []status.Limit
	for _, c := range g.counted() {
		l := status.Limit{Name: c.limit, InUse: c.inUse()}
		if most := c.most(limits); most > 0 {
			l.Most = &most
		}
		all = append(all, l)
	}
	for _, c := range gen.clusters.Clusters() {
		s := gen.backends[c.Name()].conn.Gate.Stats()
		all = append(all,
			status.Limit{Name: limitUpstream, Cluster: c.Name(), InUse: s.In[limit.Short] + s.In[limit.Stream], Most: &limits.Upstream},
			status.Limit{Name: limitQueue, Cluster: c.Name(), InUse: max(s.Waiting[limit.Short], s.Waiting[limit.Stream]), Most: &limits.Queue})
	}
	return all
}

// openAccount counts a connection of a user who has been let in.
func (g *Gateway) openAccount(user string) (*limit.Account, error) {
	if a := g.accounts.Open(user); a != nil {
		return a, nil
	}
	g.metrics.LimitRefused(limitPerUser)
	return nil, &tlsmux.Refusal{Status: http.StatusTooManyRequests, Reason: reasonConnections, Err: errConnections}
}

// refusedByLimit returns the word for the limit that ended a connection, and counts
// it; empty if it was none.
func (g *Gateway) refusedByLimit(o tlsmux.Outcome) string {
	var e *tlsmux.LimitError
	if !errors.As(o.Err, &e) {
		return ""
	}
	g.metrics.LimitRefused(e.Limit)
	return e.Limit
}

// gates holds the gate of each cluster that there has been, by name: connections
// of all generations count. The zero value is ready.
type gates struct {
	mu  sync.Mutex
	all map[string]*limit.Gate // guarded by mu
}

// gateConfig is how many connections to one cluster may be in use.
func gateConfig(cfg *config.Config) limit.GateConfig {
	return limit.GateConfig{Most: cfg.Limits.Upstream, Queue: cfg.Limits.Queue, Wait: cfg.Timeouts.Queue}
}

// gate returns the gate of a cluster. A new one has the limits of cfg.
func (g *Gateway) gate(u *upstream, cfg *config.Config) *limit.Gate {
	g.gates.mu.Lock()
	defer g.gates.mu.Unlock()
	name := u.cluster.Name()
	if known := g.gates.all[name]; known != nil {
		return known
	}
	settings := gateConfig(cfg)
	settings.Waited = func(kind limit.Kind, took time.Duration) { u.metrics.QueueWait(kind.String(), took) }
	gate := limit.NewGate(settings)
	if g.gates.all == nil {
		g.gates.all = make(map[string]*limit.Gate)
	}
	g.gates.all[name] = gate
	u.metrics.WatchQueue(func() int { return g.config().Limits.Upstream }, limit.Kinds(), func(kind int) (inUse, waiting int) {
		s := gate.Stats()
		return s.In[kind], s.Waiting[kind]
	})
	return gate
}

// configure changes the limits of all.
func (s *gates) configure(cfg *config.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, gate := range s.all {
		gate.Configure(gateConfig(cfg))
	}
}

// countLimit counts a request that a limit has turned away.
func (b *backend) countLimit(r *audit.Request) {
	if word := requestLimits[r.Reason]; word != "" {
		b.limited(word)
	}
}
