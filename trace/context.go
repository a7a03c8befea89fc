package trace

import "encoding/hex"

// TraceID is the id of a trace. All zeros is none.
type TraceID [16]byte

// SpanID is the id of a span. All zeros is none.
type SpanID [8]byte

// Context is a place in a trace: that of a span. The zero value is no place.
type Context struct {
	TraceID TraceID
	SpanID  SpanID
	Parent  SpanID // of the span above; zero if there is none, or it is not known
	Sampled bool
}

// Valid reports whether c is a place in a trace.
func (c *Context) Valid() bool { return c.TraceID != TraceID{} && c.SpanID != SpanID{} }

// Names of the header fields.
const (
	HeaderParent = "traceparent"
	HeaderState  = "tracestate"
)

// The parts of a traceparent:
//
//	version "-" trace-id "-" parent-id "-" trace-flags
//	00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
const (
	parentLength = 55
	traceIDAt    = 3
	spanIDAt     = 36
	flagsAt      = 53

	flagSampled = 1
)

// Parse reads the value of a traceparent. It reports false for one that is to be
// treated as if it were not there. W3C Trace Context, Sections 3.2.2 and 4.3.
func Parse(value []byte) (Context, bool) {
	var c Context
	var version, flags [1]byte
	if len(value) < parentLength || value[traceIDAt-1] != '-' || value[spanIDAt-1] != '-' || value[flagsAt-1] != '-' {
		return Context{}, false
	}
	good := decodeHex(version[:], value[:2]) && decodeHex(c.TraceID[:], value[traceIDAt:]) &&
		decodeHex(c.SpanID[:], value[spanIDAt:]) && decodeHex(flags[:], value[flagsAt:])
	switch {
	case !good || !c.Valid() || version[0] == 0xff:
		return Context{}, false
	case len(value) > parentLength && (version[0] == 0 || value[parentLength] != '-'):
		return Context{}, false // a later version may have more parts
	}
	c.Sampled = flags[0]&flagSampled != 0 // the other flags have no meaning yet
	return c, true
}

// decodeHex decodes as much as dst holds. HEXDIGLC has no upper case.
func decodeHex(dst, src []byte) bool {
	src = src[:2*len(dst)]
	for _, c := range src {
		if 'A' <= c && c <= 'F' {
			return false
		}
	}
	_, err := hex.Decode(dst, src)
	return err == nil
}

// AppendParent appends the traceparent of those who are called from c.
func (c *Context) AppendParent(dst []byte) []byte {
	dst = append(dst, "00-"...)
	dst = hex.AppendEncode(dst, c.TraceID[:])
	dst = append(dst, '-')
	dst = hex.AppendEncode(dst, c.SpanID[:])
	if c.Sampled {
		return append(dst, "-01"...)
	}
	return append(dst, "-00"...)
}
