package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// watchWork is the memory of a tunnel with a silent watch.
func watchWork(watches int) work {
	return work{
		name: "watch/state=idle",
		figures: []figure{{
			title: fmt.Sprintf("memory of an idle watch tunnel, of %d", watches), unit: "KiB",
			goals: []goal{{most: 48}, {of: sideRelay, most: 0.5}},
		}},
		sample: func(ctx context.Context, l *lab, s *server) ([]float64, error) {
			kib, err := watchMemory(ctx, l, s, watches)
			return []float64{kib}, err
		},
	}
}

// A sample of events: watchers that each get eventCount events, eventGap apart.
// They begin to come eventDelay after the watch, which leaves time to read the
// account before.
const (
	eventWatches = 4
	eventCount   = 500
	eventGap     = 4 * time.Millisecond
	eventDelay   = 2 * time.Second
)

// eventWork is the CPU time of an event on a watch.
func eventWork() work {
	return work{
		name:    "watch/state=events",
		figures: []figure{{title: "event on a watch", unit: "µs", goals: []goal{{of: sideRelay, most: 1.1}}}},
		sample: func(ctx context.Context, l *lab, s *server) ([]float64, error) {
			us, err := eventCost(ctx, l, s)
			return []float64{us}, err
		},
	}
}

var errLate = errors.New("events came before the account was read: the machine is too busy")

func eventCost(ctx context.Context, l *lab, s *server) (float64, error) {
	begun := time.Now()
	tunnels, err := l.gate(s).openAll(ctx, eventWatches, func(t *tunnel) error {
		return t.watchEvents(eventCount, eventGap, eventDelay)
	})
	defer closeAll(tunnels)
	if err != nil {
		return 0, err
	}
	cost, err := spent(ctx, s, func() error {
		if time.Since(begun) > eventDelay {
			return errLate
		}
		return each(ctx, len(tunnels), func(_ context.Context, i int) error {
			return because(ctx, tunnels[i].events(eventCount))
		})
	})
	return float64(cost.Nanoseconds()) / 1e3 / (eventWatches * eventCount), err
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
