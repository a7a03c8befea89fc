package main

import (
	"context"
	"errors"
	"fmt"
)

// watchWork is the memory of a tunnel with a silent watch.
func watchWork(watches int) work {
	return work{
		name: "watch/state=idle",
		figures: []figure{{
			title: fmt.Sprintf("memory of an idle watch tunnel, of %d", watches), unit: "KiB",
			goals: []goal{{"", 48}, {sideRelay, 0.5}},
		}},
		sample: func(ctx context.Context, l *lab, s *server) ([]float64, error) {
			kib, err := watchMemory(ctx, l, s, watches)
			return []float64{kib}, err
		},
	}
}

func watchMemory(ctx context.Context, l *lab, s *server, n int) (float64, error) {
	first, err := l.gate(s).openAll(ctx, 1, (*tunnel).watch) // so that code and pools are there
	defer closeAll(first)
	if err != nil {
		return 0, err
	}
	before, err := settledMemory(ctx, s.pid())
	if err != nil {
		return 0, err
	}
	tunnels, err := l.gate(s).openAll(ctx, n, (*tunnel).watch)
	defer closeAll(tunnels)
	if err != nil {
		return 0, err
	}
	after, err := settledMemory(ctx, s.pid())
	if err != nil {
		return 0, err
	}
	if after <= before {
		return 0, errNoGrowth
	}
	return float64(after-before) / 1024 / float64(n), nil
}

var errNoGrowth = errors.New("memory did not grow: too few watches for a figure")
