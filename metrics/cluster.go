package metrics

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// clusterVecs are the metrics that carry a cluster label.
type clusterVecs struct {
	requests        *counters
	requestDuration *prometheus.HistogramVec
	inFlight        *gauges
	bytes           *counters
	dials           *counters
	dialDuration    *prometheus.HistogramVec
	registry        *prometheus.Registry
	retries         *counters
	errors          *counters
	aborted         *counters
	streams         *counters
	streamsActive   *gauges
	queueWait       *prometheus.HistogramVec
}

func newClusterVecs(f factory) *clusterVecs {
	requestBuckets := []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
	dialBuckets := []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	return &clusterVecs{
		requests:        f.counters("requests_total", "Requests whose response is complete, by verb and HTTP status.", "cluster", "verb", "code"),
		requestDuration: f.histograms("request_duration_seconds", "Time from the request head to the end of the response; not for long-running requests.", requestBuckets, "cluster", "verb"),
		inFlight:        f.gauges("requests_in_flight", "Requests that are now being forwarded, streams included.", "cluster"),
		bytes:           f.counters("forwarded_bytes_total", "Octets of heads and bodies forwarded; up is towards the API server.", "cluster", "direction"),
		dials:           f.counters("upstream_dials_total", "Connections made to API servers, by result.", "cluster", "result"),
		dialDuration:    f.histograms("upstream_dial_duration_seconds", "Time for TCP and TLS to an API server, successful or not.", dialBuckets, "cluster"),
		registry:        f.registry,
		retries:         f.counters("upstream_retries_total", "Requests repeated on another connection, by reason.", "cluster", "reason"),
		errors:          f.counters("upstream_errors_total", "Requests that failed because of the API server or the way to it, by reason.", "cluster", "reason"),
		aborted:         f.counters("requests_aborted_total", "Requests that ended before their response was complete, other than by a fault of the API server, by reason.", "cluster", "reason"),
		streams:         f.counters("streams_total", "Upgraded streams that ended, by protocol and what became of their recording.", "cluster", "protocol", "outcome"),
		streamsActive:   f.gauges("streams_active", "Upgraded streams now open.", "cluster", "protocol"),
		queueWait:       f.histograms("upstream_queue_wait_seconds", "Time that requests and streams waited for a connection because the most were in use.", requestBuckets, "cluster", "kind"),
	}
}

// verbs are the label values of verb. Those after proxy are of non-resource
// requests.
var verbs = [...]string{other, "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection",
	"proxy", "head", "post", "put", "options"}

const (
	minCode = 100
	maxCode = 599
)

// Cluster counts what happens towards one cluster. It is made by Metrics.Cluster.
type Cluster struct {
	vecs *clusterVecs
	name string

	inFlight    prometheus.Gauge
	bytesUp     prometheus.Counter
	bytesDown   prometheus.Counter
	dialSeconds prometheus.Observer
	verbs       map[string]*verb // complete and read-only after newCluster

	mu    sync.Mutex
	pools map[*poolStats]struct{} // guarded by mu; nil until the first is watched
}

// verb has the children of one cluster and verb.
type verb struct {
	name    string
	seconds atomic.Pointer[prometheus.Observer]                       // nil until used
	codes   [maxCode - minCode + 2]atomic.Pointer[prometheus.Counter] // by code; the last is for other; nil until used
}

func newCluster(vecs *clusterVecs, name string) *Cluster {
	name = vecs.inFlight.words.bound([]string{name})[0]
	c := &Cluster{
		vecs:        vecs,
		name:        name,
		inFlight:    vecs.inFlight.with(name),
		bytesUp:     vecs.bytes.with(name, "up"),
		bytesDown:   vecs.bytes.with(name, "down"),
		dialSeconds: vecs.dialDuration.WithLabelValues(name),
		verbs:       make(map[string]*verb, len(verbs)),
	}
	for _, v := range verbs {
		c.verbs[v] = &verb{name: v}
	}
	return c
}

// RequestStarted counts a request as in flight until RequestDone.
func (c *Cluster) RequestStarted() { c.inFlight.Inc() }

// RequestDone counts a request whose response has ended, and ends what
// RequestStarted began. code is the HTTP status sent to the client. The duration
// of a long-running request is not observed.
func (c *Cluster) RequestDone(verb string, code int, longRunning bool, d time.Duration) {
	c.inFlight.Dec()
	v := c.verbs[verb]
	if v == nil {
		v = c.verbs[other]
	}
	v.counter(c, code).Inc()
	if !longRunning {
		v.observer(c).Observe(d.Seconds())
	}
}

// counter returns the counter of a code.
func (v *verb) counter(c *Cluster, code int) prometheus.Counter {
	at, label := code-minCode, ""
	if code < minCode || code > maxCode {
		at, label = maxCode-minCode+1, other
	}
	if known := v.codes[at].Load(); known != nil {
		return *known
	}
	if label == "" {
		label = strconv.Itoa(code)
	}
	// Not through the bounded words: these are bounded already.
	counter := c.vecs.requests.vec.WithLabelValues(c.name, v.name, label)
	v.codes[at].Store(&counter)
	return counter
}

