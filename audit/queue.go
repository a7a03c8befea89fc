package audit

import (
	"sync"
	"time"
)

const (
	// requestDelay is the longest that the line of a request waits for others to be
	// written with.
	requestDelay = 20 * time.Millisecond

	// queueSize is how much may wait, in octets. What is more is written at once.
	queueSize = 32 << 10
)

// queue gathers lines for an output, so that those of one moment are one write. The
// first one after a pause is written at once.
type queue struct {
	out *output

	writing sync.Mutex // held from taking lines to having written them: they stay in order
	spare   []byte     // guarded by writing

	mu    sync.Mutex    // taken behind writing
	delay time.Duration // guarded by mu; the longest that a line waits; 0: none does
	lines []byte        // guarded by mu
	last  time.Time     // guarded by mu; when lines were last written
	armed bool          // guarded by mu; timer is going to flush
	timer *time.Timer   // guarded by mu
}

// Write takes one line of a request.
func (q *queue) Write(p []byte) (int, error) {
	if !q.add(p) {
		return urgent{q}.Write(p)
	}
	return len(p), nil
}

// add queues a line, and reports false if it is to be written now.
func (q *queue) add(p []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.delay == 0 || len(q.lines)+len(p) > queueSize {
		return false
	}
	if !q.armed {
		now := time.Now()
		wait := q.delay - now.Sub(q.last)
		if wait <= 0 {
			q.last = now
			return false
		}
		q.arm(wait)
	}
	q.lines = append(q.lines, p...)
	return true
}

// arm has the queue written in a while. The caller holds mu.
func (q *queue) arm(wait time.Duration) {
	q.armed = true
	if q.timer == nil {
		q.timer = time.AfterFunc(wait, q.expire)
		return
	}
	q.timer.Reset(wait)
}

// expire runs on a goroutine of the timer's.
func (q *queue) expire() {
	q.mu.Lock()
	q.armed = false
	q.mu.Unlock()
	q.flush()
}

// flush writes what is queued.
func (q *queue) flush() { q.write(nil) }

// write writes what is queued and then p, of which alone the results are. The lines
// that are lost with what was queued are reported.
func (q *queue) write(p []byte) (int, error) {
	q.writing.Lock()
	defer q.writing.Unlock()
	q.mu.Lock()
	lines := q.lines
	q.lines = q.spare[:0]
	if len(lines) > 0 {
		q.last = time.Now()
	}
	q.mu.Unlock()
	if len(lines) > 0 {
		n, err := q.out.write(lines)
		q.out.report(lines[n:], err)
	}
	q.spare = lines
	if len(p) == 0 {
		return 0, nil
	}
	return q.out.write(p)
}

// close writes what is queued. From then on nothing is.
func (q *queue) close() error {
	q.mu.Lock()
	q.delay = 0
	q.mu.Unlock()
	q.flush()
	return q.out.close()
}

// reopen opens the file of the output anew, with what was queued in the old one.
func (q *queue) reopen() error {
	q.flush()
	return q.out.reopen()
}

// adopt goes on with the output of another queue, which is empty, behind what was
// queued.
func (q *queue) adopt(other *queue) error {
	q.flush()
	return q.out.adopt(other.out)
}

// urgent writes lines at once, each behind what was queued before.
type urgent struct{ *queue }

// Write writes one line. It reports errors and always claims success: there is nobody
// above it who could do better.
func (u urgent) Write(p []byte) (int, error) {
	n, err := u.write(p)
	u.out.report(p[n:], err)
	return len(p), nil
}
