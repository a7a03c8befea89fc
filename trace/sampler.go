package trace

import (
	"encoding/binary"
	"math/rand/v2"
)

// sampler decides about traces that begin here: those are sampled whose last 63 bits
// are less. That is how the TraceIdRatioBased sampler of OpenTelemetry does it.
type sampler uint64

func newSampler(ratio float64) sampler {
	const all = 1 << 63
	if ratio >= 1 {
		return all
	}
	return sampler(max(ratio, 0) * all)
}

// begin makes the root of a trace.
func (s sampler) begin() Context {
	var c Context
	for !c.Valid() {
		binary.BigEndian.PutUint64(c.TraceID[:8], rand.Uint64())
		binary.BigEndian.PutUint64(c.TraceID[8:], rand.Uint64())
		c.SpanID = newSpanID()
	}
	c.Sampled = binary.BigEndian.Uint64(c.TraceID[8:])>>1 < uint64(s)
	return c
}

// below makes a place under another.
func below(parent *Context) Context {
	c := Context{TraceID: parent.TraceID, SpanID: newSpanID(), Parent: parent.SpanID, Sampled: parent.Sampled}
	for !c.Valid() {
		c.SpanID = newSpanID()
	}
	return c
}

func newSpanID() (id SpanID) {
	binary.BigEndian.PutUint64(id[:], rand.Uint64())
	return id
}
