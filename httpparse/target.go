package httpparse

// A target is checked here so far that nobody behind the gateway can read it as another one: its octets, its percent
// signs, and its path segments. What it asks for is somebody else's question.

// originForm reads the target of an ordinary request, whose line begins at the beginning of line, from i to the space
// that ends it, and returns the index of the space.
//
//	origin-form   = absolute-path [ "?" query ]                   (RFC 9112, Section 3.2.1)
//	absolute-path = 1*( "/" segment )                             (RFC 9110, Section 4.1)
func (p *parser) originForm(line []byte, i int) (int, error) {
	if i == len(line) {
		return 0, p.short(line, 414)
	}
	if line[i] != '/' {
		return 0, p.fail(400, i, "request target is not a path")
	}
	i, err := p.path(line, i+1)
	if err != nil || line[i] == ' ' {
		return i, err
	}
	return p.query(line, i+1)
}

// path reads the segments of a path from i, behind its first slash, to the question mark or space that ends it, and
// returns the index of that.
func (p *parser) path(line []byte, i int) (int, error) {
	segments := segments{start: i}
	for {
		for i < len(line) && octets[line[i]]&isPath != 0 {
			i++
		}
		if i == len(line) {
			return 0, p.short(line, 414)
		}
		end, last, separates := i, false, false
		switch line[i] {
		case '/':
			separates, i = true, i+1
		case '?', ' ':
			last = true
		case '%':
			c, err := p.escape(line, i)
			if err != nil {
				return 0, err
			}
			if c < ' ' || c == 0x7f {
				return 0, p.fail(400, i, "control octet in path")
			}
			separates, i = c == '/', i+3
		default:
			return 0, p.fail(400, i, "octet not allowed in a path")
		}
		if !last && !separates {
			continue
		}
		if reason := segments.next(line[segments.start:end], last); reason != "" {
			return 0, p.fail(400, end, reason)
		}
		if last {
			return end, nil
		}
		segments.start = i
	}
}

// query reads a query from i to the space that ends it and returns its index.
func (p *parser) query(line []byte, i int) (int, error) {
	for {
		for i < len(line) && octets[line[i]]&isQuery != 0 {
			i++
		}
		switch {
		case i == len(line):
			return 0, p.short(line, 414)
		case line[i] == ' ':
			return i, nil
		case line[i] != '%':
			return 0, p.fail(400, i, "octet not allowed in a query")
		}
		if _, err := p.escape(line, i); err != nil {
			return 0, err
		}
		i += 3
	}
}

// escape reads the percent-encoded octet at i: pct-encoded = "%" HEXDIG HEXDIG (RFC 3986, Section 2.1).
func (p *parser) escape(line []byte, i int) (byte, error) {
	var value byte
	for k := i + 1; k < i+3; k++ {
		if k == len(line) {
			return 0, p.short(line, 414)
		}
		digit, ok := unhex(line[k])
		if !ok {
			return 0, p.fail(400, k, "malformed percent-encoding")
		}
		value = value<<4 | digit
	}
	return value, nil
}

// segments looks at the segments of a path, as the API server sees them: it decodes the path before it takes it
// apart, so that %2F separates and %2e is a dot.
type segments struct {
	start   int  // of the segment that is being read
	proxied bool // behind a segment "proxy": the rest is the path of another server
}

// next says what is wrong with the next segment, nothing if it is empty.
//
// Dot segments are refused everywhere: some servers resolve them, the API server does not, and no client sends them.
// Empty segments are refused until the path of another server may have begun, for whom they can have a meaning; an
// API server answers 404 to them. The last segment may be empty, that is a slash at the end.
func (s *segments) next(segment []byte, last bool) (reason string) {
	switch {
	case len(segment) == 0:
		if !last && !s.proxied {
			return "empty path segment"
		}
	case segment[0] == '.' || segment[0] == '%':
		if isDots(segment) {
			return "dot segment in path"
		}
	case string(segment) == "proxy":
		s.proxied = true
	}
	return ""
}

// isDots tells whether a segment is "." or "..", with each dot as it is or encoded. Parameters behind a semicolon do
// not count: some servers remove them before they resolve dots.
func isDots(segment []byte) bool {
	dots := 0
	for len(segment) > 0 && segment[0] != ';' {
		switch {
		case segment[0] == '.':
			segment = segment[1:]
		case hasPrefixFold(segment, "%2e"):
			segment = segment[3:]
		default:
			return false
		}
		dots++
	}
	return dots == 1 || dots == 2
}

// authorityForm reads the target of CONNECT from i to the space that ends it and returns the index of the space.
//
//	authority-form = uri-host ":" port                            (RFC 9112, Section 3.2.3)
func (p *parser) authorityForm(line []byte, i int) (int, error) {
	start := i
	for i < len(line) && octets[line[i]]&(isHost|isIPv6) != 0 || i < len(line) && (line[i] == '[' || line[i] == ']') {
		i++
	}
	switch {
	case i == len(line):
		return 0, p.short(line, 414)
	case line[i] != ' ':
		return 0, p.fail(400, i, "octet not allowed in an authority")
	case !isAuthority(line[start:i], portRequired):
		return 0, p.fail(400, start, "malformed authority")
	}
	return i, nil
}

// Whether an authority has a port.
const (
	portOptional = false
	portRequired = true
)

// isAuthority tells whether b is a host name or an IP address, and a port behind a colon.
//
//	Host = uri-host [ ":" port ]                                  (RFC 9110, Section 7.2)
//
// It takes less than RFC 3986 does: no empty host, no user, no escapes, no address zones, no empty port.
func isAuthority(b []byte, withPort bool) bool {
	i := 0
	if len(b) > 0 && b[0] == '[' {
		for i = 1; i < len(b) && octets[b[i]]&isIPv6 != 0; i++ {
		}
		if i < len("[::") || i == len(b) || b[i] != ']' {
			return false
		}
		i++
	} else {
		for i < len(b) && octets[b[i]]&isHost != 0 {
			i++
		}
		if i == 0 {
			return false
		}
	}
	if i == len(b) {
		return !withPort
	}
	return b[i] == ':' && isPort(b[i+1:])
}

// isPort tells whether b is a decimal number that a port can have.
func isPort(b []byte) bool {
	const maxPort, maxDigits = 65535, 5
	port, ok := parseLength(b)
	return ok && len(b) <= maxDigits && port <= maxPort
}
