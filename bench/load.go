package main

import (
	"context"
	"sync"
)

// openParallel is how many handshakes are under way at once.
const openParallel = 8

// openAll opens n tunnels and prepares each. The caller closes what it gets, also
// with an error.
func (g *gate) openAll(ctx context.Context, n int, prepare func(*tunnel) error) ([]*tunnel, error) {
	tunnels := make([]*tunnel, n)
	err := each(ctx, min(openParallel, n), func(going context.Context, worker int) error {
		for i := worker; i < n && going.Err() == nil; i += openParallel {
			t, err := g.open(ctx)
			if err != nil {
				return err
			}
			tunnels[i] = t
			if err := prepare(t); err != nil {
				return because(ctx, err)
			}
		}
		return nil
	})
	opened := tunnels[:0]
	for _, t := range tunnels {
		if t != nil {
			opened = append(opened, t)
		}
	}
	return opened, err
}

func closeAll(tunnels []*tunnel) {
	for _, t := range tunnels {
		t.close()
	}
}

// closedLoop sends small requests, shared out evenly. Each tunnel has one under
// way at a time.
func closedLoop(ctx context.Context, tunnels []*tunnel, requests int) error {
	return each(ctx, len(tunnels), func(going context.Context, i int) error {
		share := requests / len(tunnels)
		if i < requests%len(tunnels) {
			share++
		}
		for range share {
			if going.Err() != nil {
				return nil
			}
			if err := tunnels[i].get(); err != nil {
				return because(ctx, err)
			}
		}
		return nil
	})
}

// each runs do n times at once and waits for all. It returns the first error,
// upon which the context that do gets is cancelled; else why ctx ended, if it
// did.
func each(ctx context.Context, n int, do func(going context.Context, i int) error) error {
	going, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if err := do(going, i); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	return context.Cause(going)
}
