package conn

import (
	"sync"
	"time"
)

// watchDelay is how long a response may take before a goroutine is spent on
// noticing that the client goes away; it may be twice as long. Most responses are
// there by then.
const watchDelay = 100 * time.Millisecond

// vigil starts the watch over clients that have waited for a response for a while. It
// has one timer for all of them, which runs while there are any: a timer for each
// request would wake a thread of the runtime for each.
type vigil struct {
	mu      sync.Mutex
	waiting []*uplink   // guarded by mu; armed, in no order
	rounds  uint64      // guarded by mu; how often the timer has fired
	timer   *time.Timer // guarded by mu; nil before the first wait
	running bool        // guarded by mu; the timer is going to fire
}

// add begins to wait for l.
func (v *vigil) add(l *uplink) {
	v.mu.Lock()
	defer v.mu.Unlock()
	l.round, l.place = v.rounds, len(v.waiting)
	v.waiting = append(v.waiting, l)
	if !v.running {
		v.start()
	}
}

// start has the timer fire in a while. The caller holds mu.
func (v *vigil) start() {
	v.running = true
	if v.timer == nil {
		v.timer = time.AfterFunc(watchDelay, v.look)
		return
	}
	v.timer.Reset(watchDelay)
}

// remove ends the wait for l, and reports false if its watch has been started.
func (v *vigil) remove(l *uplink) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if l.place < 0 {
		return false
	}
	v.drop(l)
	return true
}

// drop takes l out of those that wait. The caller holds mu.
func (v *vigil) drop(l *uplink) {
	last := len(v.waiting) - 1
	v.waiting[l.place] = v.waiting[last]
	v.waiting[l.place].place = l.place
	v.waiting[last] = nil
	v.waiting = v.waiting[:last]
	l.place = -1
}

// look runs on a goroutine of the timer's. It starts the watch over those that the
// time before had seen as well.
func (v *vigil) look() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.rounds++
	for i := 0; i < len(v.waiting); {
		l := v.waiting[i]
		if v.rounds-l.round < 2 {
			i++
			continue
		}
		v.drop(l) // another one takes its place
		// Its first deadline is set here: that would be the one thing that does
		// not fit on the stack that a goroutine begins with.
		_ = l.mayRead(0)
		go l.watchClient() // ends by stop, or with the client
	}
	v.running = false
	if len(v.waiting) > 0 {
		v.start()
	}
}
