package session

import (
	"bytes"
	"strconv"
	"strings"
)

// records reads PAX records (POSIX.1-2001, pax Extended Header): each is its length in decimal with all that follows, a
// blank, a key, an equals sign, a value and a line feed.
func (t *tarReader) records() bool {
	for rest := t.text; len(rest) > 0; {
		digits, _, ok := bytes.Cut(rest, []byte(" "))
		n, err := strconv.ParseUint(string(digits), 10, 31)
		if !ok || err != nil || int(n) < len(digits)+2 || int(n) > len(rest) || rest[n-1] != '\n' {
			return false
		}
		key, value, ok := strings.Cut(string(rest[len(digits)+1:n-1]), "=")
		if !ok || key == "" || !t.record(key, value) {
			return false
		}
		rest = rest[n:]
	}
	return true
}

// record takes one of them.
func (t *tarReader) record(key, value string) (ok bool) {
	o := &t.next
	o.sparse = o.sparse || strings.HasPrefix(key, "GNU.sparse.")
	switch key {
	case "path":
		o.name = value
	case "linkpath":
		o.link = value
	case "size":
		o.size, ok = recordSize(value)
		return ok
	case "GNU.sparse.name":
		o.sparseName = value
	case "GNU.sparse.realsize", "GNU.sparse.size":
		o.sparseSize, ok = recordSize(value)
		return ok
	}
	return true
}

func recordSize(value string) (size int64, ok bool) {
	size, err := strconv.ParseInt(value, 10, 64)
	return size, err == nil && size >= 0 && size <= maxTarSize
}

// maxTarSize keeps sums within an int64.
const maxTarSize = 1 << 62

// checksum reports whether the block is a header: the sum of its octets, those of the sum itself taken for blanks. Old
// programs took octets for signed.
func checksum(b []byte) bool {
	want, ok := tarNumber(b[148:156])
	if !ok {
		return false
	}
	var unsigned, signed int64
	for i, c := range b {
		if i >= 148 && i < 156 {
			c = ' '
		}
		unsigned += int64(c)
		signed += int64(int8(c))
	}
	return want == unsigned || want == signed
}

// tarNumber reads a number: octal digits with blanks and NULs around them, or, with the top bit set, a binary number.
func tarNumber(field []byte) (n int64, ok bool) {
	if field[0]&0x80 != 0 {
		n = int64(field[0] & 0x7f) // a negative one is too large
		for _, c := range field[1:] {
			if n > maxTarSize>>8 {
				return 0, false
			}
			n = n<<8 | int64(c)
		}
		return n, n <= maxTarSize
	}
	digits := bytes.Trim(field, " \x00")
	for _, c := range digits {
		if c < '0' || c > '7' {
			return 0, false
		}
		n = n<<3 | int64(c-'0')
	}
	return n, true
}

// tarName returns the name in a header. Only ustar of POSIX has a prefix; GNU has other things there.
func tarName(b []byte) string {
	name := tarString(b[:100])
	if string(b[257:263]) == "ustar\x00" {
		if prefix := tarString(b[345:500]); prefix != "" {
			return prefix + "/" + name
		}
	}
	return name
}

// tarString returns what is in front of a NUL.
func tarString(field []byte) string {
	if i := bytes.IndexByte(field, 0); i >= 0 {
		field = field[:i]
	}
	return string(field)
}
