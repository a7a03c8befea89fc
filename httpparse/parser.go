package httpparse

// parser reads one head from its first octet. It keeps nothing between calls of the exported functions: callers ask
// again when another line has arrived, and lines are short.
//
// Every verdict depends on the octets up to Error.Offset alone, never on how many more are there. That is what makes
// the verdict the same however the octets were cut, and why the window below is cut to the limits first.
type parser struct {
	b        []byte // what may be looked at: the buffer, cut to Limits.Head
	cut      bool   // the buffer holds more than that
	response bool
	outer    bool // ParseConnect
	lim      Limits

	header Header
	end    int // of the head, once it is known

	// What the fields said, as far as more than one of them has to do with it.
	seen      classSet
	length    int64    // of Content-Length
	upgrade   Protocol // of Upgrade
	wants     bool     // Connection: upgrade
	close     bool     // Connection: close
	nominates bool     // Connection names other fields
	options   int      // of Connection
	reframe   bool     // a framing field is not in canonical form
	edited    bool     // a field is dropped
}

// reset prepares p for the head at the beginning of buf; header gives its storage.
func (p *parser) reset(buf []byte, lim *Limits, header Header) {
	*p = parser{b: buf, lim: lim.orDefault(), header: header[:0]}
	if len(buf) > p.lim.Head {
		p.b, p.cut = buf[:p.lim.Head], true
	}
}

// fail makes a refusal. In a response the server is to blame, whatever is wrong.
func (p *parser) fail(status, offset int, reason string) error {
	if p.response {
		status = 502
	}
	return &Error{Status: status, Offset: offset, Reason: reason}
}

// line returns what may be looked at of the line that begins at i: up to Limits.Line octets of it.
func (p *parser) line(i int) []byte {
	return p.b[:min(len(p.b), i+p.lim.Line)]
}

// short is the verdict when line, from p.line, ends before what it must hold: too long, or not all there yet.
func (p *parser) short(line []byte, status int) error {
	switch {
	case len(line) < len(p.b):
		return p.fail(status, len(line), "line too long")
	case p.cut:
		return p.fail(431, len(line), "head too large")
	}
	return ErrNeedMore
}

// newline expects CRLF at i and returns the index behind it. An LF alone does not end a line here, although RFC
// 9112, Section 2.2, would let a recipient take it: then a peer who does not would see another head.
func (p *parser) newline(line []byte, i, status int) (int, error) {
	if i == len(line) {
		return 0, p.short(line, status)
	}
	if line[i] != '\r' {
		return 0, p.fail(400, i, notInLine(line[i]))
	}
	if i+1 == len(line) {
		return 0, p.short(line, status)
	}
	if line[i+1] != '\n' {
		return 0, p.fail(400, i, "carriage return without line feed")
	}
	return i + 2, nil
}

// notInLine says what is wrong with an octet where only CRLF can follow.
func notInLine(c byte) string {
	switch {
	case c == '\n':
		return "line feed without carriage return"
	case c < ' ' || c == 0x7f:
		return "control octet"
	}
	return "octet behind the version"
}

// fields reads field lines from i to the empty line that ends the head, and returns the index behind it.
//
//	field-line = field-name ":" OWS field-value OWS               (RFC 9112, Section 5)
//	field-name = token
func (p *parser) fields(i int) (int, error) {
	for {
		line := p.line(i)
		if i == len(line) || line[i] == '\r' {
			return p.newline(line, i, 431)
		}
		if len(p.header) == p.lim.Fields {
			return 0, p.fail(431, i, "too many fields")
		}
		start := i
		var mark uint8
		for i < len(line) && octets[line[i]]&isToken != 0 {
			mark |= octets[line[i]]
			i++
		}
		if i == len(line) {
			return 0, p.short(line, 431)
		}
		if line[i] != ':' || i == start {
			return 0, p.fail(400, i, notInName(line[i], i == start))
		}
		colon := i
		begin := skipOWS(line, colon+1)
		i = valueEnd(line, begin)
		next, err := p.newline(line, i, 431)
		if err != nil {
			return 0, err
		}
		for i > begin && isOWS(line[i-1]) {
			i--
		}
		p.header = append(p.header, Field{
			Name:  line[start:colon:colon],
			Value: line[begin:i:i],
			start: uint32(start),
			end:   uint32(next),
		})
		if err := p.field(&p.header[len(p.header)-1], mark&isUnderscore != 0); err != nil {
			return 0, err
		}
		i = next
	}
}

