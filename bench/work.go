package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// work is one line of the table.
type work struct {
	name  string // subject/key=value/...
	title string
	unit  string
	// sample measures a server that has just been started.
	sample func(ctx context.Context, l *lab, s *server) (float64, error)
}

const (
	// sampleTimeout ends a sample that hangs.
	sampleTimeout = 2 * time.Minute

	// warmUp is how many requests go before those that are measured: connections
	// are then pooled, buffers grown, and the collector has run.
	warmUp = 500

	// afterwards is left for what a server does behind a response, so that it is
	// in the account.
	afterwards = 50 * time.Millisecond
)

// interleave takes samples of a work, by side and round.
func (l *lab) interleave(ctx context.Context, w *work, rounds int, progress io.Writer) (samples [2][]float64, err error) {
	for round := range rounds {
		fmt.Fprintf(progress, "%s: round %d of %d\n", w.name, round+1, rounds)
		for turn := range sides {
			i := (round + turn) % len(sides)
			sample, err := l.sample(ctx, w, &sides[i])
			if err != nil {
				return samples, fmt.Errorf("%s: %w", sides[i].name, err)
			}
			samples[i] = append(samples[i], sample)
		}
	}
	return samples, nil
}

func (l *lab) sample(ctx context.Context, w *work, s *side) (_ float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	running, err := l.serve(ctx, s)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, running.stop()) }()
	figure, err := w.sample(ctx, l, running)
	if err != nil {
		return 0, fmt.Errorf("%w; the log of %s ends:\n%s", err, s.name, running.tail())
	}
	return figure, nil
}

// requestWork is the CPU time of a request with a small answer.
func requestWork(tunnels, requests int) work {
	plural := "s"
	if tunnels == 1 {
		plural = ""
	}
	return work{
		name:  fmt.Sprintf("request/size=4KiB/tunnels=%d", tunnels),
		title: fmt.Sprintf("CPU time of a GET, 4 KiB, %d tunnel%s", tunnels, plural),
		unit:  "µs",
		sample: func(ctx context.Context, l *lab, s *server) (float64, error) {
			return requestCost(ctx, l, s, tunnels, requests)
		},
	}
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
	before, err := settledTime(ctx, s.pid())
	if err != nil {
		return 0, err
	}
	if err := closedLoop(ctx, tunnels, requests); err != nil {
		return 0, err
	}
	after, err := settledTime(ctx, s.pid())
	if err != nil {
		return 0, err
	}
	return float64((after - before).Nanoseconds()) / 1e3 / float64(requests), nil
}

func settledTime(ctx context.Context, pid int) (time.Duration, error) {
	if err := pause(ctx, afterwards); err != nil {
		return 0, err
	}
	return cpuTime(pid)
}

// watchWork is the memory of a tunnel with a silent watch.
func watchWork(watches int) work {
	return work{
		name:  "watch/state=idle",
		title: fmt.Sprintf("memory of an idle watch tunnel, of %d", watches),
		unit:  "KiB",
		sample: func(ctx context.Context, l *lab, s *server) (float64, error) {
			return watchMemory(ctx, l, s, watches)
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

// Memory is settled when it has not changed by more than a hundredth between
// looks, several times in a row, or after the longest wait.
const (
	lookInterval = 100 * time.Millisecond
	steadyLooks  = 5
	mostLooks    = 50
)

// settledMemory waits until a process has done what it does behind events, and
// returns its anonymous memory.
func settledMemory(ctx context.Context, pid int) (int64, error) {
	var last int64
	for looks, steady := 0, 0; looks < mostLooks && steady < steadyLooks; looks++ {
		if err := pause(ctx, lookInterval); err != nil {
			return 0, err
		}
		now, err := anonymousMemory(pid)
		if err != nil {
			return 0, err
		}
		if steady++; abs(now-last) > last/100 {
			steady = 0
		}
		last = now
	}
	return last, nil
}

func abs(n int64) int64 { return max(n, -n) }

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
