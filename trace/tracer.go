package trace

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/spliceway/spliceway/internal/filewatch"
)

// Bounds of what waits to be exported.
const (
	queueLength = 2048        // spans
	batchLength = 512         // spans of one export
	batchDelay  = time.Second // that the first span of a batch waits for others
	flushTime   = 5 * time.Second
)

// Config says where spans go.
type Config struct {
	Endpoint    string // URL of the collector; without a path it gets /v1/traces. Required
	CAFile      string // PEM authorities for Endpoint; if empty, the system's
	HeadersFile string // lines "Name: value" that are sent along; if empty, none are
	Ratio       float64
	Process     []Attribute // what is said of the process

	// Report is told what became of spans, with the reason if it is not as it should
	// be. It may be called by any goroutine, and must not wait.
	Report func(o Outcome, spans int, err error)
}

// Outcome is what became of spans.
type Outcome string

// Outcomes. All but Retried are final.
const (
	Sent     Outcome = "sent"
	Retried  Outcome = "retried"  // they are sent again
	Dropped  Outcome = "dropped"  // the queue was full
	Failed   Outcome = "failed"   // the collector did not answer, or said no
	Rejected Outcome = "rejected" // by a collector that took others
)

// Tracer makes places in traces and exports spans. It is safe for concurrent use.
type Tracer struct {
	cfg     Config
	sampler sampler
	queue   chan *Span
	link    *filewatch.Value[*link]
	used    *link // owned by Run; the one of the last attempt
}

// New reads the files of cfg. It contacts nobody.
func New(cfg Config) (*Tracer, error) {
	endpoint, err := ParseEndpoint(cfg.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	cfg.Endpoint = endpoint.String()
	var files []string
	for _, name := range []string{cfg.CAFile, cfg.HeadersFile} {
		if name != "" {
			files = append(files, name)
		}
	}
	t := &Tracer{cfg: cfg, sampler: newSampler(cfg.Ratio), queue: make(chan *Span, queueLength)}
	if t.link, err = filewatch.New(func() (*link, error) { return newLink(cfg.CAFile, cfg.HeadersFile) }, files...); err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	t.used = t.link.Get()
	return t, nil
}

// Endpoint returns where spans are sent, for logs.
func (t *Tracer) Endpoint() string { return t.cfg.Endpoint }

// Start makes a place under another one, or, if that is the zero value, the root of
// a new trace. It does not allocate.
func (t *Tracer) Start(parent Context) Context {
	if parent.Valid() {
		return below(&parent)
	}
	return t.sampler.begin()
}

// Emit has a span exported that has ended. It never waits.
func (t *Tracer) Emit(s *Span) {
	select {
	case t.queue <- s:
	default:
		t.cfg.Report(Dropped, 1, nil)
	}
}

// Run exports spans until ctx is done, and then what is left. Files are looked at
// every so often, and reloaded is told of those that were read anew or can't be. It
// is called once.
func (t *Tracer) Run(ctx context.Context, every time.Duration, reloaded func(error)) {
	var watching sync.WaitGroup
	watching.Go(func() { t.link.Run(ctx, every, reloaded) })
	sending, stop := outlasting(ctx, flushTime)
	defer stop()
	for {
		batch, last := t.gather(ctx)
		if len(batch) > 0 {
			t.deliver(sending, batch)
		}
		if last {
			break
		}
	}
	watching.Wait()
	t.used.close()
}

// outlasting returns a context that is done a while after ctx.
func outlasting(ctx context.Context, d time.Duration) (longer context.Context, cancel func()) {
	longer, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { // ends with longer
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			end()
		case <-longer.Done():
		}
	})
	return longer, func() { stop(); end() }
}

// gather waits for spans and returns those of one moment. The last batch, when ctx is
// done, is the one behind which nothing is left.
func (t *Tracer) gather(ctx context.Context) (batch []*Span, last bool) {
	select {
	case s := <-t.queue:
		batch = append(batch, s)
	case <-ctx.Done():
	}
	delay := time.NewTimer(batchDelay)
	defer delay.Stop()
	for waiting := ctx.Err() == nil; waiting && len(batch) < batchLength; {
		select {
		case s := <-t.queue:
			batch = append(batch, s)
		case <-delay.C:
			waiting = false
		case <-ctx.Done():
			waiting = false
		}
	}
	for len(batch) < batchLength {
		select {
		case s := <-t.queue:
			batch = append(batch, s)
		default:
			return batch, ctx.Err() != nil
		}
	}
	return batch, false
}