// notInName says what is wrong with an octet where a field name or its colon is due.
func notInName(c byte, first bool) string {
	switch {
	case isOWS(c) && first:
		return "folded line or space before a field name" // RFC 9112, Section 5.2 and Section 2.2
	case isOWS(c):
		return "space in or behind a field name" // RFC 9112, Section 5.1
	case c == ':':
		return "empty field name"
	case c == '\r' || c == '\n':
		return "field line without colon"
	}
	return "octet not allowed in a field name"
}

// field classifies a field and takes what it says.
func (p *parser) field(f *Field, underscore bool) error {
	c := classify(f.Name)
	if underscore {
		if twin := classifyTwin(f.Name); twin != classOrdinary && p.guards(twin) {
			return p.fail(400, int(f.start), "underscore twin of a guarded field name")
		}
	}
	if c == classOrdinary {
		return nil
	}
	f.class = c
	once, gone := single, droppedFromRequest
	if p.response {
		once, gone = singleInResponse, dropped
	}
	if once.has(c) && p.seen.has(c) {
		return p.fail(400, int(f.start), "field given twice")
	}
	f.drop = gone.has(c)
	err := p.meaning(f)
	p.seen |= 1 << c
	p.edited = p.edited || f.drop
	return err
}

// guards tells whether an underscore twin of the class is refused: whoever takes it for the real thing must not find
// one that this parser did not look at. A response has no identity to protect.
func (p *parser) guards(c class) bool {
	return !p.response || c != classIdentity && c != classOrigin
}

// meaning takes what a field of a class that is not ordinary says about the message.
func (p *parser) meaning(f *Field) error {
	switch f.class {
	case classContentLength:
		return p.contentLength(f)
	case classTransferEncoding:
		return p.transferEncoding(f)
	case classConnection:
		return p.connection(f)
	case classUpgrade:
		upgrade, ok := parseUpgrade(f.Value)
		if !ok {
			return p.fail(400, int(f.start), "upgrade does not name one protocol")
		}
		p.upgrade = upgrade
	}
	if p.response {
		return nil
	}
	return p.requestMeaning(f)
}

// requestMeaning does so for the classes that only mean something in a request.
func (p *parser) requestMeaning(f *Field) error {
	switch f.class {
	case classHost:
		if !isAuthority(f.Value, portOptional) {
			return p.fail(400, int(f.start), "malformed host")
		}
	case classExpect:
		if !equalFold(f.Value, "100-continue") {
			return p.fail(417, int(f.start), "unknown expectation") // RFC 9110, Section 10.1.1
		}
	case classSubprotocol, classStreamProtocol:
		bearer, ok := parseSubprotocols(f.Value)
		if !ok {
			return p.fail(400, int(f.start), "malformed list of subprotocols")
		}
		f.drop = bearer
	}
	return nil
}

// plain tells whether the line of a field is "Name: value" with nothing around it.
func (p *parser) plain(f *Field) bool {
	const separator, end = ": ", "\r\n"
	rest := p.b[int(f.start)+len(f.Name) : f.end]
	return len(rest) == len(separator)+len(f.Value)+len(end) && string(rest[:len(separator)]) == separator
}

// maxOptions bounds the names in Connection: each is looked for among all fields.
const maxOptions = 16

// connection takes the options of a Connection field.
//
//	Connection        = #connection-option
//	connection-option = token                                     (RFC 9110, Section 7.6.1)
func (p *parser) connection(f *Field) error {
	for rest := f.Value; len(rest) > 0; {
		var option []byte
		var ok bool
		if option, rest, ok = nextElement(rest, isToken); !ok {
			return p.fail(400, int(f.start), "malformed connection options")
		}
		if p.options++; p.options > maxOptions {
			return p.fail(400, int(f.start), "too many connection options")
		}
		switch c := classifyTwin(option); {
		case c == classUpgrade:
			p.wants = true
		case !nominable.has(c):
			return p.fail(400, int(f.start), "connection option names a field that is not its sender's")
		case equalFold(option, "close"):
			p.close = true
		case c == classOrdinary:
			p.nominates = true
		}
	}
	return nil
}

// dropNominated marks the fields that Connection names. Only a few clients name any, so it is a second walk.
func (p *parser) dropNominated() {
	if !p.nominates {
		return
	}
	for i := range p.header {
		if p.header[i].class != classConnection {
			continue
		}
		for rest := p.header[i].Value; len(rest) > 0; {
			var option []byte
			option, rest, _ = nextElement(rest, isToken)
			p.dropNamed(option)
		}
	}
}

func (p *parser) dropNamed(name []byte) {
	for i := range p.header {
		if f := &p.header[i]; f.class == classOrdinary && sameName(f.Name, name) {
			f.drop, p.edited = true, true
		}
	}
}
