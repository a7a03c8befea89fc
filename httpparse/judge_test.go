package httpparse_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"testing"
)

// hidden are the fields that net/http takes out of the header it returns.
var hidden = http.Header{"Host": {""}, "Transfer-Encoding": {""}}

// netHTTP reads a request with the standard library and wants nothing to be left behind it.
func netHTTP(t *testing.T, name string, stream []byte) (*http.Request, []byte) {
	t.Helper()
	from := bufio.NewReader(bytes.NewReader(stream))
	r, err := http.ReadRequest(from)
	if err != nil {
		t.Fatalf("%s: net/http refuses %q: %v", name, stream, err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatalf("%s: net/http refuses the body of %q: %v", name, stream, err)
	}
	if rest, _ := io.ReadAll(from); len(rest) > 0 {
		t.Fatalf("%s: net/http leaves %q of %q", name, rest, stream)
	}
	return r, body
}
