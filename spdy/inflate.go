package spdy

import "encoding/binary"

// inflater undoes the compression of the header blocks of one direction: a single zlib stream (RFC 1950) of which each
// frame carries a part, ended by a sync flush. What was inflated before is the history that later parts refer to.
//
// compress/flate is of no use here. The reader of a peer goes on with the next frame wherever the last one left it, in
// the middle of a block too. So a tap has to know that a payload ends at the very end of a block, or its next frame
// means something else to it than to the peer, and with that the label of a stream. A flate.Reader doesn't tell.
type inflater struct {
	// history is the dictionary and what was inflated since, at most a window of it and the last block.
	history []byte
	begun   bool // the zlib head has been

	literals, distances huffman
}

// windowSize is how far back the compressed data may refer (RFC 1951, Section 2).
const windowSize = 32 << 10

// inflate returns the limit octets at most that payload inflates to. They are valid until the next call.
func (z *inflater) inflate(payload []byte, limit int) (block []byte, reason string) {
	if !z.begun {
		if payload, reason = zlibHead(payload); reason != "" {
			return nil, reason
		}
		z.begun = true
		z.history = append(z.history, dictionary...)
	}
	if extra := len(z.history) - windowSize; extra > 0 {
		z.history = z.history[:copy(z.history, z.history[extra:])]
	}
	start := len(z.history)
	r := bitReader{in: payload}
	for flushed := false; !flushed || len(r.in) > 0; {
		if flushed, reason = z.block(&r, start+limit); reason != "" {
			return nil, reason
		}
		if !flushed && len(r.in) == 0 && r.count < 3 {
			return nil, "header block not ended by a flush"
		}
	}
	return z.history[start:len(z.history):len(z.history)], ""
}

// zlibHead takes the octets that begin a direction's stream: deflate with a window of 32 KiB, a check, and a preset
// dictionary, the one of SPDY/3 (RFC 1950, Section 2.2).
func zlibHead(payload []byte) (rest []byte, reason string) {
	const deflate32K, presetDictionary = 0x78, 0x20
	switch {
	case len(payload) < 6:
		return nil, "header block too short for its zlib head"
	case payload[0] != deflate32K || binary.BigEndian.Uint16(payload)%31 != 0:
		return nil, "header block is not zlib"
	case payload[1]&presetDictionary == 0 || binary.BigEndian.Uint32(payload[2:]) != dictionaryID:
		return nil, "header block without the SPDY/3 dictionary"
	}
	return payload[6:], ""
}

const (
	reasonCorrupt  = "header block is not deflate"
	reasonTooLarge = "header block too large when inflated"
)

// block inflates one deflate block, to no more than end octets of history (RFC 1951, Section 3.2.3). It tells whether it
// was the empty one that is a flush. The stream lasts as long as its connection, so a last block is refused.
func (z *inflater) block(r *bitReader, end int) (flush bool, reason string) {
	if last := r.take(1); last != 0 {
		return false, "header compression ends"
	}
	switch r.take(2) {
	case 0:
		return z.stored(r, end)
	case 1:
		return false, z.compressed(r, &fixedLiterals, &fixedDistances, end)
	case 2:
		if !z.trees(r) {
			return false, reasonCorrupt
		}
		return false, z.compressed(r, &z.literals, &z.distances, end)
	}
	return false, reasonCorrupt
}

// stored takes a block that is not compressed (RFC 1951, Section 3.2.4).
func (z *inflater) stored(r *bitReader, end int) (flush bool, reason string) {
	r.align()
	if len(r.in) < 4 {
		return false, reasonCorrupt
	}
	n := int(binary.LittleEndian.Uint16(r.in))
	if n != int(^binary.LittleEndian.Uint16(r.in[2:])) {
		return false, reasonCorrupt
	}
	r.in = r.in[4:]
	switch {
	case n > len(r.in):
		return false, reasonCorrupt
	case n > end-len(z.history):
		return false, reasonTooLarge
	}
	z.history = append(z.history, r.in[:n]...)
	r.in = r.in[n:]
	return n == 0, ""
}

// compressed takes the symbols of a block up to its end (RFC 1951, Section 3.2.5).
func (z *inflater) compressed(r *bitReader, literals, distances *huffman, end int) (reason string) {
	for {
		symbol, ok := literals.next(r)
		switch {
		case !ok:
			return reasonCorrupt
		case symbol == endOfBlock:
			return ""
		case symbol > endOfBlock:
			if reason := z.repeat(r, symbol-endOfBlock-1, distances, end); reason != "" {
				return reason
			}
		case len(z.history) == end:
			return reasonTooLarge
		default:
			z.history = append(z.history, byte(symbol))
		}
	}
}

