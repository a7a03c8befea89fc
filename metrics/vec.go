package metrics

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
)

// other stands for all label values beyond the bounds.
const other = "other"

const (
	maxWords    = 100 // distinct values of a label
	maxWordSize = 100 // octets
)

// factory makes and registers metrics. It panics when a name is taken, which is a
// fault of this package that its tests would show.
type factory struct{ registry *prometheus.Registry }

func (f factory) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	f.registry.MustRegister(c)
	return c
}

func (f factory) gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
	f.registry.MustRegister(g)
	return g
}

func (f factory) counters(name, help string, labels ...string) *counters {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	f.registry.MustRegister(v)
	return &counters{vec: v, words: newWords(labels)}
}

func (f factory) gauges(name, help string, labels ...string) *gauges {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
	f.registry.MustRegister(v)
	return &gauges{vec: v, words: newWords(labels)}
}

func (f factory) histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
	f.registry.MustRegister(v)
	return v
}

// counters are counters told apart by bounded label values.
type counters struct {
	vec   *prometheus.CounterVec
	words *words
}

func (c *counters) with(values ...string) prometheus.Counter {
	return c.vec.WithLabelValues(c.words.bound(values)...)
}

// gauges are gauges told apart by bounded label values.
type gauges struct {
	vec   *prometheus.GaugeVec
	words *words
}

func (g *gauges) with(values ...string) prometheus.Gauge {
	return g.vec.WithLabelValues(g.words.bound(values)...)
}

// words bounds the values of each of a metric's labels: the first maxWords
// distinct ones stand for themselves.
type words struct {
	mu   sync.Mutex
	seen []map[string]struct{} // by label, nil for one without bounds; guarded by mu
}

func newWords(labels []string) *words {
	w := &words{seen: make([]map[string]struct{}, len(labels))}
	for i, label := range labels {
		switch label {
		case "cluster", "certificate", "version", "commit", "go_version": // bounded by the configuration
		default:
			w.seen[i] = make(map[string]struct{})
		}
	}
	return w
}

// bound replaces, in place, the values that are beyond the bounds.
func (w *words) bound(values []string) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, value := range values {
		seen := w.seen[i]
		if _, ok := seen[value]; ok {
			continue
		}
		// The client library panics on a value that is not UTF-8.
		if len(seen) >= maxWords || len(value) > maxWordSize || !utf8.ValidString(value) {
			values[i] = other
		} else if seen != nil {
			seen[value] = struct{}{}
		}
	}
	return values
}

// age collects the seconds since a moment, and nothing before there is one.
type age struct {
	desc *prometheus.Desc
	at   atomic.Int64 // Unix nanoseconds; math.MinInt64 for none
}

func newAge() *age {
	a := &age{desc: prometheus.NewDesc(prometheus.BuildFQName(namespace, "", "signing_keys_age_seconds"),
		"Time since the issuer's signing keys in use were fetched.", nil, nil)}
	a.at.Store(math.MinInt64)
	return a
}

func (a *age) since(at time.Time) { a.at.Store(at.UnixNano()) }

// Describe implements prometheus.Collector.
func (a *age) Describe(ch chan<- *prometheus.Desc) { ch <- a.desc }

// Collect implements prometheus.Collector.
func (a *age) Collect(ch chan<- prometheus.Metric) {
	if at := a.at.Load(); at != math.MinInt64 {
		seconds := time.Since(time.Unix(0, at)).Seconds()
		ch <- prometheus.MustNewConstMetric(a.desc, prometheus.GaugeValue, seconds)
	}
}
