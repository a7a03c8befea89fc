package audit

import "bytes"

// splitTarget returns path and query of a request target, neither decoded.
func splitTarget(target []byte) (path, query []byte) {
	path = target
	if at := bytes.IndexByte(path, '?'); at >= 0 {
		path, query = path[:at], path[at+1:]
	}
	if len(path) > 0 && path[0] != '/' { // absolute form, RFC 9112, Section 3.2.2
		if _, authority, ok := bytes.Cut(path, []byte("://")); ok {
			path = nil
			if at := bytes.IndexByte(authority, '/'); at >= 0 {
				path = authority[at:]
			}
		}
	}
	return path, query
}

// pathParts walks the parts of a path between slashes. Empty parts count.
type pathParts struct {
	rest []byte
	done bool
}

// count returns how many parts are left.
func (p *pathParts) count() int {
	if p.done {
		return 0
	}
	return bytes.Count(p.rest, slash) + 1
}

// next returns the next part and steps behind it; nil when none is left.
func (p *pathParts) next() []byte {
	part := p.peek()
	if len(part) == len(p.rest) {
		p.rest, p.done = nil, true
	} else {
		p.rest = p.rest[len(part)+1:]
	}
	return part
}

// peek returns the next part and stays in front of it.
func (p *pathParts) peek() []byte {
	if at := bytes.IndexByte(p.rest, '/'); at >= 0 {
		return p.rest[:at:at]
	}
	return p.rest
}

var (
	slash     = []byte{'/'}
	ampersand = []byte{'&'}
	equals    = []byte{'='}
	comma     = []byte{','}
)

// queryValue finds the first value of a parameter. It decodes into dst, which it
// returns grown; value aliases dst. Pairs with a bad escape or a semicolon are
// passed over, as the API server's url.ParseQuery drops them.
func queryValue(dst, query []byte, name string) (buf, value []byte, found bool) {
	start := len(dst)
	for len(query) > 0 {
		var pair []byte
		pair, query, _ = bytes.Cut(query, ampersand)
		key, val, _ := bytes.Cut(pair, equals)
		var ok bool
		if dst, ok = sameKey(dst, key, name); !ok || bytes.IndexByte(pair, ';') >= 0 {
			continue
		}
		if dst, ok = appendUnescaped(dst, val, true); ok {
			return dst, dst[start:len(dst):len(dst)], true
		}
		dst = dst[:start]
	}
	return dst, nil, false
}

// sameKey reports whether key means name. It uses dst to decode and returns it
// grown by nothing.
func sameKey(dst, key []byte, name string) ([]byte, bool) {
	if bytes.IndexByte(key, '%') < 0 {
		return dst, string(key) == name // a plus is a blank, which no name has
	}
	start := len(dst)
	dst, ok := appendUnescaped(dst, key, true)
	return dst[:start], ok && string(dst[start:]) == name
}

// queryBool reads a boolean parameter that is present: only 0 and any-case false
// mean false, even an empty value means true.
func queryBool(value []byte) bool {
	return string(value) != "0" && !bytes.EqualFold(value, []byte("false"))
}

// appendUnescaped appends s with its percent escapes decoded (RFC 3986, Section
// 2.1), and plus as blank where it is one. It reports whether all escapes were
// well-formed; if not, dst holds no meaning beyond its former length.
func appendUnescaped(dst, s []byte, plusIsBlank bool) ([]byte, bool) {
	for len(s) > 0 {
		c := s[0]
		switch {
		case c == '%':
			if len(s) < 3 {
				return dst, false
			}
			high, low := unhex(s[1]), unhex(s[2])
			if high > 15 || low > 15 {
				return dst, false
			}
			dst, s = append(dst, high<<4|low), s[3:]
			continue
		case c == '+' && plusIsBlank:
			c = ' '
		}
		dst, s = append(dst, c), s[1:]
	}
	return dst, true
}

// unhex returns the value of a hexadecimal digit, 255 for anything else.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// selectedName returns the name that a field selector pins with metadata.name=x
// or metadata.name==x, nil if it pins none, if any of its terms is malformed, or
// if the name could not stand in a path. It unescapes nothing: a selector with a
// backslash, which no name contains, pins none.
func selectedName(selector []byte) []byte {
	if bytes.IndexByte(selector, '\\') >= 0 {
		return nil
	}
	var name, first []byte // first is the term of name
	for len(selector) > 0 {
		var term []byte
		term, selector, _ = bytes.Cut(selector, comma)
		if len(term) == 0 {
			continue
		}
		field, value, equal, ok := cutTerm(term)
		if !ok {
			return nil
		}
		// The API server sorts the terms and takes the first.
		if equal && string(field) == "metadata.name" && (first == nil || bytes.Compare(term, first) < 0) {
			name, first = value, term
		}
	}
	if string(name) == "." || string(name) == ".." || bytes.ContainsAny(name, "/%") {
		return nil
	}
	return name
}

// cutTerm splits field=value, field==value and field!=value.
func cutTerm(term []byte) (field, value []byte, equal, ok bool) {
	at := bytes.IndexByte(term, '=')
	if at < 0 {
		return nil, nil, false, false
	}
	field, value, equal = term[:at], term[at+1:], true
	if at > 0 && term[at-1] == '!' {
		field, equal = term[:at-1], false
	} else if len(value) > 0 && value[0] == '=' {
		value = value[1:]
	}
	// A further equals sign would have to be escaped.
	return field, value, equal, bytes.IndexByte(value, '=') < 0
}
