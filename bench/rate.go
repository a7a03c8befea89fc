package main

import (
	"context"
	"slices"
	"time"
)

// latencies are the times from request to answer.
type latencies []time.Duration

// quantile returns the latency that a part of all requests does not exceed, in
// microseconds.
func (l latencies) quantile(part float64) float64 {
	if len(l) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(l))
	at := min(int(part*float64(len(sorted))), len(sorted)-1)
	return float64(sorted[at].Nanoseconds()) / 1e3
}

// openLoop does something at a fixed rate, over all tunnels, whether answers come
// or not: what is late because the one before was slow counts from when it should
// have begun.
func openLoop(ctx context.Context, tunnels []*tunnel, rate, count int, do func(*tunnel) error) (latencies, error) {
	all := make([]latencies, len(tunnels))
	gap := time.Second / time.Duration(rate)
	start := time.Now()
	err := each(ctx, len(tunnels), func(going context.Context, i int) error {
		for k := i; k < count && going.Err() == nil; k += len(tunnels) {
			begin := start.Add(time.Duration(k) * gap)
			if wait := time.Until(begin); wait > 0 {
				time.Sleep(wait)
				begin = time.Now() // the clock's own lateness is not the server's
			}
			if err := do(tunnels[i]); err != nil {
				return because(ctx, err)
			}
			all[i] = append(all[i], time.Since(begin))
		}
		return nil
	})
	return slices.Concat(all...), err
}
