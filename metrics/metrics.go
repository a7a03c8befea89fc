package metrics

import (
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// namespace begins every name of our own.
const namespace = "spliceway"

// Build says which binary this is.
type Build struct {
	Version string
	Commit  string
}

// Metrics counts what happens to the gateway. It is made by New.
type Metrics struct {
	registry *prometheus.Registry
	families []Family

	connections       *counters
	acceptErrors      prometheus.Counter
	tunnelsActive     prometheus.Gauge
	tunnelsEnded      *counters
	authentications   *counters
	refusals          *counters
	limits            *counters
	ready             atomic.Pointer[func() bool] // nil until watched
	open              atomic.Pointer[func() int]  // connections; nil until watched
	draining          prometheus.Gauge
	reloads           *counters
	configCurrent     prometheus.Gauge
	configLoaded      prometheus.Gauge
	panics            prometheus.Counter
	auditErrors       prometheus.Counter
	spans             *counters
	certificateExpiry *gauges
	keysAge           *age
	keysMaxAge        prometheus.Gauge
	recordings        *recordings
	perCluster        *clusterVecs

	mu       sync.RWMutex
	clusters map[string]*Cluster // guarded by mu
}

// New returns metrics in a registry of their own, with those of the Go runtime and
// of the process.
func New(build Build) *Metrics {
	f := &factory{registry: prometheus.NewPedanticRegistry()}
	m := &Metrics{registry: f.registry, clusters: make(map[string]*Cluster)}
	m.whole(f)
	m.perCluster = newClusterVecs(f)
	m.watchPools(f)
	m.recordings = newRecordings(f)
	m.upkeep(f)
	info := f.gauges("build_info", "Always 1; the labels say which binary this is.",
		Label{Name: "version", Text: "of the release"}, Label{Name: "commit", Text: "that it was built from"}, Label{Name: "go_version", Text: "of the compiler"})
	info.with(build.Version, build.Commit, runtime.Version()).Set(1)
	f.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.families = f.families
	return m
}

// whole makes what is about the gateway as a whole, and the connections to it.
func (m *Metrics) whole(f *factory) {
	ready := f.describe(typeGauge, "ready", "Whether /readyz reports the gateway as ready: 1 or 0.")
	active := f.describe(typeGauge, "connections_active", "Open client connections, in any phase.")
	f.collect(&asked{gather: func(send func(*prometheus.Desc, prometheus.ValueType, float64, ...string)) {
		if ask := m.ready.Load(); ask != nil {
			send(ready, prometheus.GaugeValue, boolean((*ask)()))
		}
		if ask := m.open.Load(); ask != nil {
			send(active, prometheus.GaugeValue, float64((*ask)()))
		}
	}}, ready, active)
	m.draining = f.gauge("draining", "Whether the gateway is draining before it ends: 1 or 0.")
	m.connections = f.counters("connections_total", "Client connections, by the phase they reached and its result.", of("phase", phases...), of("result", results...))
	m.acceptErrors = f.counter("accept_errors_total", "Errors in accepting connections after which the gateway paused, such as a lack of file descriptors.")
	m.tunnelsActive = f.gauge("tunnels_active", "Open authenticated tunnels.")
	m.tunnelsEnded = f.counters("tunnels_ended_total", "Authenticated tunnels that have ended, by reason.", of("reason", endReasons...))
	m.authentications = f.counters("authentications_total", "Tokens and proofs verified, by result.", of("result", authenticationResults...))
	m.refusals = f.counters("refusals_total", "Requests that the gateway itself refused, through no fault of the API server, by reason.", of("reason", refusalReasons...))
	m.limits = f.counters("limit_refused_total", "Connections and requests turned away because a limit was reached, by limit; for connections, how often accepting had to wait.", of("limit", limits...))
	for _, limit := range limits {
		m.limits.with(limit) // at zero: the first one is to be an increase
	}
	f.describe(typeGauge, "limit", limitHelp, of("limit", limits...))
	f.describe(typeGauge, "limit_in_use", limitInUseHelp, of("limit", limits...))
}

// upkeep makes what is about files, keys and faults of the gateway itself.
func (m *Metrics) upkeep(f *factory) {
	m.reloads = f.counters("reload_total", "Reloads of changed files, by kind of file and result.", of("file", files...), of("result", "ok", "error"))
	for _, file := range files {
		m.reloads.with(file, "error")
	}
	m.configCurrent = f.gauge("config_last_reload_successful", "Whether the last reload of the configuration succeeded: 1, or 0 if it was refused.")
	m.configLoaded = f.gauge("config_last_reload_success_timestamp_seconds", "When the configuration in force was loaded, in seconds since 1970.")
	m.certificateExpiry = f.gauges("certificate_expiry_timestamp_seconds", "When a certificate in use expires, in seconds since 1970.", Label{Name: "certificate", Text: "name of its file"})
	m.keysAge = newAge(f, "signing_keys_age_seconds", "Time since the signing keys in use were fetched from the issuer. Absent until then.")
	m.keysMaxAge = f.gauge("signing_keys_max_age_seconds", "Age at which signing keys are no longer used.")
	m.panics = f.counter("panics_total", "Panics caught; each ended one connection.")
	m.auditErrors = f.counter("audit_errors_total", "Audit events lost because they could not be written.")
	m.spans = f.counters("trace_spans_total", "Spans of traces, by outcome: sent; retried, which are sent again; dropped because the queue was full; failed because the collector did not answer or said no; rejected by a collector that took others.", of("outcome", spanOutcomes...))
	for _, outcome := range spanOutcomes {
		m.spans.with(outcome)
	}
	m.configCurrent.Set(1)
	m.configLoaded.SetToCurrentTime()
}

// watchPools makes the metric of the pools of all clusters.
func (m *Metrics) watchPools(f *factory) {
	desc := f.describe(typeGauge, "upstream_connections", "Open connections to API servers, by state.", byCluster(), of("state", "idle", "active"))
	f.collect(&asked{gather: func(send func(*prometheus.Desc, prometheus.ValueType, float64, ...string)) {
		m.mu.RLock()
		defer m.mu.RUnlock()
		for _, c := range m.clusters {
			if idle, active, any := c.poolSums(); any {
				send(desc, prometheus.GaugeValue, float64(idle), c.name, "idle")
				send(desc, prometheus.GaugeValue, float64(active), c.name, "active")
			}
		}
	}}, desc)
	f.describe(typeGauge, "upstream_limit", mostHelp, byCluster())
	f.describe(typeGauge, "upstream_in_use", inUseHelp, byCluster(), of("kind", kinds...))
	f.describe(typeGauge, "upstream_queue_length", queueLengthHelp, byCluster(), of("kind", kinds...))
}

// Registry returns the registry, for metrics of packages that bring their own.
func (m *Metrics) Registry() *prometheus.Registry { return m.registry }

// Handler answers scrapes.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		EnableOpenMetrics:   true,
		MaxRequestsInFlight: 8, // a scrape costs a pass over all series
		Timeout:             10 * time.Second,
	})
}

