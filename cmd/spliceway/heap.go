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
		alive := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		for percent := mostRoom; ; {
			select {
			case <-ticks.C:
			case <-stopped:
				return
			}
			metrics.Read(alive)
			if now := heapPercent(alive[0].Value.Uint64()); now != percent {
				percent = now
				debug.SetGCPercent(percent)
			}
		}
	}()
	return func() { close(stopped); <-ended }
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
