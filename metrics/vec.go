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

func newWords(labels []Label) *words {
	w := &words{seen: make([]map[string]struct{}, len(labels))}
	for i, label := range labels {
		if label.Text == "" { // else it is bounded by the configuration
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

// age is the seconds since a moment, and nothing before there is one.
type age struct {
	at atomic.Int64 // Unix nanoseconds; math.MinInt64 for none
}

func newAge(f *factory, name, help string) *age {
	a := &age{}
	a.at.Store(math.MinInt64)
	desc := f.describe(typeGauge, name, help)
	f.collect(&asked{gather: func(send func(*prometheus.Desc, prometheus.ValueType, float64, ...string)) {
		if at := a.at.Load(); at != math.MinInt64 {
			send(desc, prometheus.GaugeValue, time.Since(time.Unix(0, at)).Seconds())
		}
	}}, desc)
	return a
}

func (a *age) since(at time.Time) { a.at.Store(at.UnixNano()) }
