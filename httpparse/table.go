package httpparse

import (
	"encoding/binary"
	"math/bits"
)

// What an octet may be part of. The grammar stands above each bit.
const (
	// token = 1*tchar
	// tchar = "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "." / "^" / "_" / "`" / "|" / "~"
	//       / DIGIT / ALPHA                                              (RFC 9110, Section 5.6.2)
	isToken uint8 = 1 << iota

	// "_", which some peers read as "-" in a field name.
	isUnderscore

	// pchar but for "%"; "/" and "%" are looked at by themselves
	// pchar      = unreserved / pct-encoded / sub-delims / ":" / "@"
	// unreserved = ALPHA / DIGIT / "-" / "." / "_" / "~"
	// sub-delims = "!" / "$" / "&" / "'" / "(" / ")" / "*" / "+" / "," / ";" / "="   (RFC 3986, Appendix A)
	isPath

	// query = *( pchar / "/" / "?" ) without "%", and with what clients leave in a query as it is although it
	// should be encoded: every VCHAR except "#" and "\". No parser ends a query at one of those.
	isQuery

	// field-value = *( field-vchar / SP / HTAB ) ; field-vchar = VCHAR / obs-text   (RFC 9110, Section 5.5)
	// The same octets are those of a reason-phrase                                  (RFC 9112, Section 4)
	isValue

	// A host name as it occurs in practice: ALPHA / DIGIT / "-" / "." / "_", narrower than reg-name.
	isHost

	// Inside of the brackets of an IPv6 literal: HEXDIG / ":" / "."
	isIPv6

	// A subprotocol name: tchar, and "/" because of "SPDY/3.1+portforward.k8s.io".
	isSubprotocol
)

// octets tells for each octet what it may be part of.
var octets = func() (t [256]uint8) {
	const (
		digit     = "0123456789"
		alpha     = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		tokenMark = "!#$%&'*+-.^_`|~"
		pathMark  = "-._~!$&'()*+,;=:@"
	)
	set := func(bit uint8, of ...string) {
		for _, s := range of {
			for _, c := range []byte(s) {
				t[c] |= bit
			}
		}
	}
	set(isToken, digit, alpha, tokenMark)
	set(isSubprotocol, digit, alpha, tokenMark, "/")
	set(isUnderscore, "_")
	set(isPath, digit, alpha, pathMark)
	set(isHost, digit, alpha, "-._")
	set(isIPv6, digit, "abcdefABCDEF:.")
	set(isValue, "\t ")
	for c := 0x21; c <= 0x7e; c++ {
		t[c] |= isValue
		if c != '#' && c != '\\' && c != '%' {
			t[c] |= isQuery
		}
	}
	for c := 0x80; c <= 0xff; c++ {
		t[c] |= isValue // obs-text
	}
	return t
}()

// valueEnd returns the index of the first octet of b at or after i that a field value cannot hold, or len(b). It
// looks at eight octets at once, for values are most of a head.
func valueEnd(b []byte, i int) int {
	const (
		ones  = 0x0101010101010101
		highs = 0x80 * ones
	)
	for len(b)-i >= 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		// A high bit is left in each octet that is below 0x20, and in each that is 0x7f (and is zero after the
		// xor). A borrow can set bits above the lowest one that is set, never below.
		del := w ^ 0x7f*ones
		found := ((w-0x20*ones)&^w | (del-ones)&^del) & highs
		if found == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(found) >> 3
		if b[i] != '\t' {
			return i
		}
		i++
	}
	for i < len(b) && octets[b[i]]&isValue != 0 {
		i++
	}
	return i
}

// lower returns the lower-case form of an ASCII letter and any other octet as it is.
func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c | 0x20
	}
	return c
}

// equalFold tells whether b is s, which is in lower case, but for the case of ASCII letters. The case rules of
// Unicode must not be asked: they make "K" (U+212A) equal to "k".
func equalFold[T []byte | string](b T, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range len(s) {
		if b[i] != s[i] && lower(b[i]) != s[i] {
			return false
		}
	}
	return true
}

// hasPrefixFold tells whether b begins with s, which is in lower case, but for the case of ASCII letters.
func hasPrefixFold(b []byte, s string) bool {
	return len(b) >= len(s) && equalFold(b[:len(s)], s)
}

// isOWS: OWS = *( SP / HTAB ) (RFC 9110, Section 5.6.3).
func isOWS(c byte) bool { return c == ' ' || c == '\t' }

// skipOWS returns the index of the first octet of b at or after i that is not OWS, or len(b).
func skipOWS(b []byte, i int) int {
	for i < len(b) && isOWS(b[i]) {
		i++
	}
	return i
}

// unhex returns the value of a hexadecimal digit.
func unhex(c byte) (value byte, ok bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// nextElement cuts the first element off a list: 1#element = element *( OWS "," OWS element ), RFC 9110, Section
// 5.6.1, all octets of an element being of the given kind. Empty elements, which a recipient may ignore, are not
// taken: it is not ok, and neither is anything else that is no list.
func nextElement(list []byte, kind uint8) (element, rest []byte, ok bool) {
	start := skipOWS(list, 0)
	i := start
	for i < len(list) && octets[list[i]]&kind != 0 {
		i++
	}
	element = list[start:i:i]
	i = skipOWS(list, i)
	switch {
	case len(element) == 0:
		return nil, nil, false
	case i == len(list):
		return element, nil, true
	case list[i] != ',' || i+1 == len(list):
		return nil, nil, false
	}
	return element, list[i+1:], true
}
