package httpparse

// Field is one field line of a head. Name and Value alias the buffer that was parsed and are valid until it is
// reused; they are clamped, so that an append cannot write into the octets behind them.
type Field struct {
	Name  []byte // as the peer spelled it, never empty
	Value []byte // without the white space around it; empty, not nil, if nothing is left

	start, end uint32 // of the line with its CRLF, in the head
	class      class  // what the name stands for
	drop       bool   // not forwarded as it is
}

// Header is the fields of a head in their order.
type Header []Field

// Get returns the value of the first field of the name, compared without regard to case, or nil if there is none.
// A field that is there but empty has an empty value that is not nil.
func (h Header) Get(name string) []byte {
	for i := range h {
		if sameName(h[i].Name, name) {
			return h[i].Value
		}
	}
	return nil
}

// Count returns how many fields have the name, compared without regard to case.
func (h Header) Count(name string) int {
	n := 0
	for i := range h {
		if sameName(h[i].Name, name) {
			n++
		}
	}
	return n
}

// find returns the first field of the class, or nil.
func (h Header) find(c class) *Field {
	for i := range h {
		if h[i].class == c {
			return &h[i]
		}
	}
	return nil
}

// sameName compares two field names without regard to the case of ASCII letters.
func sameName[T []byte | string](a []byte, b T) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}
