package metrics

import "github.com/prometheus/client_golang/prometheus"

// Types of a Family, as the exposition has them.
const (
	typeCounter   = "counter"
	typeGauge     = "gauge"
	typeHistogram = "histogram"
)

// factory makes, registers and describes metrics. It panics when a name is taken,
// which is a fault of this package that its tests would show.
type factory struct {
	registry *prometheus.Registry
	families []Family
}

// describe adds a metric to the reference and returns its description for
// whoever collects it.
func (f *factory) describe(kind, name, help string, labels ...Label) *prometheus.Desc {
	name = prometheus.BuildFQName(namespace, "", name)
	f.families = append(f.families, Family{Name: name, Type: kind, Help: help, Labels: labels})
	return prometheus.NewDesc(name, help, names(labels), nil)
}

func names(labels []Label) []string {
	var all []string
	for _, l := range labels {
		all = append(all, l.Name)
	}
	return all
}

func (f *factory) counter(name, help string) prometheus.Counter {
	f.describe(typeCounter, name, help)
	c := prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	f.registry.MustRegister(c)
	return c
}

func (f *factory) gauge(name, help string) prometheus.Gauge {
	f.describe(typeGauge, name, help)
	g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
	f.registry.MustRegister(g)
	return g
}

func (f *factory) histogram(name, help string, buckets []float64) prometheus.Histogram {
	f.describe(typeHistogram, name, help)
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets})
	f.registry.MustRegister(h)
	return h
}

func (f *factory) counters(name, help string, labels ...Label) *counters {
	f.describe(typeCounter, name, help, labels...)
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, names(labels))
	f.registry.MustRegister(v)
	return &counters{vec: v, words: newWords(labels)}
}

func (f *factory) gauges(name, help string, labels ...Label) *gauges {
	f.describe(typeGauge, name, help, labels...)
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, names(labels))
	f.registry.MustRegister(v)
	return &gauges{vec: v, words: newWords(labels)}
}

func (f *factory) histograms(name, help string, buckets []float64, labels ...Label) *prometheus.HistogramVec {
	f.describe(typeHistogram, name, help, labels...)
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, names(labels))
	f.registry.MustRegister(v)
	return v
}

// collect registers what is asked at each scrape.
func (f *factory) collect(c *asked, descs ...*prometheus.Desc) {
	c.descs = descs
	f.registry.MustRegister(c)
}

// asked is a collector that asks for values at each scrape. gather must be safe
// for concurrent use, and quick.
type asked struct {
	descs  []*prometheus.Desc
	gather func(send func(desc *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string))
}

// Describe implements prometheus.Collector.
func (a *asked) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range a.descs {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (a *asked) Collect(ch chan<- prometheus.Metric) {
	a.gather(func(desc *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, kind, value, labels...)
	})
}
