package metrics

import (
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// clusterVecs are the metrics that carry a cluster label.
type clusterVecs struct {
	resources       *resources
	requests        *counters
	requestDuration *prometheus.HistogramVec
	answerDuration  *prometheus.HistogramVec
	inFlight        *gauges
	bytes           *counters
	reachable       *gauges
	dials           *counters
	dialDuration    *prometheus.HistogramVec
	retries         *counters
	errors          *counters
	aborted         *counters
	streams         *counters
	streamsActive   *gauges
	queueWait       *prometheus.HistogramVec
	registry        *prometheus.Registry
}

func newClusterVecs(f *factory) *clusterVecs {
	requestBuckets := []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
	dialBuckets := []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	resources := newResources()
	listed := slices.Sorted(slices.Values(resources.names))
	return &clusterVecs{
		resources: resources,
		requests: f.counters("requests_total", "Requests that have ended, by verb, resource and the HTTP status that the client got.",
			byCluster(), of("verb", verbs[:]...), of("resource", listed...), Label{Name: "code", Text: "a status code that HTTP has a name for, or `other`; `other` as well if none was sent"}),
		requestDuration: f.histograms("request_duration_seconds", "Time from the request head to the end of the response; not for long-running requests.", requestBuckets, byCluster(), of("verb", verbs[:]...)),
		answerDuration:  f.histograms("upstream_response_seconds", "Time from the request head to the head of the API server's response; not for long-running requests.", requestBuckets, byCluster()),
		inFlight:        f.gauges("requests_in_flight", "Requests being forwarded, including streams.", byCluster()),
		bytes:           f.counters("forwarded_bytes_total", "Octets of heads and bodies forwarded; up is towards the API server.", byCluster(), of("direction", "up", "down")),
		reachable:       f.gauges("upstream_reachable", "Whether the API server could be reached when it was last tried: 1 or 0.", byCluster()),
		dials:           f.counters("upstream_dials_total", "Connections made to API servers, by result.", byCluster(), of("result", dialResults...)),
		dialDuration:    f.histograms("upstream_dial_duration_seconds", "Time for TCP and TLS to an API server, successful or not.", dialBuckets, byCluster()),
		retries:         f.counters("upstream_retries_total", "Requests sent again on another connection, by reason.", byCluster(), of("reason", retryReasons...)),
		errors:          f.counters("upstream_errors_total", "Requests that failed because of the API server or the network to it, by reason.", byCluster(), of("reason", upstreamReasons...)),
		aborted:         f.counters("requests_aborted_total", "Requests that ended before their response was complete, through no fault of the API server, by reason.", byCluster(), of("reason", abortReasons...)),
		streams:         f.counters("streams_total", "Upgraded streams that have ended, by protocol and the outcome of their recording.", byCluster(), of("protocol", protocols...), of("outcome", "recorded", "exempt", "failed")),
		streamsActive:   f.gauges("streams_active", "Open upgraded streams.", byCluster(), of("protocol", protocols...)),
		registry:        f.registry,
		queueWait:       f.histograms("upstream_queue_wait_seconds", "Time that requests and streams waited for a connection because the limit was reached.", requestBuckets, byCluster(), of("kind", kinds...)),
	}
}

// Cluster counts what happens towards one cluster. It is made by Metrics.Cluster.
type Cluster struct {
	vecs *clusterVecs
	name string

	inFlight      prometheus.Gauge
	bytesUp       prometheus.Counter
	bytesDown     prometheus.Counter
	reachable     prometheus.Gauge
	dialSeconds   prometheus.Observer
	answerSeconds prometheus.Observer
	verbs         map[string]*verb // complete and read-only after newCluster

	mu    sync.Mutex
	pools map[*poolStats]struct{} // guarded by mu; nil until the first is watched
}

func newCluster(vecs *clusterVecs, name string) *Cluster {
	name = vecs.inFlight.words.bound([]string{name})[0]
	c := &Cluster{
		vecs:          vecs,
		name:          name,
		inFlight:      vecs.inFlight.with(name),
		bytesUp:       vecs.bytes.with(name, "up"),
		bytesDown:     vecs.bytes.with(name, "down"),
		reachable:     vecs.reachable.with(name),
		dialSeconds:   vecs.dialDuration.WithLabelValues(name),
		answerSeconds: vecs.answerDuration.WithLabelValues(name),
		verbs:         newVerbs(vecs.resources),
	}
	c.reachable.Set(1) // until it is known better
	for _, protocol := range protocols {
		vecs.streams.with(name, protocol, "failed") // at zero: the first one is to be an increase
	}
	return c
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

// Reachable sets whether the API server could be reached when it was last tried.
func (c *Cluster) Reachable(yes bool) { c.reachable.Set(boolean(yes)) }

// WatchPool adds the open connections of a pool to a metric, until unwatch is
// called. stats is asked at each scrape and must be quick. A cluster whose settings
// were changed has two pools until the last stream of the old one has ended.
func (c *Cluster) WatchPool(stats func() (idle, active int)) (unwatch func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pools == nil {
		c.pools = make(map[*poolStats]struct{})
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

// poolSums returns nothing, rather than zeros, of a cluster that never had a pool.
func (c *Cluster) poolSums() (idle, active int, any bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for p := range c.pools {
		i, a := p.ask()
		idle, active = idle+i, active+a
	}
	return idle, active, c.pools != nil
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
	gauge("upstream_limit", mostHelp, prometheus.Labels{}, func() float64 { return float64(most()) })
	for i, kind := range kinds {
		gauge("upstream_in_use", inUseHelp,
			prometheus.Labels{"kind": kind}, func() float64 { n, _ := stats(i); return float64(n) })
		gauge("upstream_queue_length", queueLengthHelp,
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
