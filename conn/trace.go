package conn

import (
	"github.com/spliceway/spliceway/httpparse"
	"github.com/spliceway/spliceway/trace"
)

// parentOf is where the client says that its request belongs in a trace: nowhere, if
// it says so in a way that could be read differently. W3C Trace Context, Section 4.3.
func parentOf(h httpparse.Header) trace.Context {
	if h.Count(trace.HeaderParent) != 1 {
		return trace.Context{}
	}
	parent, _ := trace.Parse(h.Get(trace.HeaderParent))
	return parent
}

// traceLine returns the line that makes the request's place in its trace the parent of
// what the API server does, and takes the client's out of the head. What belongs to
// the parent of the client goes on as it came, if there is a parent.
func (c *Conn) traceLine() []byte {
	c.req.Remove(trace.HeaderParent)
	if c.x.trace.Parent == (trace.SpanID{}) {
		c.req.Remove(trace.HeaderState)
	}
	c.parent = append(c.parent[:0], trace.HeaderParent+": "...)
	c.parent = c.x.trace.AppendParent(c.parent)
	c.parent = append(c.parent, "\r\n"...)
	return c.parent
}
