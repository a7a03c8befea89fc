package httpparse

// Request is the head of a request. Method, Target and Header alias the buffer that was parsed and are valid until
// it is reused. A Request may be parsed into again and again: the storage of Header is kept, which is why parsing
// into a used one does not allocate.
type Request struct {
	Method []byte // one of GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS, from ParseRequest
	Target []byte // origin-form, from ParseRequest
	Header Header

	// Framing says where the body ends: FramingNone, FramingLength or FramingChunked.
	Framing Framing

	// Close: the client wants the connection closed behind the response.
	Close bool

	// Expect: the client waits for a 100 before it sends its body, of which there is one. AppendRequest passes
	// the expectation on; whoever answers it by himself sets it to false before.
	Expect bool

	// Upgrade is what the client wants to change to, ProtocolNone if that is nothing we know. Octets behind the
	// head of an upgrade belong to the new protocol if the server agrees, and to no request if it does not.
	Upgrade Protocol

	head    []byte  // the whole of it
	line    int     // octets of the request line with its CRLF
	host    []byte  // value of Host
	isHead  bool    // Method is HEAD
	reframe Framing // what to print for a framing line that is dropped from Header
}

// ParseRequest parses the head of a request at the beginning of buf into req, and returns how many octets it has.
// What follows them, buf[n:], is the caller's: the body, the next request, the tunnel.
//
// ErrNeedMore says that the head is not complete. Ask when the first octets are there and whenever a line feed has
// arrived or the buffer is full: what is wrong in the part that is there is found at once. Any other error is an
// *Error. With an error n is zero and req holds nothing.
//
// A nil lim means the default limits.
func ParseRequest(buf []byte, lim *Limits, req *Request) (n int, err error) {
	var p parser
	p.reset(buf, lim, req.Header)
	return req.parse(&p)
}

// ParseConnect parses the first head on the outer TLS. It is ParseRequest, but for this:
//
//   - CONNECT is taken, with a target of the form host:port and neither body nor upgrade, and so is every other
//     method, for which the caller has an answer;
//   - Host may be missing, because nothing depends on it here;
//   - Proxy-Authorization, X-Token-Signature and X-Connection-Id may be given once.
func ParseConnect(buf []byte, lim *Limits, req *Request) (n int, err error) {
	var p parser
	p.reset(buf, lim, req.Header)
	p.outer = true
	return req.parse(&p)
}

// Remove keeps the fields of a name, compared without regard to case, out of what AppendRequest prints. They stay in
// Header.
func (r *Request) Remove(name string) {
	for i := range r.Header {
		if f := &r.Header[i]; sameName(f.Name, name) {
			f.drop = true
		}
	}
}

// parse makes r the request that p reads.
func (r *Request) parse(p *parser) (n int, err error) {
	*r = Request{}
	i, err := p.requestLine(r)
	if err == nil {
		r.line = i
		i, err = p.fields(i)
	}
	if err == nil {
		p.end = i
		err = p.finishRequest(r)
	}
	if err != nil {
		*r = Request{Header: p.header[:0]}
		return 0, err
	}
	return i, nil
}

// requestLine reads the first line and returns the index behind it.
//
//	request-line = method SP request-target SP HTTP-version       (RFC 9112, Section 3)
func (p *parser) requestLine(r *Request) (int, error) {
	line := p.line(0)
	i, err := p.method(line)
	if err != nil {
		return 0, err
	}
	r.Method = line[:i:i]
	start := i + 1
	if p.outer && string(r.Method) == "CONNECT" {
		i, err = p.authorityForm(line, start)
	} else {
		i, err = p.originForm(line, start)
	}
	if err != nil {
		return 0, err
	}
	r.Target = line[start:i:i]
	if i, err = p.version(line, i+1); err != nil {
		return 0, err
	}
	return p.newline(line, i, 414)
}

// longestMethod is enough for every registered method but UPDATEREDIRECTREF, which nobody uses.
const longestMethod = 16