// observer returns the histogram of the verb.
func (v *verb) observer(c *Cluster) prometheus.Observer {
	if known := v.seconds.Load(); known != nil {
		return *known
	}
	seconds := c.vecs.requestDuration.WithLabelValues(c.name, v.name)
	v.seconds.Store(&seconds)
	return seconds
}

// AddBytes counts octets forwarded, for a request at its end or for a stream as
// it goes on.
func (c *Cluster) AddBytes(up, down int64) {
	c.bytesUp.Add(float64(max(up, 0))) // a counter panics when it is to go back
	c.bytesDown.Add(float64(max(down, 0)))
}

// Dial counts a connection made to the API server, or the attempt. result is "ok"
// or the reason word of the failure.
func (c *Cluster) Dial(result string, d time.Duration) {
	c.vecs.dials.with(c.name, result).Inc()
	c.dialSeconds.Observe(d.Seconds())
}

// WatchPool adds the open connections of a pool to a metric, until unwatch is
// called. stats is asked at each scrape and must be quick. A cluster whose settings
// were changed has two pools until the last stream of the old one has ended.
func (c *Cluster) WatchPool(stats func() (idle, active int)) (unwatch func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pools == nil {
		c.pools = make(map[*poolStats]struct{})
		c.registerPools()
	}
	p := &poolStats{stats}
	c.pools[p] = struct{}{}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.pools, p)
	}
}

// poolStats makes functions comparable.
type poolStats struct{ ask func() (idle, active int) }

func (c *Cluster) registerPools() {
	gauge := func(state string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Name: "upstream_connections", Help: "Connections to API servers now open, by state.",
			ConstLabels: prometheus.Labels{"cluster": c.name, "state": state},
		}, value)
	}
	c.vecs.registry.MustRegister(
		gauge("idle", func() float64 { idle, _ := c.poolSums(); return float64(idle) }),
		gauge("active", func() float64 { _, active := c.poolSums(); return float64(active) }),
	)
}

func (c *Cluster) poolSums() (idle, active int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for p := range c.pools {
		i, a := p.ask()
		idle, active = idle+i, active+a
	}
	return idle, active
}

// WatchQueue makes the limit of connections in use, those who have one and those
// who wait metrics, by kind of use. stats is asked at each scrape and must be quick.
// It is called once a cluster.
func (c *Cluster) WatchQueue(most func() int, kinds []string, stats func(kind int) (inUse, waiting int)) {
	gauge := func(name, help string, labels prometheus.Labels, value func() float64) {
		labels["cluster"] = c.name
		c.vecs.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Name: name, Help: help, ConstLabels: labels,
		}, value))
	}
	gauge("upstream_limit", "Limit of connections in use to the API server.", prometheus.Labels{}, func() float64 { return float64(most()) })
	for i, kind := range kinds {
		gauge("upstream_in_use", "Connections to API servers that requests or streams have or are getting.",
			prometheus.Labels{"kind": kind}, func() float64 { n, _ := stats(i); return float64(n) })
		gauge("upstream_queue_length", "Requests and streams that wait for a connection because the most are in use.",
			prometheus.Labels{"kind": kind}, func() float64 { _, n := stats(i); return float64(n) })
	}
}

// QueueWait counts a wait for a connection while the most were in use, whatever came
// of it. kind is one of a fixed few.
func (c *Cluster) QueueWait(kind string, took time.Duration) {
	c.vecs.queueWait.WithLabelValues(c.name, kind).Observe(took.Seconds())
}

// Retry counts a request that is repeated on another connection.
func (c *Cluster) Retry(reason string) { c.vecs.retries.with(c.name, reason).Inc() }

// Error counts a request that failed because of the API server.
func (c *Cluster) Error(reason string) { c.vecs.errors.with(c.name, reason).Inc() }

// Aborted counts a request that was cut short and not answered by the gateway
// itself: the client went away, its token expired, the gateway was stopped.
func (c *Cluster) Aborted(reason string) { c.vecs.aborted.with(c.name, reason).Inc() }

// StreamOpened counts an upgraded stream as open until StreamClosed. protocol is
// spdy or websocket.
func (c *Cluster) StreamOpened(protocol string) { c.vecs.streamsActive.with(c.name, protocol).Inc() }

// StreamClosed ends what StreamOpened began. Each stream has one outcome:
// "recorded", "exempt", "failed", or "unrecorded" while recording is off.
func (c *Cluster) StreamClosed(protocol, outcome string) {
	c.vecs.streamsActive.with(c.name, protocol).Dec()
	c.vecs.streams.with(c.name, protocol, outcome).Inc()
}
