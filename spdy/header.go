package spdy

import (
	"bytes"
	"encoding/binary"
)

// Field is one field of a header block. Name and Value are valid until the next call of the Decoder.
type Field struct {
	Name, Value []byte
}

// Header is the fields of a header block, in their order. No name is there twice.
type Header []Field

// Get returns the value of the field, nil if there is none. Names on the wire are lower case.
func (h Header) Get(name string) []byte {
	for i := range h {
		if string(h[i].Name) == name {
			return h[i].Value
		}
	}
	return nil
}

// parseHeader reads an inflated block, which has to be all used up: a count, and as many names and values, each behind
// its length. All are of 32 bits (SPDY/3, Section 2.6.10). It appends to fields, which are empty.
func parseHeader(block []byte, fields Header, limit int) (header Header, reason string) {
	const smallestPair = 8
	if len(block) < 4 {
		return nil, "header block without a count"
	}
	count := binary.BigEndian.Uint32(block)
	block = block[4:]
	switch {
	case int64(count) > int64(len(block)/smallestPair):
		return nil, "header block shorter than its count"
	case int64(count) > int64(limit):
		return nil, "too many header fields"
	}
	for range count {
		var f Field
		var ok bool
		if f.Name, block, ok = cutString(block); ok {
			f.Value, block, ok = cutString(block)
		}
		if !ok {
			return nil, "header field longer than its block"
		}
		if reason := checkField(f, fields); reason != "" {
			return nil, reason
		}
		fields = append(fields, f)
	}
	if len(block) > 0 {
		// A peer takes them as the beginning of the next block.
		return nil, "octets behind the fields of a header block"
	}
	return fields, ""
}

// cutString takes a string behind its length.
func cutString(block []byte) (s, rest []byte, ok bool) {
	if len(block) < 4 {
		return nil, nil, false
	}
	n := binary.BigEndian.Uint32(block)
	block = block[4:]
	if int64(n) > int64(len(block)) {
		return nil, nil, false
	}
	return block[:n:n], block[n:], true
}

// checkField judges a field that follows others. Values of one name would be joined by NUL; which of them counts is not
// agreed on.
func checkField(f Field, others Header) (reason string) {
	if len(f.Name) == 0 {
		return "header field without a name"
	}
	for _, c := range f.Name {
		if !isNameOctet[c] {
			return "octet not allowed in a header name"
		}
	}
	for _, c := range f.Value {
		if c < ' ' || c == 0x7f {
			return "octet not allowed in a header value"
		}
	}
	for i := range others {
		if bytes.Equal(others[i].Name, f.Name) {
			return "header field twice"
		}
	}
	return ""
}

// isNameOctet: tchar (RFC 9110, Section 5.6.2) without upper-case letters.
var isNameOctet = makeNameOctets("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")

func makeNameOctets(octets string) (table [256]bool) {
	for i := range len(octets) {
		table[octets[i]] = true
	}
	return table
}