// repeat takes a distance behind the length symbol and copies what is there in the history.
func (z *inflater) repeat(r *bitReader, symbol int, distances *huffman, end int) (reason string) {
	if symbol >= len(lengthSpans) {
		return reasonCorrupt
	}
	n := lengthSpans[symbol].take(r)
	symbol, ok := distances.next(r)
	if !ok || symbol >= len(distanceSpans) {
		return reasonCorrupt
	}
	distance := distanceSpans[symbol].take(r)
	switch {
	case r.short || distance > len(z.history):
		return reasonCorrupt
	case n > end-len(z.history):
		return reasonTooLarge
	}
	for range n { // octet by octet: the copy may refer to itself
		z.history = append(z.history, z.history[len(z.history)-distance])
	}
	return ""
}

// trees reads the codes of a block (RFC 1951, Section 3.2.7).
func (z *inflater) trees(r *bitReader) bool {
	const maxLiterals, maxDistances = 286, 30
	literals, distances, codes := 257+int(r.take(5)), 1+int(r.take(5)), 4+int(r.take(4))
	if literals > maxLiterals || distances > maxDistances {
		return false
	}
	var n [maxLiterals + maxDistances]uint8
	for _, symbol := range codeOrder[:codes] {
		n[symbol] = uint8(r.take(3))
	}
	if !z.literals.set(n[:len(codeOrder)]) || !z.lengths(r, n[:literals+distances]) {
		return false
	}
	return z.literals.set(n[:literals]) && z.distances.set(n[literals:literals+distances])
}

// lengths reads code lengths, in the code that z.literals is for the time being.
func (z *inflater) lengths(r *bitReader, n []uint8) bool {
	const repeatLast, repeatZero, repeatZeroLong = 16, 17, 18
	for i := 0; i < len(n); {
		symbol, ok := z.literals.next(r)
		value, times := uint8(symbol), 1
		switch symbol {
		case repeatLast:
			if i == 0 {
				return false
			}
			value, times = n[i-1], 3+int(r.take(2))
		case repeatZero:
			value, times = 0, 3+int(r.take(3))
		case repeatZeroLong:
			value, times = 0, 11+int(r.take(7))
		}
		if !ok || r.short || times > len(n)-i {
			return false
		}
		for range times {
			n[i] = value
			i++
		}
	}
	return true
}

// endOfBlock is the symbol between the literals and the lengths.
const endOfBlock = 256

// codeOrder is the order in which the lengths of the codes for code lengths come.
var codeOrder = [...]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// span is what a length or distance symbol means: as much as base, and what a number of extra bits say.
type span struct {
	base  uint16
	extra uint
}

func (s span) take(r *bitReader) int { return int(s.base) + int(r.take(s.extra)) }

// Constant tables (RFC 1951, Sections 3.2.5 and 3.2.6).
var (
	lengthSpans    = makeLengths()
	distanceSpans  = makeDistances()
	fixedLiterals  = makeFixedLiterals()
	fixedDistances = makeFixedDistances()
)

// makeLengths: eight lengths without extra bits, then four for each number of them, and 258 alone.
func makeLengths() (table [29]span) {
	base := uint16(3)
	for i := range table[:28] {
		table[i] = span{base, uint(max(i/4-1, 0))}
		base += 1 << table[i].extra
	}
	table[28] = span{258, 0}
	return table
}

// makeDistances: four distances without extra bits, then two for each number of them.
func makeDistances() (table [30]span) {
	base := uint16(1)
	for i := range table {
		table[i] = span{base, uint(max(i/2-1, 0))}
		base += 1 << table[i].extra
	}
	return table
}

// makeFixedLiterals makes a code with two symbols that mean nothing.
func makeFixedLiterals() (h huffman) {
	var n [maxSymbols]uint8
	for i := range n {
		switch {
		case i < 144, i >= 280:
			n[i] = 8
		case i < 256:
			n[i] = 9
		default:
			n[i] = 7
		}
	}
	h.set(n[:])
	return h
}

// makeFixedDistances makes a code with two symbols that mean nothing.
func makeFixedDistances() (h huffman) {
	var n [32]uint8
	for i := range n {
		n[i] = 5
	}
	h.set(n[:])
	return h
}