// WatchConnections makes the number of client connections, tunnels and those that
// are being opened, a metric. count is asked at each scrape.
func (m *Metrics) WatchConnections(count func() int) { m.open.Store(&count) }

// WatchReady makes it a metric whether the gateway is ready, which is asked at each
// scrape.
func (m *Metrics) WatchReady(ready func() bool) { m.ready.Store(&ready) }

// Draining says that the gateway is about to end.
func (m *Metrics) Draining() { m.draining.Set(1) }

// Texts of metrics that are made when somebody says what to ask.
const (
	limitHelp       = "Limits in force; 0 means no limit."
	limitInUseHelp  = "How much of a limit is in use; of a limit per source or user, by the one that uses most."
	mostHelp        = "Limit on the connections in use to the API server."
	inUseHelp       = "Connections to API servers that requests or streams use or are dialling."
	queueLengthHelp = "Requests and streams waiting for a connection because the limit is reached."
)

// WatchLimit makes a limit and what is in use of it metrics; of a limit for each
// source or user, that is what the one has that has most. most is zero where there
// is no limit. Both are asked at each scrape. It is called once for each limit.
func (m *Metrics) WatchLimit(limit string, most, inUse func() int) {
	labels := prometheus.Labels{"limit": limit}
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Name: "limit", Help: limitHelp, ConstLabels: labels,
		}, func() float64 { return float64(most()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Name: "limit_in_use", Help: limitInUseHelp, ConstLabels: labels,
		}, func() float64 { return float64(inUse()) }),
	)
}

