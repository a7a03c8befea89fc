package main

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
)

// flowOctets is the output of one sample, by the size of its messages.
var flowOctets = map[int]int{32 << 10: 64 << 20, 1 << 10: 16 << 20, 64: 2 << 20}

// execWork is the CPU time of an octet of an exec's output. Where it is recorded,
// so is the size of the recording.
func execWork(kind string, size int, recorded bool) work {
	w := work{
		name:     fmt.Sprintf("exec/kind=%s/message=%s/recorded=%s", kind, sizeName(size), yesNo(recorded)),
		recorded: recorded,
	}
	title := fmt.Sprintf("exec, %s, %s messages", kind, sizeName(size))
	if !recorded {
		w.figures = []figure{{title: title, unit: "ns/octet"}}
	} else {
		disk := figure{name: "disk", title: title + ", on disk", unit: "octets/octet", side: sideGateway}
		switch {
		case kind == flowBinary:
			disk.goals = []goal{{most: 2.5}}
		case size >= 1<<10:
			disk.goals = []goal{{most: 1.1}}
		}
		w.figures = []figure{{name: "cpu", title: title + ", recorded", unit: "ns/octet", goals: []goal{{of: sideRelay, most: 2}}}, disk}
	}
	w.sample = func(ctx context.Context, l *lab, s *server) ([]float64, error) {
		return execCost(ctx, l, s, kind, size, recorded)
	}
	return w
}

func execCost(ctx context.Context, l *lab, s *server, kind string, size int, recorded bool) ([]float64, error) {
	octets := flowOctets[size]
	if err := l.runFlow(ctx, s, kind, size, octets/8); err != nil { // the warm-up
		return nil, err
	}
	before := folderSize(l.recordings())
	cost, err := spent(ctx, s, func() error { return l.runFlow(ctx, s, kind, size, octets) })
	if err != nil {
		return nil, err
	}
	values := []float64{float64(cost.Nanoseconds()) / float64(octets)}
	if recorded {
		stored := 0.0
		if s.side == sideGateway {
			stored = float64(folderSize(l.recordings())-before) / float64(octets)
		}
		values = append(values, stored)
	}
	return values, nil
}

// runFlow opens a tunnel for one exec.
func (l *lab) runFlow(ctx context.Context, s *server, kind string, size, octets int) error {
	t, err := l.gate(s).open(ctx)
	if err != nil {
		return err
	}
	defer t.close()
	return because(ctx, t.flow(kind, size, octets/size))
}

// folderSize returns the size of all files in a folder; 0: there is no folder.
func folderSize(dir string) (n int64) {
	filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil // it went away while we looked
		}
		if info, err := entry.Info(); err == nil && !entry.IsDir() {
			n += info.Size()
		}
		return nil
	})
	return n
}

func sizeName(octets int) string {
	switch {
	case octets >= 1<<20:
		return fmt.Sprintf("%dMiB", octets>>20)
	case octets >= 1<<10:
		return fmt.Sprintf("%dKiB", octets>>10)
	}
	return fmt.Sprintf("%dB", octets)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// A sample of keystrokes.
const (
	keysPerSecond = 250
	keyCount      = 1500
	keyWarmUp     = 100
)

// keystrokeWork is the CPU time of a key and its echo in a terminal, and how long
// the echo takes.
func keystrokeWork(recorded bool) work {
	title := "keystroke"
	if recorded {
		title += ", recorded"
	}
	return work{
		name: "keystroke/recorded=" + yesNo(recorded), recorded: recorded,
		figures: []figure{
			{name: "cpu", title: title, unit: "µs", goals: []goal{{of: sideRelay, most: 1.1}}},
			{name: "p50", title: title + ": echo p50", unit: "µs"},
			{name: "p99", title: title + ": echo p99", unit: "µs", goals: []goal{{of: sideRelay, most: 1, slack: 50}}},
		},
		sample: keystrokeCost,
	}
}

func keystrokeCost(ctx context.Context, l *lab, s *server) ([]float64, error) {
	tunnels, err := l.gate(s).openAll(ctx, 1, (*tunnel).terminal)
	defer closeAll(tunnels)
	if err != nil {
		return nil, err
	}
	for range keyWarmUp {
		if err := tunnels[0].press(); err != nil {
			return nil, because(ctx, err)
		}
	}
	return paced(ctx, s, tunnels, keysPerSecond, keyCount, (*tunnel).press)
}
