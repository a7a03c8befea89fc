package main

import (
	"context"
	"fmt"
)

// A sample at a fixed rate.
const (
	ratePerSecond = 1000
	rateRequests  = 4000
)

// rateWork is the CPU time and the latency of requests at a fixed rate.
func rateWork(tunnels int) work {
	title := fmt.Sprintf("GET, %d/s, %s", ratePerSecond, plural(tunnels, "tunnel"))
	return work{
		name: fmt.Sprintf("request/size=4KiB/tunnels=%d/rate=%d", tunnels, ratePerSecond),
		figures: []figure{
			{name: "cpu", title: title, unit: "µs"},
			{name: "p50", title: title + ": p50", unit: "µs"},
			{name: "p99", title: title + ": p99", unit: "µs", goals: []goal{{of: sideRelay, most: 1.15}}},
		},
		sample: func(ctx context.Context, l *lab, s *server) ([]float64, error) {
			return rateCost(ctx, l, s, tunnels)
		},
	}
}

func rateCost(ctx context.Context, l *lab, s *server, n int) ([]float64, error) {
	tunnels, err := l.gate(s).openAll(ctx, n, (*tunnel).get)
	defer closeAll(tunnels)
	if err != nil {
		return nil, err
	}
	if err := closedLoop(ctx, tunnels, warmUp); err != nil {
		return nil, err
	}
	return paced(ctx, s, tunnels, ratePerSecond, rateRequests, (*tunnel).get)
}

// paced returns the CPU time of what is done at a fixed rate, and its median and
// 99th percentile of latency, in microseconds.
func paced(ctx context.Context, s *server, tunnels []*tunnel, rate, count int, do func(*tunnel) error) ([]float64, error) {
	var took latencies
	cost, err := spent(ctx, s, func() (err error) {
		took, err = openLoop(ctx, tunnels, rate, count, do)
		return err
	})
	if err != nil {
		return nil, err
	}
	return []float64{float64(cost.Nanoseconds()) / 1e3 / float64(count), took.quantile(0.5), took.quantile(0.99)}, nil
}
