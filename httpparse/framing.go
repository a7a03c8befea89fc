package httpparse

import (
	"math"
	"strconv"
)

// FramingKind is how the end of a body is found.
type FramingKind uint8

const (
	// FramingNone: there is no body, the next message begins behind the head.
	FramingNone FramingKind = iota
	// FramingLength: the body has Framing.Length octets, which may be zero.
	FramingLength
	// FramingChunked: the body is chunked, see ChunkDecoder.
	FramingChunked
	// FramingUntilClose: the body ends with the connection; responses only.
	FramingUntilClose
)

// String returns "none", "content-length", "chunked" or "until-close".
func (k FramingKind) String() string {
	switch k {
	case FramingNone:
		return "none"
	case FramingLength:
		return "content-length"
	case FramingChunked:
		return "chunked"
	case FramingUntilClose:
		return "until-close"
	}
	return "unknown"
}

// Framing says where the body of a message ends.
type Framing struct {
	Kind   FramingKind
	Length int64 // octets, if Kind is FramingLength, else zero
}

// requestFraming decides by the rules of RFC 9112, Section 6.3, in their order. Rules 1 and 2 are about responses;
// the fields of rules 3 to 5 were refused as they were read, unless they are a lone chunked or a lone valid length.
func (p *parser) requestFraming() Framing {
	switch {
	case p.seen.has(classTransferEncoding): // rule 4
		return Framing{Kind: FramingChunked}
	case p.seen.has(classContentLength): // rule 6
		return Framing{Kind: FramingLength, Length: p.length}
	}
	return Framing{Kind: FramingNone} // rule 7
}

// responseFraming does so for a response with the status to a request, which is HEAD or not.
func (p *parser) responseFraming(status int, head bool) (Framing, error) {
	switch {
	case status < 200 || status == 204: // rule 1, for which RFC 9112, Section 6.1 and 6.2, forbid both fields
		if p.seen.has(classTransferEncoding) || p.length > 0 {
			return Framing{}, p.fail(502, p.end, "body announced by a status that has none")
		}
		return Framing{Kind: FramingNone}, nil
	case head || status == 304: // rule 1: they describe a body that does not come
		return Framing{Kind: FramingNone}, nil
	case p.seen.has(classTransferEncoding): // rule 4
		return Framing{Kind: FramingChunked}, nil
	case p.seen.has(classContentLength): // rule 6
		return Framing{Kind: FramingLength, Length: p.length}, nil
	}
	return Framing{Kind: FramingUntilClose}, nil // rule 8
}

// reframed returns what a framing line has to say that was dropped because it was not in canonical form: FramingNone
// if there is none. In an answer to HEAD and in a 304 that is not how the body is framed.
func (p *parser) reframed() Framing {
	if !p.reframe {
		return Framing{Kind: FramingNone}
	}
	return p.requestFraming()
}

// appendFraming appends the line that says so, nothing for FramingNone and FramingUntilClose.
func appendFraming(dst []byte, f Framing) []byte {
	switch f.Kind {
	case FramingLength:
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, f.Length, 10)
		return append(dst, "\r\n"...)
	case FramingChunked:
		return append(dst, "Transfer-Encoding: chunked\r\n"...)
	}
	return dst
}

// contentLength takes the value of a Content-Length field.
func (p *parser) contentLength(f *Field) error {
	if p.seen.has(classTransferEncoding) {
		return p.fail(400, int(f.start), bothFramings) // rule 3
	}
	length, ok := parseLength(f.Value)
	if !ok {
		return p.fail(400, int(f.start), "malformed content-length") // rule 5
	}
	p.length = length
	// "007" and "7" are the same number, but the next hop is not left to find that out.
	f.drop = !p.plain(f) || len(f.Value) > 1 && f.Value[0] == '0'
	p.reframe = p.reframe || f.drop
	return nil
}

// transferEncoding takes the value of a Transfer-Encoding field. Nothing but chunked is spoken here, and several
// codings are not undone on the way.
func (p *parser) transferEncoding(f *Field) error {
	if p.seen.has(classContentLength) {
		return p.fail(400, int(f.start), bothFramings) // rule 3
	}
	if len(f.Value) == 0 {
		return p.fail(400, int(f.start), "empty transfer-encoding")
	}
	if !equalFold(f.Value, "chunked") {
		return p.fail(501, int(f.start), "transfer coding is not chunked alone") // rule 4
	}
	f.drop = !p.plain(f) || string(f.Value) != "chunked"
	p.reframe = p.reframe || f.drop
	return nil
}

const bothFramings = "both content-length and transfer-encoding"

// parseLength reads Content-Length = 1*DIGIT (RFC 9110, Section 8.6) that an int64 can hold.
func parseLength(value []byte) (length int64, ok bool) {
	for _, c := range value {
		digit := int64(c) - '0'
		if digit < 0 || digit > 9 || length > (math.MaxInt64-digit)/10 {
			return 0, false
		}
		length = length*10 + digit
	}
	return length, len(value) > 0
}
