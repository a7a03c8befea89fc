package main

import (
	"context"
	"fmt"
)

// Many recorded execs at once.
const (
	manyExecs  = 20
	manyOctets = 30 << 20 // of output, each
)

// manyExecsWork is the most memory that a server has while many execs run at once.
func manyExecsWork() work {
	return work{
		name: fmt.Sprintf("memory/execs=%d/size=%s", manyExecs, sizeName(manyOctets)), recorded: true,
		figures: []figure{{title: fmt.Sprintf("%d execs of %s, recorded: peak memory", manyExecs, sizeName(manyOctets)), unit: "MB"}},
		sample: func(ctx context.Context, l *lab, s *server) ([]float64, error) {
			err := each(ctx, manyExecs, func(going context.Context, _ int) error {
				return l.runFlow(going, s, flowText, 32<<10, manyOctets)
			})
			if err != nil {
				return nil, err
			}
			n, err := residentMemory(s.pid(), residentPeak)
			return []float64{float64(n) / 1e6}, err
		},
	}
}

// freshWork is the resident memory of a server that has done nothing.
func freshWork() work {
	return work{
		name:    "memory/state=fresh",
		figures: []figure{{title: "resident memory of a fresh process", unit: "MB", goals: []goal{{most: 16}}}},
		sample: func(ctx context.Context, _ *lab, s *server) ([]float64, error) {
			if _, err := settledMemory(ctx, s.pid()); err != nil {
				return nil, err
			}
			n, err := residentMemory(s.pid(), residentNow)
			return []float64{float64(n) / 1e6}, err
		},
	}
}
