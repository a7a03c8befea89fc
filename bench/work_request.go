package main

import (
	"context"
	"fmt"
)

// requestWork is the CPU time of a request with a small answer.
func requestWork(tunnels, requests int) work {
	return work{
		name: fmt.Sprintf("request/size=4KiB/tunnels=%d", tunnels),
		figures: []figure{{
			title: fmt.Sprintf("GET, 4 KiB, %s", plural(tunnels, "tunnel")), unit: "µs",
			goals: []goal{{of: better, most: 1.15}},
		}},
		sample: func(ctx context.Context, l *lab, s *server) ([]float64, error) {
			us, err := requestCost(ctx, l, s, tunnels, requests)
			return []float64{us}, err
		},
	}
}

func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

func requestCost(ctx context.Context, l *lab, s *server, n, requests int) (float64, error) {
	tunnels, err := l.gate(s).openAll(ctx, n, (*tunnel).get)
	defer closeAll(tunnels)
	if err != nil {
		return 0, err
	}
	if err := closedLoop(ctx, tunnels, warmUp); err != nil {
		return 0, err
	}
	cost, err := spent(ctx, s, func() error { return closedLoop(ctx, tunnels, requests) })
	return float64(cost.Nanoseconds()) / 1e3 / float64(requests), err
}
