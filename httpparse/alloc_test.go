//go:build !race

package httpparse_test

import (
	"testing"

	. "github.com/spliceway/spliceway/httpparse"
)

// The path of a message that is accepted must not allocate: it is walked for each request of a connection.

func TestParseRequestDoesNotAllocate(t *testing.T) {
	for _, in := range requestHeads {
		var req Request
		buf := []byte(in.head)
		dst := make([]byte, 0, 64<<10)
		wantNoAllocs(t, "ParseRequest and AppendRequest of "+in.name, func() {
			if _, err := ParseRequest(buf, nil, &req); err != nil {
				t.Fatal(err)
			}
			dst = AppendRequest(dst[:0], &req, &gatewayEdit)
		})
		wantNoAllocs(t, "ParseRequest of an incomplete "+in.name, func() {
			if _, err := ParseRequest(buf[:len(buf)-1], nil, &req); err != ErrNeedMore {
				t.Fatal(err)
			}
		})
	}
}

func TestParseResponseDoesNotAllocate(t *testing.T) {
	var req Request
	if _, err := ParseRequest([]byte(kubectlExec), nil, &req); err != nil {
		t.Fatal(err)
	}
	for _, head := range []string{apiResponse, switchedToWebSocket} {
		var resp Response
		dst := make([]byte, 0, 4<<10)
		buf := []byte(head)
		wantNoAllocs(t, "ParseResponse and AppendResponse", func() {
			if _, err := ParseResponse(buf, nil, &req, &resp); err != nil {
				t.Fatal(err)
			}
			dst = AppendResponse(dst[:0], &resp, true)
		})
	}
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	body := chunkedBody(512, 4<<10)
	body = append(body[:len(body)-len("\r\n")], "X-Trailer: 1\r\n\r\n"...)
	wantNoAllocs(t, "Decode", func() {
		var d ChunkDecoder
		for rest := body; !d.Done(); {
			n, _, err := d.Decode(rest)
			if err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
	})
}

func wantNoAllocs(t *testing.T, what string, f func()) {
	t.Helper()
	f() // storage that is kept from then on
	if got := testing.AllocsPerRun(100, f); got != 0 {
		t.Errorf("%s: %v allocations, want none", what, got)
	}
}
