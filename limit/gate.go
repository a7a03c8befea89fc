package limit

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Kind is how long a place is needed.
type Kind int

// The kinds of places.
const (
	Short  Kind = iota // for a request: until its response is complete
	Stream             // for hours
	kinds
)

// words are for metrics.
var words = [kinds]string{Short: "request", Stream: "stream"}

// Kinds returns the words for all kinds, in their order.
func Kinds() []string { return slices.Clone(words[:]) }

// String is the word for metrics.
func (k Kind) String() string { return words[k] }

// Why Enter lets nobody in.
var (
	ErrQueueFull = errors.New("limit: too many wait already")
	ErrQueueTime = errors.New("limit: no place has become free in time")
)

// GateConfig says how many a Gate lets in.
type GateConfig struct {
	Most  int           // at once; at least 2, of which one is kept for short requests
	Queue int           // how many may wait, of each kind; zero: none
	Wait  time.Duration // how long one waits at most

	// Waited, if not nil, is told how long each wait was, whatever came of it.
	Waited func(kind Kind, took time.Duration) // that of NewGate stays
}

// Gate lets a number of holders in at once. Others wait; doc.go says in which
// order.
type Gate struct {
	mu     sync.Mutex
	config GateConfig  // guarded by mu
	most   [kinds]int  // guarded by mu; in at once of this kind alone
	in     [kinds]int  // guarded by mu
	lines  [kinds]line // guarded by mu; empty unless nobody else of the kind can be let in
	turn   Kind        // guarded by mu; who is next where both wait
}

// reservedShare of all places is kept for short requests.
const reservedShare = 4

// NewGate returns a gate with nobody in. It panics on fewer than two places.
func NewGate(config GateConfig) *Gate {
	g := new(Gate)
	for k := range g.lines {
		g.lines[k].users = make(map[string]*party)
	}
	g.Configure(config)
	return g
}

// Configure changes how many are let in and may wait from now on. It panics on
// fewer than two places.
func (g *Gate) Configure(config GateConfig) {
	if config.Most < 2 {
		panic("limit: a Gate needs two places")
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.config.Waited != nil {
		config.Waited = g.config.Waited
	}
	g.config = config
	g.most = [kinds]int{Short: config.Most, Stream: config.Most - max(config.Most/reservedShare, 1)}
	for k := range g.lines {
		g.lines[k].most = config.Queue
	}
	g.admitAll()
}

// TryEnter takes a place, which Leave gives back, if one is free. It does not
// allocate.
func (g *Gate) TryEnter(kind Kind) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.take(kind)
}

// take takes a place if one is free: then nobody waits for it. It is called with mu
// held.
func (g *Gate) take(kind Kind) bool {
	if !g.hasRoom(kind) {
		return false
	}
	g.in[kind]++
	return true
}

// Enter takes a place as TryEnter does. If none is free it waits, as one of user's.
// It returns ErrQueueFull, ErrQueueTime or the cause of ctx's end if there is no
// place to be had.
func (g *Gate) Enter(ctx context.Context, user string, kind Kind) error {
	g.mu.Lock()
	if g.take(kind) {
		g.mu.Unlock()
		return nil
	}
	w, gone := g.lines[kind].join(user)
	if gone != nil {
		close(gone.over)
	}
	wait, waited := g.config.Wait, g.config.Waited
	g.mu.Unlock()
	if w == nil {
		return ErrQueueFull
	}
	start := time.Now()
	err := g.await(ctx, w, kind, wait)
	if waited != nil {
		waited(kind, time.Since(start))
	}
	return err
}

// hasRoom reports whether one more of a kind can be let in. It is called with mu
// held.
func (g *Gate) hasRoom(kind Kind) bool {
	return g.in[Short]+g.in[Stream] < g.config.Most && g.in[kind] < g.most[kind]
}

// await waits for what comes of w, no longer than wait.
func (g *Gate) await(ctx context.Context, w *waiter, kind Kind, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	var err error
	select {
	case <-w.over:
	case <-timer.C:
		err = ErrQueueTime
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch w.state {
	case waiting:
		g.lines[kind].leave(w)
		return err
	case dropped:
		return ErrQueueFull
	}
	return nil // let in, perhaps just as the time was over
}

// Leave gives a place back.
func (g *Gate) Leave(kind Kind) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.in[kind] == 0 {
		panic("limit: internal error: more leave a gate than have entered")
	}
	g.in[kind]--
	g.admitAll()
}

// admitAll lets in whoever waits for a place that is free. It is called with mu
// held.
func (g *Gate) admitAll() {
	for g.admit(g.turn) || g.admit(kinds-1-g.turn) {
	}
}

// admit lets in whose turn it is among those of one kind. It is called with mu
// held.
func (g *Gate) admit(kind Kind) bool {
	if !g.hasRoom(kind) {
		return false
	}
	w := g.lines[kind].next()
	if w == nil {
		return false
	}
	g.in[kind]++
	g.turn = kinds - 1 - kind
	close(w.over)
	return true
}

// GateStats is who is at a gate at one moment, by Kind.
type GateStats struct {
	In      [kinds]int
	Waiting [kinds]int
}

// Stats returns who is there now.
func (g *Gate) Stats() GateStats {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := GateStats{In: g.in}
	for k := range g.lines {
		s.Waiting[k] = g.lines[k].waiting
	}
	return s
}
