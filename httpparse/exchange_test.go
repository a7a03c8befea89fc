package httpparse_test

import (
	"bytes"
	"errors"
	"slices"

	. "github.com/spliceway/spliceway/httpparse"
)

// exchange is a reader of messages made of the package's parts, as a connection is one: it is fed octets as they
// arrive and remembers what it saw.
type exchange struct {
	responses bool
	request   *Request // that the responses answer
	endless   bool     // go on behind a final response, as if another request had been answered

	seen   []message
	failed *Error
	early  []byte // octets of the tunnel

	buf     []byte
	total   int // octets taken from buf
	interim int
	open    bool // a body is being read
	left    int64
	chunks  ChunkDecoder
	req     Request
	resp    Response
	tunnel  bool
	done    bool // the response is complete; what follows is surplus
}

// message is what is to be known of a message.
type message struct {
	start, end int
	line       string // request line or status
	framing    Framing
	upgrade    Protocol
	close      bool
	header     []string
	body       []byte
	forwarded  []byte // what goes to the other side
	complete   bool
}

var gatewayEdit = RequestEdit{
	Host:  []byte("upstream.example:6443"),
	Lines: [][]byte{[]byte("Authorization: Bearer gateway\r\n"), []byte("Impersonate-User: alice\r\n")},
}

// maxInterim is how many interim responses the exchange takes.
const maxInterim = 8

// feed takes the next octets.
func (x *exchange) feed(octets []byte) {
	x.buf = append(x.buf, octets...)
	for x.failed == nil && len(x.buf) > 0 && !x.done && x.step() {
	}
	if x.tunnel {
		x.early = append(x.early, x.buf...)
		x.buf = nil
	}
}

// eof ends the stream. It returns whether that was a good moment.
func (x *exchange) eof() bool {
	if x.open && x.last().framing.Kind == FramingUntilClose {
		x.finish()
	}
	return x.failed == nil && !x.open && (len(x.buf) == 0 || x.done)
}

func (x *exchange) last() *message { return &x.seen[len(x.seen)-1] }

// step makes progress with what is in the buffer and tells whether there was any.
func (x *exchange) step() bool {
	switch {
	case x.tunnel:
		return false
	case x.open:
		return x.body()
	case x.responses:
		return x.responseHead()
	}
	return x.requestHead()
}

func (x *exchange) requestHead() bool {
	n, err := ParseRequest(x.buf, nil, &x.req)
	if x.stuck(err) {
		return false
	}
	m := message{
		line:      string(x.req.Method) + " " + string(x.req.Target),
		framing:   x.req.Framing,
		upgrade:   x.req.Upgrade,
		close:     x.req.Close,
		forwarded: AppendRequest(nil, &x.req, &gatewayEdit),
	}
	x.begin(m, n, x.req.Header)
	return true
}

func (x *exchange) responseHead() bool {
	n, err := ParseResponse(x.buf, nil, x.request, &x.resp)
	if x.stuck(err) {
		return false
	}
	if x.resp.Status < 200 && x.resp.Upgrade == ProtocolNone {
		if x.interim++; x.interim > maxInterim {
			x.failed = &Error{Status: 502, Reason: "too many interim responses"}
			return false
		}
		x.take(n)
		return true
	}
	m := message{
		line:      string(x.resp.Reason),
		framing:   x.resp.Framing,
		upgrade:   x.resp.Upgrade,
		close:     x.resp.Close,
		forwarded: AppendResponse(nil, &x.resp, false),
	}
	x.begin(m, n, x.resp.Header)
	return true
}

// stuck takes the error of a parser.
func (x *exchange) stuck(err error) bool {
	if err == nil || err == ErrNeedMore {
		return err != nil
	}
	if !errors.As(err, &x.failed) {
		panic(err)
	}
	return true
}

// begin starts a message whose head has n octets.
func (x *exchange) begin(m message, n int, header Header) {
	if len(x.seen) > 0 {
		m.start = x.last().end // with the interim responses in front of it
	}
	for _, f := range header {
		m.header = append(m.header, string(f.Name)+": "+string(f.Value))
	}
	x.seen = append(x.seen, m)
	x.take(n)
	x.open, x.left = true, m.framing.Length
	x.chunks = ChunkDecoder{Response: x.responses}
	if m.framing.Kind == FramingNone || m.framing == (Framing{Kind: FramingLength}) {
		x.finish()
	}
}

// finish ends the message.
func (x *exchange) finish() {
	x.open = false
	m := x.last()
	m.end, m.complete = x.total, true
	x.tunnel = m.upgrade != ProtocolNone
	x.done = x.responses && !x.endless && !x.tunnel
	x.interim = 0
}

// body takes what is there of the body.
func (x *exchange) body() bool {
	m := x.last()
	switch m.framing.Kind {
	case FramingLength:
		n := int(min(int64(len(x.buf)), x.left))
		m.body = append(m.body, x.buf[:n]...)
		m.forwarded = append(m.forwarded, x.take(n)...)
		if x.left -= int64(n); x.left == 0 {
			x.finish()
		}
	case FramingUntilClose:
		m.body = append(m.body, x.buf...)
		m.forwarded = append(m.forwarded, x.take(len(x.buf))...)
	case FramingChunked:
		n, keep, err := x.chunks.Decode(x.buf)
		if x.stuck(err) {
			return false
		}
		if span := x.take(n); keep {
			m.forwarded = append(m.forwarded, span...)
		}
		if x.chunks.Done() {
			m.body = dechunk(m.forwarded)
			x.finish()
		}
	}
	return true
}

// take removes n octets from the buffer.
func (x *exchange) take(n int) []byte {
	span := slices.Clone(x.buf[:n])
	x.buf = x.buf[n:]
	x.total += n
	return span
}

// dechunk decodes a canonical chunked body, the one that a head is followed by, in the plainest way there is. It
// panics if it is no such body.
func dechunk(message []byte) []byte {
	_, rest, _ := bytes.Cut(message, []byte("\r\n\r\n"))
	var body []byte
	for {
		line, data, ok := bytes.Cut(rest, []byte("\r\n"))
		size, err := parseHex(string(line))
		if !ok || err != nil {
			panic("kept octets are no chunked body")
		}
		if size == 0 {
			if string(data) != "\r\n" {
				panic("kept octets have a trailer")
			}
			return body
		}
		body = append(body, data[:size]...)
		rest = bytes.TrimPrefix(data[size:], []byte("\r\n"))
	}
}
