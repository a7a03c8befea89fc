package connect

import (
	"context"
	"sync"
	"time"
)

// failureMemory is how long a failed fetch answers for the next ones: kubectl makes several attempts in a row, and each
// wrong password brings the user nearer to being locked out by the issuer.
const failureMemory = 3 * time.Second

// lease holds something that has to be fetched anew from time to time: a token, the list of resources. Fetching is
// shared: however many callers wait, one fetch runs. Safe for concurrent use.
type lease[T any] struct {
	fetch func(context.Context) (held[T], error)
	// base is the context of fetches: one that ends because a client went away would fail all who wait with it.
	base context.Context
	// tasks counts running fetches.
	tasks *sync.WaitGroup
	// failed is told of fetches that nobody waited for.
	failed func(err error, until time.Time)

	mu       sync.Mutex
	current  held[T]        // guarded by mu; the zero value has expired
	running  *leaseFetch[T] // guarded by mu; nil: none
	failure  error          // guarded by mu; of the last fetch
	failedAt time.Time      // guarded by mu
}

// held is a fetched value with its times.
type held[T any] struct {
	value   T
	fetched time.Time
	renewAt time.Time // from then on it is fetched anew in the background
	expires time.Time // from then on it is of no use
}

type leaseFetch[T any] struct {
	done   chan struct{} // closed after result and err are set
	result held[T]
	err    error
}

// get returns a value that has not expired, and fetches it if need be.
func (l *lease[T]) get(ctx context.Context) (held[T], error) {
	l.mu.Lock()
	now := time.Now()
	if now.Before(l.current.expires) {
		defer l.mu.Unlock()
		if !now.Before(l.current.renewAt) && l.running == nil && now.Sub(l.failedAt) >= failureMemory {
			l.startLocked()
		}
		return l.current, nil
	}
	return l.waitLocked(ctx, now)
}

// renewed returns a value that was fetched at least at the given time.
func (l *lease[T]) renewed(ctx context.Context, since time.Time) (held[T], error) {
	l.mu.Lock()
	now := time.Now()
	if !l.current.fetched.Before(since) && now.Before(l.current.expires) {
		defer l.mu.Unlock()
		return l.current, nil
	}
	return l.waitLocked(ctx, now)
}

// waitLocked unlocks l and waits for a fetch.
func (l *lease[T]) waitLocked(ctx context.Context, now time.Time) (held[T], error) {
	if l.running == nil && l.failure != nil && now.Sub(l.failedAt) < failureMemory {
		defer l.mu.Unlock()
		return held[T]{}, l.failure
	}
	if l.running == nil {
		l.startLocked()
	}
	fetch := l.running
	l.mu.Unlock()
	select {
	case <-fetch.done:
		return fetch.result, fetch.err
	case <-ctx.Done():
		return held[T]{}, context.Cause(ctx)
	}
}

func (l *lease[T]) startLocked() {
	fetch := &leaseFetch[T]{done: make(chan struct{})}
	l.running = fetch
	l.tasks.Go(func() { l.run(fetch) })
}

// run ends with the fetch, which base ends.
func (l *lease[T]) run(fetch *leaseFetch[T]) {
	result, err := l.fetch(l.base)
	l.mu.Lock()
	l.running = nil
	l.failure = err
	if err == nil {
		l.current = result
	} else {
		l.failedAt = time.Now()
	}
	inHand := l.current.expires
	l.mu.Unlock()
	fetch.result, fetch.err = result, err
	close(fetch.done)
	if err != nil && time.Now().Before(inHand) {
		l.failed(err, inHand)
	}
}

// drop forgets the value that was fetched at the given time; a newer one stays.
func (l *lease[T]) drop(fetched time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current.fetched.Equal(fetched) {
		l.current = held[T]{}
	}
}
