package httpparse

// Response is the head of a response. Reason and Header alias the buffer that was parsed and are valid until it is
// reused. Like a Request, it may be parsed into again and again.
type Response struct {
	Status int    // 100 to 599
	Reason []byte // may be empty
	Header Header

	// Framing says where the body ends. FramingNone for interim responses, 204, 304 and answers to HEAD.
	Framing Framing

	// Close: the connection is of no use behind this response, because the server says so or because the body
	// ends with it.
	Close bool

	// Upgrade is what both sides speak behind this head, ProtocolNone unless Status is 101.
	Upgrade Protocol

	head    []byte  // the whole of it
	line    int     // octets of the status line with its CRLF
	reframe Framing // what to print for a framing line that is dropped from Header
	edited  bool    // a field is dropped
}

// ParseResponse parses the head of a response at the beginning of buf into resp, and returns how many octets it has.
// What follows them, buf[n:], is the caller's. Errors are as for ParseRequest, with the status 502.
//
// Interim responses (1xx but 101) are returned as responses of their own; the caller asks again for the next one,
// and bounds their number. A 101 is only taken as the agreement to the upgrade that req asks for.
//
// req is the request that is answered; nil means a GET without an upgrade. If it asks for an upgrade its Header is
// looked at, so its buffer must still be as it was.
func ParseResponse(buf []byte, lim *Limits, req *Request, resp *Response) (n int, err error) {
	var p parser
	p.reset(buf, lim, resp.Header)
	p.response = true
	*resp = Response{}
	i, err := p.statusLine(resp)
	if err == nil {
		resp.line = i
		i, err = p.fields(i)
	}
	if err == nil {
		p.end = i
		err = p.finishResponse(req, resp)
	}
	if err != nil {
		*resp = Response{Header: p.header[:0]}
		return 0, err
	}
	return i, nil
}

// statusLine reads the first line and returns the index behind it.
//
//	status-line = HTTP-version SP status-code SP [ reason-phrase ]      (RFC 9112, Section 4)
//	status-code = 3DIGIT
func (p *parser) statusLine(r *Response) (int, error) {
	line := p.line(0)
	i, err := p.version(line, 0)
	if err != nil {
		return 0, err
	}
	const form = " DDD "
	for k := range len(form) {
		if i+k == len(line) {
			return 0, p.short(line, 502)
		}
		c := line[i+k]
		switch {
		case form[k] == ' ' && c == ' ':
		case form[k] == 'D' && '0' <= c && c <= '9':
			r.Status = r.Status*10 + int(c-'0')
		default:
			return 0, p.fail(502, i+k, "malformed status line")
		}
	}
	if r.Status < 100 || r.Status > 599 {
		return 0, p.fail(502, i, "status out of range") // RFC 9110, Section 15
	}
	i += len(form)
	end := valueEnd(line, i)
	r.Reason = line[i:end:end]
	return p.newline(line, end, 502)
}

// finishResponse decides what needs all fields.
func (p *parser) finishResponse(req *Request, r *Response) (err error) {
	p.dropNominated()
	r.Header = p.header
	if r.Framing, err = p.responseFraming(r.Status, req != nil && req.isHead); err != nil {
		return err
	}
	if r.Framing.Kind == FramingNone && (r.Status < 200 || r.Status == 204) {
		p.dropLength()
	}
	r.Close = p.close || r.Framing.Kind == FramingUntilClose
	r.head = p.b[:p.end:p.end]
	r.reframe = p.reframed()
	r.edited = p.edited
	if r.Status != 101 {
		return nil
	}
	if req == nil {
		return p.fail(502, p.end, unsolicited)
	}
	return p.switched(req, r)
}

// dropLength drops a Content-Length of zero where there must be none.
func (p *parser) dropLength() {
	if length := p.header.find(classContentLength); length != nil {
		length.drop, p.edited, p.reframe = true, true, false
	}
}

const unsolicited = "101 without an upgrade asked for"

// switched checks a 101: from here on another decoder reads the connection, and it must be the one that both peers
// use. RFC 9110, Section 7.8; RFC 6455, Section 4.1.
func (p *parser) switched(req *Request, r *Response) error {
	accepted := p.seen.has(classAccept)
	switch {
	case req.Upgrade == ProtocolNone:
		return p.fail(502, p.end, unsolicited)
	case !p.wants || p.upgrade != req.Upgrade:
		return p.fail(502, p.end, "101 does not name the protocol asked for")
	case p.seen&framing != 0:
		return p.fail(502, p.end, "101 with body framing")
	case p.seen.has(classExtensions):
		return p.fail(502, p.end, "101 with extensions that were not offered")
	case req.Upgrade == ProtocolWebSocket && !accepted:
		return p.fail(502, p.end, "101 without an answer to the key")
	}
	r.Upgrade = req.Upgrade
	chosen := r.Subprotocol()
	if chosen == nil {
		return nil
	}
	offered, any := req.offers(chosen)
	// The API server answers with an empty value if no subprotocol was offered.
	if !offered && (any || len(chosen) > 0) {
		return p.fail(502, p.end, "101 with a subprotocol that was not offered")
	}
	return nil
}

// Subprotocol returns what the server chose of the subprotocols offered: the value of Sec-WebSocket-Protocol or
// X-Stream-Protocol-Version, whichever goes with Upgrade, or nil.
func (r *Response) Subprotocol() []byte {
	c := classSubprotocol
	switch r.Upgrade {
	case ProtocolNone:
		return nil
	case ProtocolSPDY:
		c = classStreamProtocol
	}
	if f := r.Header.find(c); f != nil {
		return f.Value
	}
	return nil
}
