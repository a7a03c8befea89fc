package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// work is a job that all sides do, and what is measured of it.
type work struct {
	name     string // subject/key=value/...; stable, results are compared by it
	figures  []figure
	sides    []string // that do it; nil: all
	recorded bool     // the gateway records; the others never do

	// alone returns what is the least that can be done for it, as the side
	// sideCrypto; nil: not known.
	alone func() (float64, error)

	// sample measures a server that has just been started. It returns a value for
	// each figure.
	sample func(ctx context.Context, l *lab, s *server) ([]float64, error)
}

// figure is a line of the table.
type figure struct {
	name  string // of the figure within its work; empty: the only one
	title string
	unit  string
	goals []goal
	side  string // it is of this one only; empty: of all

	// asPart is the name of an earlier line of the table: a goal may be of the
	// gateway's median there. Empty: none is.
	asPart string
}

// goal is the most that a figure may be.
type goal struct {
	of    string // a side: the goal is a ratio; better: to the better of the relays; empty: it is absolute
	most  float64
	slack float64 // added to what the side may have, in the unit
}

const better = "better relay"

// sideCrypto is a side that is no process: the cryptographic operations alone.
const sideCrypto = "crypto"

const (
	// sampleTimeout ends a sample that hangs.
	sampleTimeout = 15 * time.Minute

	// warmUp is how many requests go before those that are measured: connections
	// are then pooled, buffers grown, and the collector has run.
	warmUp = 500

	// afterwards is left for what a server does behind a response, so that it is
	// in the account.
	afterwards = 50 * time.Millisecond
)

// samples are the values of a work: by side, figure and round.
type samples map[string][][]float64

// done reports whether a side does the work.
func (w *work) done(side string) bool { return w.sides == nil || slices.Contains(w.sides, side) }

// interleave takes samples of a work.
func (l *lab) interleave(ctx context.Context, w *work, o *options, progress io.Writer) (samples, error) {
	all := samples{}
	for round := range o.rounds {
		fmt.Fprintf(progress, "%s: round %d of %d\n", w.name, round+1, o.rounds)
		if w.alone != nil {
			least, err := w.alone()
			if err != nil {
				return nil, err
			}
			all.add(sideCrypto, []float64{least})
		}
		for turn := range sides {
			s := &sides[(round+turn)%len(sides)]
			if !w.done(s.name) || !o.asks(s.name) {
				continue
			}
			values, err := l.sample(ctx, w, s)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			all.add(s.name, values)
		}
	}
	return all, nil
}

func (s samples) add(side string, values []float64) {
	if s[side] == nil {
		s[side] = make([][]float64, len(values))
	}
	for i, v := range values {
		s[side][i] = append(s[side][i], v)
	}
}

func (l *lab) sample(ctx context.Context, w *work, s *side) (_ []float64, err error) {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	running, err := l.serve(ctx, s, w)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, running.stop()) }()
	values, err := w.sample(ctx, l, running)
	if err != nil {
		return nil, fmt.Errorf("%w; the log of %s ends:\n%s", err, s.name, running.tail())
	}
	return values, nil
}

// spent returns the CPU time that a server uses while do runs, and until it has
// done what it does behind the last answer.
func spent(ctx context.Context, s *server, do func() error) (time.Duration, error) {
	before, err := settledTime(ctx, s.pid())
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := settledTime(ctx, s.pid())
	return after - before, err
}

func settledTime(ctx context.Context, pid int) (time.Duration, error) {
	if err := pause(ctx, afterwards); err != nil {
		return 0, err
	}
	return cpuTime(pid)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
