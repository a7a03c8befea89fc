package conn

import "time"

// longAgo is a deadline that wakes a blocked Read at once.
var longAgo = time.Unix(1, 0)

// deadline keeps the read or write deadline of a connection ahead of time. A
// deadline costs a lock and a timer in the runtime, so it is set again only
// when a quarter of it has gone by: a wait ends between 3/4 and 1 of it.
type deadline struct {
	set   func(time.Time) error
	at    time.Time     // the deadline in force; zero: none
	after time.Duration // how long it was set for
}

// extend lets the next operation wait for d; zero: forever.
func (d *deadline) extend(wait time.Duration) {
	if wait <= 0 {
		d.clear()
		return
	}
	now := time.Now()
	if wait == d.after && d.at.Sub(now) > wait-wait/4 {
		return
	}
	d.at, d.after = now.Add(wait), wait
	d.set(d.at) // an error shows at the next operation
}

// clear removes the deadline.
func (d *deadline) clear() {
	if d.at.IsZero() {
		return
	}
	d.at, d.after = time.Time{}, 0
	d.set(time.Time{})
}

// passed reports whether the deadline in force is over.
func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

// expire wakes a Read that is blocked now, from any goroutine. The owner must
// call extend or clear before it goes on.
func (d *deadline) expire() { d.set(longAgo) }

// forget makes the next extend or clear take effect, after expire.
func (d *deadline) forget() { d.at, d.after = longAgo, 0 }
