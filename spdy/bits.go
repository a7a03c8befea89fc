package spdy

// bitReader takes bits from octets, the least significant first (RFC 1951, Section 3.1.1). Behind the end it yields
// zeros and is short from then on.
type bitReader struct {
	in    []byte
	bits  uint32 // taken from in and not yet given out
	count uint   // how many those are; below 8 between calls
	short bool
}

// take returns the next n bits, of which there are 16 at most.
func (r *bitReader) take(n uint) uint32 {
	for r.count < n {
		if len(r.in) == 0 {
			r.short = true
			return 0
		}
		r.bits |= uint32(r.in[0]) << r.count
		r.in = r.in[1:]
		r.count += 8
	}
	v := r.bits & (1<<n - 1)
	r.bits >>= n
	r.count -= n
	return v
}

// align skips to the next octet.
func (r *bitReader) align() { r.bits, r.count = 0, 0 }

// The longest codes of Huffman trees, and the symbols of the largest one.
const (
	maxCode    = 15
	maxSymbols = 288
)

// huffman decodes one prefix code, as the lengths of its codes define it (RFC 1951, Section 3.2.2): the codes of a
// length are consecutive, in the order of their symbols.
type huffman struct {
	count   [maxCode + 1]uint16 // codes of each length
	symbols [maxSymbols]uint16  // in the order of their codes
}

// set makes the code whose symbol i has the code length lengths[i], none if that is zero. It reports whether that is a
// code: complete, or a single code of one bit, or no code at all, which then decodes nothing.
func (h *huffman) set(lengths []uint8) bool {
	h.count = [maxCode + 1]uint16{}
	for _, n := range lengths {
		h.count[n]++
	}
	h.count[0] = 0
	left, used := 1, 0 // codes of the length at hand that nothing begins yet, symbols so far
	var next [maxCode + 2]int
	for n := 1; n <= maxCode; n++ {
		left = left<<1 - int(h.count[n])
		if left < 0 {
			return false
		}
		used += int(h.count[n])
		next[n+1] = used
	}
	for symbol, n := range lengths {
		if n != 0 {
			h.symbols[next[n]] = uint16(symbol)
			next[n]++
		}
	}
	return left == 0 || used == 0 || used == 1 && h.count[1] == 1
}

// next decodes one symbol. It reports false if the bits are no code, or if there are not enough of them.
func (h *huffman) next(r *bitReader) (symbol int, ok bool) {
	code, first, index := 0, 0, 0 // the bits so far; the first code of their length, and where its symbol is
	for n := 1; n <= maxCode; n++ {
		code |= int(r.take(1))
		if r.short {
			return 0, false
		}
		count := int(h.count[n])
		if code-first < count {
			return int(h.symbols[index+code-first]), true
		}
		index += count
		first = (first + count) << 1
		code <<= 1
	}
	return 0, false
}
