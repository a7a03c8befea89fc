package metrics

import (
	"net/http"
	"runtime"
	"sync"
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

	connections       *counters
	tunnelsActive     prometheus.Gauge
	authentications   *counters
	refusals          *counters
	limits            *counters
	acceptErrors      prometheus.Counter
	reloads           *counters
	configCurrent     prometheus.Gauge
	configLoaded      prometheus.Gauge
	panics            prometheus.Counter
	auditErrors       prometheus.Counter
	certificateExpiry *gauges
	keysAge           *age
	perCluster        *clusterVecs

	mu       sync.RWMutex
	clusters map[string]*Cluster // guarded by mu
}

// New returns metrics in a registry of their own, with those of the Go runtime and
// of the process.
func New(build Build) *Metrics {
	f := factory{prometheus.NewPedanticRegistry()}
	m := &Metrics{
		registry:          f.registry,
		connections:       f.counters("connections_total", "Client connections by the phase they reached and what came of it there.", "phase", "result"),
		tunnelsActive:     f.gauge("tunnels_active", "Authenticated tunnels now open."),
		authentications:   f.counters("authentications_total", "Tokens and proofs verified, by result.", "result"),
		refusals:          f.counters("refusals_total", "Requests that the gateway answered itself with an error that is not the API server's, by reason.", "reason"),
		limits:            f.counters("limit_refused_total", "Connections and requests turned away because a limit was reached, by limit; for connections, times that accepting had to wait.", "limit"),
		acceptErrors:      f.counter("accept_errors_total", "Errors of accepting a connection that were waited out, as for want of file descriptors."),
		reloads:           f.counters("reload_total", "Reloads of files that changed, by kind of file and result.", "file", "result"),
		configCurrent:     f.gauge("config_last_reload_successful", "Whether the configuration is in force that was last to be loaded: 1, or 0 if it was refused."),
		configLoaded:      f.gauge("config_last_reload_success_timestamp_seconds", "When the configuration in force was loaded, in seconds since 1970."),
		panics:            f.counter("panics_total", "Panics caught; each ended one connection."),
		auditErrors:       f.counter("audit_errors_total", "Audit events lost because they could not be written."),
		certificateExpiry: f.gauges("certificate_expiry_timestamp_seconds", "When a certificate in use ends, in seconds since 1970.", "certificate"),
		keysAge:           newAge(),
		perCluster:        newClusterVecs(f),
		clusters:          make(map[string]*Cluster),
	}
	m.configCurrent.Set(1)
	m.configLoaded.SetToCurrentTime()
	info := f.gauges("build_info", "Always 1; the labels say which binary this is.", "version", "commit", "go_version")
	info.with(build.Version, build.Commit, runtime.Version()).Set(1)
	f.registry.MustRegister(m.keysAge, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
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
// are being opened, a metric. count is asked at each scrape. It is called once.
func (m *Metrics) WatchConnections(count func() int) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: namespace, Name: "connections_active", Help: "Client connections now open, in any phase.",
	}, func() float64 { return float64(count()) }))
}

// WatchLimit makes a limit and what is in use of it metrics; of a limit for each
// source or user, that is what the one has that has most. most is zero where there
// is no limit. Both are asked at each scrape. It is called once for each limit.
func (m *Metrics) WatchLimit(limit string, most, inUse func() int) {
	labels := prometheus.Labels{"limit": limit}
	m.registry.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Name: "limit", Help: "Limits in force, 0 for none.", ConstLabels: labels,
		}, func() float64 { return float64(most()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Name: "limit_in_use", Help: "What is in use of a limit now, by the source or user that has most where it is for each.", ConstLabels: labels,
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

// TunnelClosed ends what TunnelOpened began.
func (m *Metrics) TunnelClosed() { m.tunnelsActive.Dec() }

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
