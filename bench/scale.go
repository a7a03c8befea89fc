package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// curve is how figures of a job grow with one number.
type curve struct {
	name   string
	axis   string // what the number is
	points []int
	files  int              // that a server has open for each
	work   func(x int) work // of one point; named by pointName
}

// curves are in the order of the report.
var curves = []curve{
	{"tunnels", "open tunnels", []int{1, 10, 100, 1000, 10_000}, 2, tunnelsWork},
	{"sessions", "recorded sessions", []int{1, 10, 100, 500}, 3, sessionsWork},
	{"bodies", "octets of a body", []int{1 << 10, 16 << 10, 256 << 10, 4 << 20, 100 << 20}, 0, bodiesWork},
}

func pointName(curve string, x int) string { return fmt.Sprintf("scale/%s=%d", curve, x) }

// scaleSides are compared; the curves of the others say nothing new.
var scaleSides = []string{sideGateway, sideRelay, sideBaseline}

// spareFiles are those that a server has open for other things.
const spareFiles = 256

// scaleWorks returns the works of all curves. Where a process may not have enough
// files open, the last points are as far out as can be.
func scaleWorks(openFiles int) (all []work) {
	for _, c := range curves {
		for _, x := range c.points {
			if c.files > 0 {
				x = min(x, (openFiles-spareFiles)/c.files)
			}
			w := c.work(x)
			w.name, w.sides = pointName(c.name, x), scaleSides
			all = append(all, w)
		}
	}
	return all
}

// activeTunnels send requests while the others are idle.
const activeTunnels = 16

// tunnelsWork is what idle tunnels need, and what they do to active ones.
func tunnelsWork(n int) work {
	return work{
		figures: []figure{
			{name: "memory", title: fmt.Sprintf("%s idle: memory of all", plural(n, "tunnel")), unit: "MB"},
			{name: "cpu", title: fmt.Sprintf("%s idle: GET on %d others", plural(n, "tunnel"), activeTunnels), unit: "µs"},
			{name: "p99", title: fmt.Sprintf("%s idle: its p99", plural(n, "tunnel")), unit: "µs"},
		},
		sample: func(ctx context.Context, l *lab, s *server) ([]float64, error) {
			idle, err := l.gate(s).openAll(ctx, n, (*tunnel).watch)
			defer closeAll(idle)
			if err != nil {
				return nil, err
			}
			octets, err := settledMemory(ctx, s.pid())
			if err != nil {
				return nil, err
			}
			active, err := rateCost(ctx, l, s, activeTunnels)
			if err != nil {
				return nil, err
			}
			return []float64{float64(octets) / 1e6, active[0], active[2]}, nil
		},
	}
}

// Each session of a sample gets a key now and then.
const (
	sessionKeys       = 6
	sessionsPerSecond = 250 // keys over all, at most
)

// sessionsWork is what recorded terminals need.
func sessionsWork(n int) work {
	return work{
		recorded: true,
		figures: []figure{
			{name: "memory", title: fmt.Sprintf("%s: memory of all", plural(n, "recorded session")), unit: "MB"},
			{name: "cpu", title: fmt.Sprintf("%s: keystroke", plural(n, "recorded session")), unit: "µs"},
			{name: "p99", title: fmt.Sprintf("%s: echo p99", plural(n, "recorded session")), unit: "µs"},
		},
		sample: func(ctx context.Context, l *lab, s *server) ([]float64, error) {
			terminals, err := l.gate(s).openAll(ctx, n, (*tunnel).terminal)
			defer closeAll(terminals)
			if err != nil {
				return nil, err
			}
			keys := max(sessionKeys*n, sessionsPerSecond)
			typed, err := paced(ctx, s, terminals, sessionsPerSecond, keys, (*tunnel).press)
			if err != nil {
				return nil, err
			}
			octets, err := settledMemory(ctx, s.pid())
			return []float64{float64(octets) / 1e6, typed[0], typed[2]}, err
		},
	}
}

// bodiesOctets is what a sample moves of small bodies, each way.
const bodiesOctets = 32 << 20

// bodiesWork is the CPU time of bodies of one size.
func bodiesWork(size int) work {
	count := min(max(bodiesOctets/size, 1), 2000)
	return work{
		figures: []figure{
			{name: "download", title: sizeName(size) + " bodies: download", unit: "µs"},
			{name: "upload", title: sizeName(size) + " bodies: upload", unit: "µs"},
		},
		sample: func(ctx context.Context, l *lab, s *server) ([]float64, error) {
			down, err := bodyCost(ctx, l, s, int64(size), count, func(t *tunnel, n int64) error { return t.download(n, codingLength) })
			if err != nil {
				return nil, err
			}
			up, err := bodyCost(ctx, l, s, int64(size), count, (*tunnel).upload)
			microseconds := float64(size) * float64(time.Nanosecond) / float64(time.Microsecond)
			return []float64{down * microseconds, up * microseconds}, err
		},
	}
}

// points returns those of a curve that were measured.
func (r *report) points(c *curve) (all []int) {
	for _, line := range r.Works {
		var x int
		if n, _ := fmt.Sscanf(line.Name, "scale/"+c.name+"=%d:", &x); n == 1 && !slices.Contains(all, x) {
			all = append(all, x)
		}
	}
	return all
}

// series returns the points of a curve that were measured: of a figure, by side.
func (r *report) series(c *curve, figure string) map[string][][2]float64 {
	all := map[string][][2]float64{}
	for _, x := range r.points(c) {
		line := r.find(pointName(c.name, x) + ":" + figure)
		if line == nil {
			continue
		}
		for side, s := range line.Sides {
			all[side] = append(all[side], [2]float64{float64(x), s.Median})
		}
	}
	return all
}

// figures returns the figures of a curve.
func (c *curve) figures() []figure { return c.work(c.points[0]).figures }