// LimitRefused counts a connection or request that was turned away because a limit
// was reached.
func (m *Metrics) LimitRefused(limit string) { m.limits.with(limit).Inc() }

// AcceptError counts an error of accepting that was waited out.
func (m *Metrics) AcceptError() { m.acceptErrors.Inc() }

// Connection counts what came of a connection in a phase.
func (m *Metrics) Connection(phase, result string) { m.connections.with(phase, result).Inc() }

// TunnelOpened counts an authenticated tunnel as open until TunnelClosed.
func (m *Metrics) TunnelOpened() { m.tunnelsActive.Inc() }

// TunnelClosed ends what TunnelOpened began, for a reason.
func (m *Metrics) TunnelClosed(reason string) {
	m.tunnelsActive.Dec()
	m.tunnelsEnded.with(reason).Inc()
}

// Authentication counts one verification of token and proof; result is "ok" or the
// reason word of the refusal.
func (m *Metrics) Authentication(result string) { m.authentications.with(result).Inc() }

// Refusal counts a request that the gateway answered itself, with a status of 400
// or more, for a reason that does not lie with the API server: that is
// Cluster.Error.
func (m *Metrics) Refusal(reason string) { m.refusals.with(reason).Inc() }

// Reload counts a reload of a changed file of a kind (certificate, token, keys).
func (m *Metrics) Reload(kind string, err error) { m.reloads.with(kind, result(err)).Inc() }

// Configured counts a reload of the configuration, and tells whether the last one
// that was wanted is in force.
func (m *Metrics) Configured(err error) {
	m.Reload("configuration", err)
	if err != nil {
		m.configCurrent.Set(0)
		return
	}
	m.configCurrent.Set(1)
	m.configLoaded.SetToCurrentTime()
}

// Panic counts a panic that was caught.
func (m *Metrics) Panic() { m.panics.Inc() }

// AuditError counts an audit event that was lost.
func (m *Metrics) AuditError() { m.auditErrors.Inc() }

// Spans counts what became of spans.
func (m *Metrics) Spans(outcome string, n int) { m.spans.with(outcome).Add(float64(n)) }

// CertificateExpiry sets when a certificate in use ends. The name is that of its
// file or use.
func (m *Metrics) CertificateExpiry(certificate string, notAfter time.Time) {
	m.certificateExpiry.with(certificate).Set(float64(notAfter.Unix()))
}

// CertificateGone removes what CertificateExpiry has set.
func (m *Metrics) CertificateGone(certificate string) {
	m.certificateExpiry.vec.DeleteLabelValues(certificate)
}

// SigningKeysFetched sets when the issuer's keys in use were last fetched; their
// age counts from there. Before the first call there is no age.
func (m *Metrics) SigningKeysFetched(at time.Time) { m.keysAge.since(at) }

// SigningKeysMaxAge sets how old signing keys may be that are used.
func (m *Metrics) SigningKeysMaxAge(d time.Duration) { m.keysMaxAge.Set(d.Seconds()) }

// Cluster returns the handle of a configured cluster, the same one for each call
// with the same name. Its gauges and counters begin at zero rather than absent.
func (m *Metrics) Cluster(name string) *Cluster {
	m.mu.RLock()
	c := m.clusters[name]
	m.mu.RUnlock()
	if c != nil {
		return c
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if c = m.clusters[name]; c == nil {
		c = newCluster(m.perCluster, name)
		m.clusters[name] = c
	}
	return c
}

// result is the word for how something went.
func result(err error) string {
	if err != nil {
		return "error"
	}
	return "ok"
}

// boolean is a truth value as a gauge has it.
func boolean(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
