package main

import (
	"context"
	"fmt"
)

// A sample of a body moves this much, in bodies of one size, over one tunnel.
const (
	bodySize  = 16 << 20
	bodyCount = 8
)

// downloadWork is the CPU time of an octet of a big answer.
func downloadWork(coding string) work {
	return bodyWork("download/coding="+coding, fmt.Sprintf("download, 16 MiB, %s", coding),
		[]goal{{of: sideRelay, most: 0.75}, {of: sideBatching, most: 1.05}},
		func(t *tunnel, size int64) error { return t.download(size, coding) })
}

// uploadWork is the CPU time of an octet of a big request.
func uploadWork() work {
	return bodyWork("upload/coding=length", "upload, 16 MiB", []goal{{of: sideRelay, most: 1.03}}, (*tunnel).upload)
}

func bodyWork(name, title string, goals []goal, move func(*tunnel, int64) error) work {
	return work{
		name:    name,
		figures: []figure{{title: title, unit: "ns/octet", goals: goals}},
		sample: func(ctx context.Context, l *lab, s *server) ([]float64, error) {
			ns, err := bodyCost(ctx, l, s, bodySize, bodyCount, move)
			return []float64{ns}, err
		},
	}
}

func bodyCost(ctx context.Context, l *lab, s *server, size int64, count int, move func(*tunnel, int64) error) (float64, error) {
	t, err := l.gate(s).open(ctx)
	if err != nil {
		return 0, err
	}
	defer t.close()
	if err := move(t, size); err != nil {
		return 0, because(ctx, err)
	}
	cost, err := spent(ctx, s, func() error {
		for range count {
			if err := move(t, size); err != nil {
				return because(ctx, err)
			}
		}
		return nil
	})
	return float64(cost.Nanoseconds()) / float64(size) / float64(count), err
}
