package fuzz

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"

	"github.com/spliceway/spliceway/httpparse"
)

// A message is what httpparse finds in a stream.
type message struct {
	start, end int // octets of the stream
	line       string
	status     bool             // line is the status of a response, not method and target
	header     httpparse.Header // a copy
	framing    httpparse.Framing
	close      bool
	upgrade    httpparse.Protocol
	body       []byte // kept octets, in chunks if it is chunked
	forwarded  []byte // with edit
}

func (m *message) String() string {
	return fmt.Sprintf("%d-%d %q %q %v close=%v upgrade=%v body %q forwarded %q", m.start, m.end, m.line, fieldLines(m.header),
		m.framing, m.close, m.upgrade, m.body, m.forwarded)
}

// edit is what the gateway puts into the requests that are forwarded here.
var edit = &httpparse.RequestEdit{
	Host: []byte("upstream.example:6443"),
	Lines: [][]byte{
		[]byte("Authorization: Bearer gateway\r\n"),
		[]byte("Impersonate-User: alice\r\n"),
		[]byte("Impersonate-Group: dev\r\n"),
	},
}

// reader takes messages out of a stream that arrives in pieces, as a connection
// does: either requests, until one leaves HTTP, or the responses to one request.
type reader struct {
	answered *httpparse.Request // for responses
	messages []message          // complete ones
	err      *httpparse.Error   // its offset is in the stream
	ended    bool               // nothing that follows is a message

	buf    []byte
	taken  int
	now    *message // whose body is being read
	body   int      // where that begins
	left   int64
	chunks httpparse.ChunkDecoder
}

// readRequests reads a stream that arrives in pieces.
func readRequests(pieces ...[]byte) *reader {
	r := new(reader)
	for _, piece := range pieces {
		r.feed(piece)
	}
	return r
}

// readResponses does so with responses to a request, up to the final one, and with
// the end of the connection.
func readResponses(to *httpparse.Request, pieces ...[]byte) *reader {
	r := &reader{answered: to, chunks: httpparse.ChunkDecoder{Response: true}}
	for _, piece := range pieces {
		r.feed(piece)
	}
	if r.now != nil && r.now.framing.Kind == httpparse.FramingUntilClose {
		r.finish()
	}
	return r
}

// same tells whether both readers are sure of the same.
func (r *reader) same(other *reader) bool {
	if !reflect.DeepEqual(r.messages, other.messages) || !reflect.DeepEqual(r.err, other.err) || r.ended != other.ended {
		return false
	}
	// How much of a body that is refused was taken is a matter of chance.
	return r.err != nil || r.taken == other.taken && (r.now == nil) == (other.now == nil)
}

// String writes down what the reader is sure of.
func (r *reader) String() string {
	var b strings.Builder
	for i := range r.messages {
		fmt.Fprintln(&b, &r.messages[i])
	}
	if r.now != nil {
		fmt.Fprintf(&b, "incomplete: %s\n", r.now.line)
	}
	fmt.Fprintf(&b, "refused: %v, ended: %v, at %d", r.err, r.ended, r.taken)
	return b.String()
}

// feed takes the next octets.
func (r *reader) feed(piece []byte) {
	r.buf = append(r.buf, piece...)
	for r.err == nil && !r.ended && len(r.buf) > 0 && r.step() {
	}
}

// step makes progress with what is there and tells whether there was any.
func (r *reader) step() bool {
	switch {
	case r.now == nil && r.answered != nil:
		return r.responseHead()
	case r.now == nil:
		return r.requestHead()
	}
	switch m := r.now; m.framing.Kind {
	case httpparse.FramingChunked:
		n, keep, err := r.chunks.Decode(r.buf)
		if err != nil {
			return r.fail(r.body, err)
		}
		if keep {
			m.body = append(m.body, r.buf[:n]...)
		}
		r.take(n)
		if r.chunks.Done() {
			r.finish()
		}
	case httpparse.FramingLength:
		n := int(min(int64(len(r.buf)), r.left))
		m.body = append(m.body, r.buf[:n]...)
		r.take(n)
		if r.left -= int64(n); r.left == 0 {
			r.finish()
		}
	default: // until the end of the connection
		m.body = append(m.body, r.buf...)
		r.take(len(r.buf))
	}
	return true
}

func (r *reader) requestHead() bool {
	var req httpparse.Request
	n, err := httpparse.ParseRequest(r.buf, nil, &req)
	if err != nil {
		return r.fail(r.taken, err)
	}
	r.begin(n, &message{
		line:      string(req.Method) + " " + string(req.Target),
		header:    cloneHeader(req.Header),
		framing:   req.Framing,
		close:     req.Close,
		upgrade:   req.Upgrade,
		forwarded: httpparse.AppendRequest(nil, &req, edit),
	})
	return true
}

func (r *reader) responseHead() bool {
	var resp httpparse.Response
	n, err := httpparse.ParseResponse(r.buf, nil, r.answered, &resp)
	if err != nil {
		return r.fail(r.taken, err)
	}
	r.begin(n, &message{
		line:      fmt.Sprintf("%d %s", resp.Status, resp.Reason),
		status:    true,
		header:    cloneHeader(resp.Header),
		framing:   resp.Framing,
		close:     resp.Close,
		upgrade:   resp.Upgrade,
		forwarded: httpparse.AppendResponse(nil, &resp, false),
	})
	return true
}

// fail takes the error of a parser of what begins at start. It makes no progress.
func (r *reader) fail(start int, err error) bool {
	if refusal, ok := err.(*httpparse.Error); ok {
		r.err = &httpparse.Error{Status: refusal.Status, Offset: start + refusal.Offset, Reason: refusal.Reason}
	} else if err != httpparse.ErrNeedMore {
		panic(err)
	}
	return false
}

// begin begins a message whose head has n octets.
func (r *reader) begin(n int, m *message) {
	m.start = r.taken
	r.take(n)
	r.now, r.body, r.left = m, r.taken, m.framing.Length
	r.chunks.Reset()
	if m.framing.Kind == httpparse.FramingNone || m.framing == (httpparse.Framing{Kind: httpparse.FramingLength}) {
		r.finish()
	}
}

// finish ends the message.
func (r *reader) finish() {
	m := r.now
	m.end = r.taken
	m.forwarded = append(m.forwarded, m.body...)
	r.messages = append(r.messages, *m)
	r.now = nil
	final := r.answered != nil && !strings.HasPrefix(m.line, "1")
	r.ended = final || m.upgrade != httpparse.ProtocolNone
}

func (r *reader) take(n int) {
	r.buf = r.buf[n:]
	r.taken += n
}

// cloneHeader copies a header out of the buffer.
func cloneHeader(h httpparse.Header) (clone httpparse.Header) {
	for _, f := range h {
		clone = append(clone, httpparse.Field{Name: bytes.Clone(f.Name), Value: bytes.Clone(f.Value)})
	}
	return clone
}
