package metrics

import (
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Request is a request that has ended.
type Request struct {
	Verb        string
	Group       []byte // with Resource and Subresource, what it was for; all empty if it was for no resource
	Resource    []byte
	Subresource []byte
	Code        int           // HTTP status sent to the client
	LongRunning bool          // how long it took says nothing
	Duration    time.Duration // from its head to the end of the response
	Answered    time.Duration // from its head to the head of the API server's response; 0 if there was none
}

// verbs are the label values of verb. Those after proxy are of non-resource
// requests.
var verbs = [...]string{other, "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection",
	"proxy", "head", "post", "put", "options"}

// knownCode reports whether a code is a label value of its own. It is bounded
// because an application behind a proxied request answers with any.
func knownCode(code int) bool { return http.StatusText(code) != "" }

// verb has the children of one cluster and verb.
type verb struct {
	name    string
	seconds atomic.Pointer[prometheus.Observer] // nil until used
	places  []atomic.Pointer[[]counted]         // by place of the resource; the slices are replaced, not changed
}

// counted is the counter of a code.
type counted struct {
	code    int // 0: other
	counter prometheus.Counter
}

func newVerbs(r *resources) map[string]*verb {
	all := make(map[string]*verb, len(verbs))
	for _, v := range verbs {
		all[v] = &verb{name: v, places: make([]atomic.Pointer[[]counted], len(r.names))}
	}
	return all
}

// RequestStarted counts a request as in flight until RequestDone.
func (c *Cluster) RequestStarted() { c.inFlight.Inc() }

// RequestDone counts a request whose response has ended, and ends what
// RequestStarted began. The durations of a long-running request are not observed.
func (c *Cluster) RequestDone(r *Request) {
	c.inFlight.Dec()
	v := c.verbs[r.Verb]
	if v == nil {
		v = c.verbs[other]
	}
	code := r.Code
	if !knownCode(code) {
		code = 0
	}
	v.counter(c, c.vecs.resources.place(r.Group, r.Resource, r.Subresource), code).Inc()
	if r.LongRunning {
		return
	}
	v.observer(c).Observe(r.Duration.Seconds())
	if r.Answered > 0 {
		c.answerSeconds.Observe(r.Answered.Seconds())
	}
}

// counter returns the counter of a resource and a code.
func (v *verb) counter(c *Cluster, place, code int) prometheus.Counter {
	known := v.places[place].Load()
	if known != nil {
		for i := range *known {
			if (*known)[i].code == code {
				return (*known)[i].counter
			}
		}
	}
	label := other
	if code != 0 {
		label = strconv.Itoa(code)
	}
	// Not through the bounded words: these are bounded already.
	counter := c.vecs.requests.vec.WithLabelValues(c.name, v.name, c.vecs.resources.names[place], label)
	for {
		var more []counted
		if known != nil {
			more = append(more, *known...)
		}
		more = append(more, counted{code, counter}) // twice, if two are the first: it is the same counter
		if v.places[place].CompareAndSwap(known, &more) {
			return counter
		}
		known = v.places[place].Load()
	}
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
