package httpparse_test

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"

	. "github.com/spliceway/spliceway/httpparse"
)

// Heads as they are: of kubectl 1.36 and of the API server, the smallest there can be, and the worst that the limits
// allow.
const (
	kubectlGet = "GET /api/v1/namespaces/default/pods?limit=500 HTTP/1.1\r\n" +
		"Host: 127.0.0.1:6443\r\n" +
		"User-Agent: kubectl/v1.36.3 (linux/amd64) kubernetes/2b2a0a1\r\n" +
		"Accept: application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json\r\n" +
		"Kubectl-Command: kubectl get\r\n" +
		"Kubectl-Session: 6b5a1c4e-1f7d-4a55-9c3e-0a1b2c3d4e5f\r\n" +
		"Accept-Encoding: gzip\r\n\r\n"
	kubectlExec = "GET /api/v1/namespaces/default/pods/web-0/exec?command=sh&container=web&stdin=true&stdout=true&tty=true HTTP/1.1\r\n" +
		"Host: 127.0.0.1:6443\r\n" +
		"User-Agent: kubectl/v1.36.3 (linux/amd64) kubernetes/2b2a0a1\r\n" +
		"Upgrade: websocket\r\n" +
		"Connection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
		"Sec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n" +
		"Kubectl-Command: kubectl exec\r\n" +
		"Kubectl-Session: 6b5a1c4e-1f7d-4a55-9c3e-0a1b2c3d4e5f\r\n\r\n"
	smallestRequest = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

	apiResponse = "HTTP/1.1 200 OK\r\n" +
		"Audit-Id: 0a5c1c9e-7b5d-4b0f-9d3e-6a2f4c8b1e7d\r\n" +
		"Cache-Control: no-cache, private\r\n" +
		"Content-Type: application/json\r\n" +
		"X-Kubernetes-Pf-Flowschema-Uid: 2f0c9d9e-4b8e-4a56-8f40-3a0f8b6f1c2d\r\n" +
		"X-Kubernetes-Pf-Prioritylevel-Uid: 7d1f8d3c-6a0b-4f0e-9b7a-5c4e3d2f1a0b\r\n" +
		"Date: Mon, 23 Nov 2026 16:34:00 GMT\r\n" +
		"Content-Length: 2953\r\n\r\n"
	switchedToWebSocket = "HTTP/1.1 101 Switching Protocols\r\n" +
		"Upgrade: websocket\r\n" +
		"Connection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" +
		"Sec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n"
)

// worstRequest has as many fields and nominations as there can be, and a field that looks like a guarded one.
var worstRequest = "GET /" + strings.Repeat("%41/", 500) + " HTTP/1.1\r\nHost: a\r\n" +
	"Connection: " + strings.Repeat("aaaaaaaaab, ", 15) + "close\r\n" +
	strings.Repeat("aaaaaaaaaa: \t \t \t \t \t \t \t \t\r\n", 63) +
	strings.Repeat("sec-websocket-protocoL_: \t \t\r\n", 63) + "\r\n"

var requestHeads = []struct{ name, head string }{
	{"kubectl-get", kubectlGet},
	{"kubectl-exec", kubectlExec},
	{"smallest", smallestRequest},
	{"worst", worstRequest},
}

func BenchmarkParseRequest(b *testing.B) {
	for _, in := range requestHeads {
		b.Run("parser=ours/head="+in.name, func(b *testing.B) {
			buf := []byte(in.head)
			var req Request
			b.SetBytes(int64(len(buf)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseRequest(buf, nil, &req); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("parser=net-http/head="+in.name, func(b *testing.B) {
			from := strings.NewReader(in.head)
			buffered := bufio.NewReader(from)
			b.SetBytes(int64(len(in.head)))
			b.ReportAllocs()
			for b.Loop() {
				from.Reset(in.head)
				buffered.Reset(from)
				if _, err := http.ReadRequest(buffered); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseResponse(b *testing.B) {
	b.Run("parser=ours", func(b *testing.B) {
		buf := []byte(apiResponse)
		var resp Response
		b.SetBytes(int64(len(buf)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ParseResponse(buf, nil, nil, &resp); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parser=net-http", func(b *testing.B) {
		from := strings.NewReader(apiResponse)
		buffered := bufio.NewReader(from)
		b.SetBytes(int64(len(apiResponse)))
		b.ReportAllocs()
		for b.Loop() {
			from.Reset(apiResponse)
			buffered.Reset(from)
			if _, err := http.ReadResponse(buffered, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAppendRequest(b *testing.B) {
	for _, in := range requestHeads {
		b.Run("head="+in.name, func(b *testing.B) {
			var req Request
			if _, err := ParseRequest([]byte(in.head), nil, &req); err != nil {
				b.Fatal(err)
			}
			dst := make([]byte, 0, 64<<10)
			b.SetBytes(int64(len(in.head)))
			b.ReportAllocs()
			for b.Loop() {
				dst = AppendRequest(dst[:0], &req, &gatewayEdit)
			}
		})
	}
}

// BenchmarkDecode compares with copying the body: a tap that is slower than that would be felt.
func BenchmarkDecode(b *testing.B) {
	for _, in := range []struct {
		name string
		size int
	}{{"1", 1}, {"512", 512}, {"16KiB", 16 << 10}} {
		body := chunkedBody(in.size, 64<<10)
		b.Run("chunk="+in.name, func(b *testing.B) {
			var d ChunkDecoder
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				d.Reset()
				for rest := body; len(rest) > 0; {
					n, _, err := d.Decode(rest)
					if err != nil {
						b.Fatal(err)
					}
					rest = rest[n:]
				}
			}
		})
	}
	b.Run("baseline=copy", func(b *testing.B) {
		body := chunkedBody(512, 64<<10)
		dst := make([]byte, len(body))
		b.SetBytes(int64(len(body)))
		for b.Loop() {
			copy(dst, body)
		}
	})
}

// chunkedBody makes a body of about total octets in chunks of one size.
func chunkedBody(size, total int) []byte {
	var body bytes.Buffer
	chunk := strings.ToLower(hex(size)) + "\r\n" + strings.Repeat("x", size) + "\r\n"
	for body.Len() < total {
		body.WriteString(chunk)
	}
	body.WriteString("0\r\n\r\n")
	return body.Bytes()
}

// hex prints a chunk size.
func hex(n int) string {
	const digits = "0123456789ABCDEF"
	if n < len(digits) {
		return digits[n : n+1]
	}
	return hex(n/len(digits)) + hex(n%len(digits))
}
