package record

import "unicode/utf8"

// A carry keeps the beginning of a character until the rest comes.
type carry struct {
	octets [utf8.UTFMax - 1]byte
	n      int
}

// add takes p if it does not complete the character.
func (c *carry) add(p []byte) bool {
	var joined [2 * utf8.UTFMax]byte
	if c.n+len(p) >= utf8.UTFMax {
		return false
	}
	n := copy(joined[:], c.octets[:c.n])
	n += copy(joined[n:], p)
	if n == 0 || utf8.FullRune(joined[:n]) {
		return false
	}
	c.set(joined[:n])
	return true
}

// appendTo appends the text of what was carried and of p, and carries what is
// left of them.
func (c *carry) appendTo(dst, p []byte, a *alphabet) []byte {
	if c.n > 0 {
		dst, p = c.complete(dst, p, a)
	}
	dst, n := appendText(dst, p, a)
	if n < len(p) {
		c.set(p[n:])
	}
	return dst
}

// set replaces what is carried. Two carries are equal if they carry the same.
func (c *carry) set(p []byte) {
	*c = carry{}
	c.n = copy(c.octets[:], p)
}

// complete appends what was carried together with as much of p as belongs to
// it, and returns the rest of p.
func (c *carry) complete(dst, p []byte, a *alphabet) ([]byte, []byte) {
	var joined [2 * utf8.UTFMax]byte
	carried := copy(joined[:], c.octets[:c.n])
	n := carried + copy(joined[carried:carried+utf8.UTFMax-1], p)
	*c = carry{}
	used := 0
	for used < carried {
		if !utf8.FullRune(joined[used:n]) {
			// There would be three octets more, were there any in p.
			c.set(joined[used:n])
			return dst, nil
		}
		if r, size := utf8.DecodeRune(joined[used:n]); r == utf8.RuneError && size == 1 {
			dst = appendRaw(dst, joined[used:used+1])
			used++
		} else {
			dst, _ = appendText(dst, joined[used:used+size], a)
			used += size
		}
	}
	return dst, p[used-carried:]
}

// giveUp appends what is carried as octets of no character.
func (c *carry) giveUp(dst []byte) []byte {
	dst = appendRaw(dst, c.octets[:c.n])
	*c = carry{}
	return dst
}
