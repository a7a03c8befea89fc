package fuzz

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/spliceway/spliceway/httpparse"
)

// judged is a message as net/http reads it.
type judged struct {
	end    int // in the stream
	line   string
	host   string
	header http.Header
	close  bool
	body   []byte
}

// judge reads one stream with net/http.
type judge struct {
	octets int
	source *bytes.Reader
	buffer *bufio.Reader
}

func newJudge(stream []byte) *judge {
	source := bytes.NewReader(stream)
	// The buffer bounds the trailers that net/http reads.
	return &judge{len(stream), source, bufio.NewReaderSize(source, 64<<10)}
}

// end returns how many octets have been read.
func (j *judge) end() int { return j.octets - j.source.Len() - j.buffer.Buffered() }

// request reads a request.
func (j *judge) request() (*judged, error) {
	r, err := j.requestHead()
	if err != nil {
		return nil, err
	}
	m := &judged{line: r.Method + " " + r.RequestURI, host: r.Host, header: r.Header, close: r.Close}
	if m.body, err = io.ReadAll(r.Body); err != nil {
		return nil, err
	}
	m.end = j.end()
	return m, nil
}

// requestHead reads the head of a request.
func (j *judge) requestHead() (*http.Request, error) { return http.ReadRequest(j.buffer) }

// response reads a response to a request with the method.
func (j *judge) response(method string) (*judged, error) {
	r, err := http.ReadResponse(j.buffer, &http.Request{Method: method})
	if err != nil {
		return nil, err
	}
	m := &judged{line: r.Status, header: r.Header, close: r.Close}
	if m.body, err = io.ReadAll(r.Body); err != nil {
		return nil, err
	}
	m.end = j.end()
	return m, nil
}

// stricter tells whether a header has a fault for net/http that is none here,
// because the field is dropped: a Trailer that announces what must not be one.
func stricter(header httpparse.Header) bool {
	for _, f := range header {
		if strings.EqualFold(string(f.Name), "trailer") {
			return true
		}
	}
	return false
}

// visible returns the fields as net/http shows them: without those that it takes
// out, and with the one that it puts in for a cache of the year 1996.
func visible(m *message) http.Header {
	h := make(http.Header)
	for _, f := range m.header {
		h.Add(string(f.Name), string(f.Value))
	}
	if h["Transfer-Encoding"] != nil { // also where no body follows, as in an answer to HEAD
		h.Del("Trailer")
	}
	h.Del("Host")
	h.Del("Transfer-Encoding")
	if m.status && optionsOf(m.header)["close"] {
		h.Del("Connection")
	}
	if pragma := h["Pragma"]; len(pragma) > 0 && pragma[0] == "no-cache" && h["Cache-Control"] == nil {
		h["Cache-Control"] = []string{"no-cache"}
	}
	return h
}

// sameAsJudged compares a message with what net/http makes of it.
func sameAsJudged(t *testing.T, m *message, got *judged) {
	t.Helper()
	if got.line != m.line || got.close != m.close || got.end != m.end {
		t.Fatalf("%v\nis read by net/http as %q close=%v, up to octet %d", m, got.line, got.close, got.end)
	}
	if want := visible(m); !reflect.DeepEqual(got.header, want) {
		t.Fatalf("%v\nis read by net/http with the fields %q, want %q", m, got.header, want)
	}
	if body := dechunk(t, m); !bytes.Equal(got.body, body) {
		t.Fatalf("%v\nis read by net/http with the body %q, want %q", m, got.body, body)
	}
}

// dechunk returns the body of a message without its chunks, in the plainest way
// that there is: what is kept of a body is in canonical form.
func dechunk(t *testing.T, m *message) (body []byte) {
	t.Helper()
	if m.framing.Kind != httpparse.FramingChunked {
		return m.body
	}
	rest := m.body
	for {
		size, data, ok := cutChunk(rest)
		if !ok || size == 0 && string(data) != "\r\n" {
			t.Fatalf("%q is kept of a chunked body", m.body)
		}
		if size == 0 {
			return body
		}
		body = append(body, data[:size]...)
		rest = data[size+len("\r\n"):]
	}
}

// cutChunk reads the size in front of a chunk. It tells whether the chunk is
// there, with CRLF behind it.
func cutChunk(from []byte) (size int, data []byte, ok bool) {
	line, data, ok := bytes.Cut(from, []byte("\r\n"))
	if !ok || len(line) == 0 || len(line) > 16 {
		return 0, nil, false
	}
	for _, c := range bytes.ToLower(line) {
		digit := strings.IndexByte("0123456789abcdef", c)
		if digit < 0 || size > len(from) {
			return 0, nil, false
		}
		size = size<<4 | digit
	}
	end := len(data) - size
	return size, data, end >= 2 && data[size] == '\r' && data[size+1] == '\n'
}
