package main

import (
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The room that the heap gets above what was alive at the last collection, before the
// next. The runtime's own rule, as much again, costs too much where thousands of idle
// tunnels are alive, and forwarding allocates next to nothing; with less room, a
// process with few tunnels would collect for each handful of handshakes.
const (
	leastRoom = 8 << 20 // octets
	mostRoom  = 100     // percent of what is alive
	usualRoom = 30      // percent

	heapInterval = time.Second
)

// The room is given back when the process is quiet: when there is more of it, in
// octets, than is worth the collection, and than it would take again in so many
// intervals.
const (
	worthRoom  = 1 << 20
	quietSpell = 60
)

// followHeap keeps the room as it should be, until stop is called. An operator who
// has set GOGC knows better.
func followHeap() (stop func()) {
	if os.Getenv("GOGC") != "" {
		return func() {}
	}
	stopped, ended := make(chan struct{}), make(chan struct{})
	go func() { // until stop closes stopped
		defer close(ended)
		ticks := time.NewTicker(heapInterval)
		defer ticks.Stop()
		before, percent := readHeap(), mostRoom
		for {
			select {
			case <-ticks.C:
			case <-stopped:
				return
			}
			now := readHeap()
			if wanted := heapPercent(now.alive); wanted != percent {
				percent = wanted
				debug.SetGCPercent(percent)
			}
			if now.idleSince(before) {
				debug.FreeOSMemory()
			}
			before = now
		}
	}()
	return func() { close(stopped); <-ended }
}

// heapState is the heap at one moment, in octets.
type heapState struct {
	alive     uint64 // at the last collection
	held      uint64 // by objects, alive or not, and free but not given back
	allocated uint64 // since the start
}

func readHeap() heapState {
	s := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(s)
	return heapState{alive: s[0].Value.Uint64(), allocated: s[1].Value.Uint64(), held: s[2].Value.Uint64() + s[3].Value.Uint64()}
}

// idleSince reports whether the heap holds much that nobody needs, nor is going to
// need soon.
func (h heapState) idleSince(before heapState) bool {
	room := h.held - min(h.held, h.alive)
	return room > max(worthRoom, h.alive/20) && room > quietSpell*(h.allocated-before.allocated)
}

// heapPercent is the room for so many octets alive. It comes in steps, since each
// change stops the world.
func heapPercent(alive uint64) int {
	const step = 10
	percent := mostRoom
	if alive > leastRoom {
		percent = int(100*leastRoom/alive) / step * step
	}
	return max(percent, usualRoom)
}