// method reads the method and returns the index of the space behind it. method = token.
func (p *parser) method(line []byte) (int, error) {
	i := 0
	for i < len(line) && octets[line[i]]&isToken != 0 {
		if i == longestMethod {
			return 0, p.fail(501, i, "unknown method")
		}
		i++
	}
	if i == len(line) {
		return 0, p.short(line, 414)
	}
	if line[i] != ' ' || i == 0 {
		return 0, p.fail(400, i, "octet not allowed in a method")
	}
	if p.outer {
		return i, nil
	}
	switch string(line[:i]) {
	case "GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS":
		return i, nil
	case "CONNECT", "TRACE":
		// CONNECT is for the outer TLS; TRACE would show the client the gateway's own credentials.
		return 0, p.fail(405, 0, "method not allowed")
	case "PRI":
		return 0, p.fail(505, 0, "version is not HTTP/1.1") // the preface of HTTP/2, RFC 9113, Section 3.4
	}
	return 0, p.fail(501, 0, "unknown method")
}

const versionText = "HTTP/1.1"

// version reads the version at i and returns the index behind it. HTTP/1.0 is not spoken: it has other rules for
// where a message ends.
//
//	HTTP-version = HTTP-name "/" DIGIT "." DIGIT                  (RFC 9112, Section 2.3)
func (p *parser) version(line []byte, i int) (int, error) {
	if len(line)-i >= len(versionText) && string(line[i:i+len(versionText)]) == versionText {
		return i + len(versionText), nil
	}
	for k := range len(versionText) {
		if i+k == len(line) {
			return 0, p.short(line, 414)
		}
		if c := line[i+k]; c != versionText[k] {
			if k >= len("HTTP/") && '0' <= c && c <= '9' {
				return 0, p.fail(505, i+k, "version is not HTTP/1.1")
			}
			return 0, p.fail(400, i+k, "malformed version")
		}
	}
	return i + len(versionText), nil
}

// finishRequest decides what needs all fields.
func (p *parser) finishRequest(r *Request) error {
	host := p.header.find(classHost)
	if host != nil {
		r.host = host.Value
	} else if !p.outer {
		return p.fail(400, p.end, "no host") // RFC 9112, Section 3.2
	}
	p.dropNominated()
	r.Header = p.header
	r.Framing = p.requestFraming()
	r.Close = p.close
	r.head = p.b[:p.end:p.end]
	r.reframe = p.reframed()
	r.isHead = string(r.Method) == "HEAD"
	body := r.Framing.Kind == FramingChunked || r.Framing.Length > 0
	r.Expect = body && p.seen.has(classExpect)
	if p.outer {
		return p.finishConnect(r, body)
	}
	if p.wants && p.upgrade != ProtocolNone {
		r.Upgrade = p.upgrade
		return p.finishUpgrade(r, body)
	}
	return nil
}

// finishConnect checks what matters for the outer head only.
func (p *parser) finishConnect(r *Request, body bool) error {
	for _, name := range [...]string{"proxy-authorization", "x-token-signature", "x-connection-id"} {
		if r.Header.Count(name) > 1 {
			return p.fail(400, p.end, "field given twice")
		}
	}
	if body && string(r.Method) == "CONNECT" {
		return p.fail(400, p.end, "body in front of a tunnel")
	}
	return nil
}

// finishUpgrade checks a request that wants to leave HTTP/1.1. A body would blur where the new protocol begins.
func (p *parser) finishUpgrade(r *Request, body bool) error {
	if body {
		return p.fail(400, p.end, "upgrade with a body")
	}
	if r.Upgrade == ProtocolSPDY {
		if method := string(r.Method); method != "POST" && method != "GET" {
			return p.fail(400, p.end, "upgrade to spdy by another method than POST and GET")
		}
		return nil
	}
	version := r.Header.find(classVersion)
	switch { // RFC 6455, Section 4.1
	case string(r.Method) != "GET":
		return p.fail(400, p.end, "upgrade to websocket by another method than GET")
	case version == nil || string(version.Value) != "13":
		return p.fail(400, p.end, "websocket version is not 13")
	case !p.seen.has(classKey):
		return p.fail(400, p.end, "upgrade to websocket without a key")
	}
	return nil
}
