package gateway

import "sync"

// health remembers whether something works, so that only changes are logged. The
// zero value works.
type health struct {
	mu  sync.Mutex
	err error // guarded by mu; nil while it works
}

// failed notes a failure and reports whether it is the first in a row.
func (h *health) failed(err error) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	first := h.err == nil
	h.err = err
	return first
}

// succeeded notes a success and reports whether a failure went before it.
func (h *health) succeeded() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	again := h.err != nil
	h.err = nil
	return again
}

// current returns the last failure, or nil if it works.
func (h *health) current() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}
