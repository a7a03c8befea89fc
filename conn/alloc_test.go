//go:build !race

package conn

import (
	"fmt"
	"strings"
	"testing"
)

// TestAllocs wants no allocation for a request on connections that are kept, as
// far as conn is concerned: over plain TCP. What crypto/tls allocates is logged
// by the benchmarks.
func TestAllocs(t *testing.T) {
	pod := request("GET /api/v1/namespaces/default/pods/a", "Accept: application/json", "User-Agent: kubectl/v1.36", "Accept-Encoding: gzip")
	const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n{items}\r\n0\r\n\r\n"
	tests := []struct{ name, request, requestMark, response, responseMark string }{
		{"get", pod, emptyLine, response("200 OK", "{}"+endMark, "Content-Type: application/json", "Audit-Id: c1-1"), endMark},
		{"get-traced", pod, emptyLine, response("200 OK", "{}"+endMark), endMark},
		{"get-with-parent-traced", request("GET /api/v1/pods", parentLine, stateLine), emptyLine, response("200 OK", "{}"+endMark), endMark},
		{"get-with-hop-by-hop-fields", pod, emptyLine, response("200 OK", "{}"+endMark, "Connection: keep-alive", "Keep-Alive: timeout=5"), endMark},
		{"get-chunked", pod, emptyLine, chunked, lastChunk},
		{"get-of-many-records", pod, emptyLine, response("200 OK", fmt.Sprintf("%100000d", 1)+endMark), endMark},
		{"head", request("HEAD /api/v1/pods"), emptyLine, response("200 OK", ""), emptyLine},
		{"put", request("PUT /x", "Content-Length: 108") + fmt.Sprintf("%100d", 1) + endMark, endMark, noContent, emptyLine},
		{"put-chunked", request("PUT /x", "Transfer-Encoding: chunked") + "3\r\nabc" + lastChunk, lastChunk, noContent, emptyLine},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := newBed(t, layers{traced: strings.HasSuffix(test.name, "-traced")}, answers(test.requestMark, []byte(test.response)))
			octets := []byte(test.request)
			b.roundTrip(octets, test.responseMark) // dials, and fills the pools
			if got := testing.AllocsPerRun(500, func() { b.roundTrip(octets, test.responseMark) }); got != 0 {
				t.Errorf("%v allocations, want 0", got)
			}
		})
	}
}
