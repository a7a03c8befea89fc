package httpparse

import "math"

// ChunkDecoder finds the end of a chunked body and tells what of it to forward. The zero value is ready for the body
// of a request. It takes the body in pieces of any size and holds no part of it.
//
//	chunked-body    = *chunk last-chunk trailer-section CRLF
//	chunk           = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
//	chunk-size      = 1*HEXDIG
//	last-chunk      = 1*("0") [ chunk-ext ] CRLF
//	trailer-section = *( field-line CRLF )                        (RFC 9112, Section 7.1)
//
// Extensions are refused: nobody sends them, and peers differ in where one ends. Sizes have 16 digits at most. Trailer
// fields are held to the grammar of fields and dropped; those of a name with a meaning for framing, routing, identity
// or the connection are refused (RFC 9110, Section 6.5.1).
type ChunkDecoder struct {
	// Response says that a server sends the body: refusals have the status 502, else 400.
	Response bool

	// TrailerLimit is the most octets of the trailer section, as Limits.Trailer. If zero, 4 KiB.
	TrailerLimit int

	state   chunkState
	digits  int               // of the size, so far
	left    int64             // octets of data that follow; while the size is read, its value so far
	offset  int               // octets of the body examined by earlier calls
	section int               // octets of the trailer section, so far
	name    int               // octets of the name of the trailer field, so far
	first   [longestTwin]byte // of the name
	err     error             // the first, for ever
}

// chunkState is what the next octet is.
type chunkState uint8

const (
	chunkSize    chunkState = iota // a digit of the size, or the end of its line
	chunkSizeLF                    // LF of the size's line
	chunkData                      // data
	chunkDataCR                    // CR behind the data
	chunkDataLF                    // LF behind the data
	trailerStart                   // behind the last chunk, like all that follow: a trailer field, or the CRLF that ends the body
	trailerName                    // the name of a trailer field, or its colon
	trailerValue                   // the value of a trailer field, or the end of its line
	trailerLF                      // LF of a trailer field's line
	chunkEndLF                     // the last LF
	chunkDone                      // nothing: terminal
)

// Reset prepares d for another body; Response and TrailerLimit stay.
func (d *ChunkDecoder) Reset() {
	*d = ChunkDecoder{Response: d.Response, TrailerLimit: d.TrailerLimit}
}

// Done tells whether the body is complete.
func (d *ChunkDecoder) Done() bool { return d.state == chunkDone }

// Decode examines the next octets of the body. The first n octets of buf are of one kind: keep says that they are to
// be forwarded as they are, otherwise they are to be dropped. Call it again with buf[n:] until that is empty or Done;
// n is zero without an error only then. All that is to be kept of a body is a chunked body without trailer.
//
// An error is an *Error. Then nothing of buf is to be forwarded, and every further call returns the same error. A body
// that is not Done when its connection ends is not complete, whatever was kept of it.
func (d *ChunkDecoder) Decode(buf []byte) (n int, keep bool, err error) {
	if d.err != nil {
		return 0, false, d.err
	}
	keep = !d.inTrailer(buf)
	for n < len(buf) && d.state != chunkDone {
		if d.state == chunkData {
			n += d.skip(len(buf) - n)
			continue
		}
		if d.state >= trailerStart && d.inTrailer(buf[n:]) == keep {
			break
		}
		if reason := d.step(buf[n]); reason != "" {
			d.err = d.refuse(d.offset+n, reason)
			return 0, false, d.err
		}
		n++
	}
	d.offset += n
	return n, keep && n > 0, nil
}

// inTrailer tells whether the next octet, which is the first of next, belongs to a trailer field.
func (d *ChunkDecoder) inTrailer(next []byte) bool {
	switch d.state {
	case trailerName, trailerValue, trailerLF:
		return true
	case trailerStart:
		return len(next) > 0 && next[0] != '\r'
	}
	return false
}

// skip passes over data, of which up to n octets are there, and returns how many it was.
func (d *ChunkDecoder) skip(n int) int {
	if int64(n) < d.left {
		d.left -= int64(n)
		return n
	}
	n = int(d.left)
	d.left, d.state = 0, chunkDataCR
	return n
}

// step takes one octet that is no data. It returns what is wrong with it, nothing if it is empty.
func (d *ChunkDecoder) step(c byte) (reason string) {
	switch d.state {
	case chunkSize:
		return d.size(c)
	case chunkSizeLF:
		d.digits = 0
		if d.left == 0 {
			return d.expect(c, '\n', trailerStart)
		}
		return d.expect(c, '\n', chunkData)
	case chunkDataCR:
		return d.expect(c, '\r', chunkDataLF)
	case chunkDataLF:
		return d.expect(c, '\n', chunkSize)
	case chunkEndLF:
		return d.expect(c, '\n', chunkDone)
	}
	return d.trailer(c)
}

// expect takes c, which has to be want, and goes on to the next state.
func (d *ChunkDecoder) expect(c, want byte, next chunkState) (reason string) {
	if c != want {
		return "chunk or line not ended by CRLF"
	}
	d.state = next
	return ""
}

// size takes an octet of a size's line.
func (d *ChunkDecoder) size(c byte) (reason string) {
	const maxDigits = 16
	digit, ok := unhex(c)
	switch {
	case !ok && d.digits == 0:
		return "chunk size is not a number"
	case c == '\r':
		d.state = chunkSizeLF
		return ""
	case c == ';':
		return "chunk extension"
	case !ok:
		return "octet not allowed in a chunk size"
	case d.digits == maxDigits || d.left > (math.MaxInt64-int64(digit))>>4:
		return "chunk size too large"
	}
	d.left = d.left<<4 | int64(digit)
	d.digits++
	return ""
}

const trailerTooLarge = "trailer section too large"

// trailer takes an octet of the trailer section.
func (d *ChunkDecoder) trailer(c byte) (reason string) {
	if d.state == trailerStart && c == '\r' {
		d.state = chunkEndLF
		return ""
	}
	limit := d.TrailerLimit
	setDefault(&limit, defaultTrailer)
	if d.section++; d.section > limit {
		return trailerTooLarge
	}
	switch d.state {
	case trailerStart:
		d.name, d.state = 0, trailerName
		return d.trailerName(c)
	case trailerName:
		return d.trailerName(c)
	case trailerValue:
		if c == '\r' {
			d.state = trailerLF
		} else if octets[c]&isValue == 0 {
			return notInLine(c)
		}
		return ""
	}
	return d.expect(c, '\n', trailerStart)
}

// trailerName takes an octet of a trailer field's name, or the colon behind it.
func (d *ChunkDecoder) trailerName(c byte) (reason string) {
	switch {
	case octets[c]&isToken != 0:
		if d.name < len(d.first) {
			d.first[d.name] = c
		}
		d.name++
		return ""
	case c != ':' || d.name == 0:
		return notInName(c, d.name == 0)
	}
	if classifyTwin(d.first[:min(d.name, len(d.first))]) != classOrdinary {
		return "field not allowed in a trailer"
	}
	d.state = trailerValue
	return ""
}

// refuse makes the error.
func (d *ChunkDecoder) refuse(offset int, reason string) error {
	status := 400
	switch {
	case d.Response:
		status = 502
	case reason == trailerTooLarge:
		status = 431 // RFC 6585, Section 5: of the fields, wherever they are
	}
	return &Error{Status: status, Offset: offset, Reason: reason}
}
