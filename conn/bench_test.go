package conn

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// benchBed is a way to start a gateway.
type benchBed func(tb testing.TB, l layers, serve func(net.Conn)) *bed

// gateways runs a benchmark through this gateway and through the baseline, over
// plain TCP and over the layers of TLS that there are in service.
func gateways(b *testing.B, run func(b *testing.B, start benchBed, l layers)) {
	for _, gateway := range []struct {
		name  string
		start benchBed
	}{{"spliceway", newBed}, {"reverseproxy", newReverseProxy}} {
		for _, l := range []struct {
			name           string
			client, server int
		}{{"none", 0, 0}, {"nested", 2, 1}} {
			b.Run("gateway="+gateway.name+"/tls="+l.name, func(b *testing.B) {
				run(b, gateway.start, newLayers(b, l.client, l.server))
			})
		}
	}
}

// BenchmarkGet is what kubectl get does once more on the same connection.
func BenchmarkGet(b *testing.B) {
	octets := []byte(request("GET /api/v1/namespaces/default/pods/a?timeout=32s", "Accept: application/json;as=Table;v=v1;g=meta.k8s.io",
		"User-Agent: kubectl/v1.36.3 (linux/amd64) kubernetes/0000000", "Kubectl-Command: kubectl get", "Accept-Encoding: gzip"))
	reply := []byte(response("200 OK", strings.Repeat("x", 2000)+endMark, "Audit-Id: 6bd7b8ea-6a7e-4f5e-8f1c-0d1c6c3e4f5a",
		"Cache-Control: no-cache, private", "Content-Type: application/json", "X-Kubernetes-Pf-Flowschema-Uid: 5f0b5d5e-5d5b-4b5d-9d5b-5d5b5d5b5d5b",
		"X-Kubernetes-Pf-Prioritylevel-Uid: 5f0b5d5e-5d5b-4b5d-9d5b-5d5b5d5b5d5c", "Date: Mon, 23 Nov 2026 17:00:00 GMT"))
	gateways(b, func(b *testing.B, start benchBed, l layers) {
		bed := start(b, l, answers(emptyLine, reply))
		bed.roundTrip(octets, endMark)
		b.ReportAllocs()
		for b.Loop() {
			bed.roundTrip(octets, endMark)
		}
	})
}

const mebibyte = 1 << 20

// BenchmarkDownload is a response of 1 MiB.
func BenchmarkDownload(b *testing.B) {
	body := strings.Repeat("x", mebibyte-len(endMark)) + endMark
	chunked := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
		strings.Repeat(fmt.Sprintf("%x\r\n%s\r\n", 8<<10, strings.Repeat("x", 8<<10)), mebibyte/(8<<10)) + "0\r\n\r\n"
	for _, framing := range []struct{ name, reply, mark string }{
		{"length", response("200 OK", body), endMark},
		{"chunked", chunked, lastChunk},
	} {
		b.Run("framing="+framing.name, func(b *testing.B) {
			gateways(b, func(b *testing.B, start benchBed, l layers) {
				octets := []byte(request("GET /api/v1/pods"))
				bed := start(b, l, answers(emptyLine, []byte(framing.reply)))
				bed.roundTrip(octets, framing.mark)
				b.SetBytes(mebibyte)
				b.ReportAllocs()
				for b.Loop() {
					bed.roundTrip(octets, framing.mark)
				}
			})
		})
	}
}

// BenchmarkUpload is a request of 1 MiB.
func BenchmarkUpload(b *testing.B) {
	octets := []byte(request("PUT /api/v1/namespaces/a/configmaps/b", fmt.Sprintf("Content-Length: %d", mebibyte)) +
		strings.Repeat("x", mebibyte-len(endMark)) + endMark)
	gateways(b, func(b *testing.B, start benchBed, l layers) {
		bed := start(b, l, answers(endMark, []byte(response("200 OK", "{}"+endMark))))
		bed.roundTrip(octets, endMark)
		b.SetBytes(mebibyte)
		b.ReportAllocs()
		for b.Loop() {
			bed.roundTrip(octets, endMark)
		}
	})
}

// BenchmarkStream is an echo of one piece at a time behind an upgrade.
func BenchmarkStream(b *testing.B) {
	for _, size := range []int{64, 16 << 10} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			gateways(b, func(b *testing.B, start benchBed, l layers) {
				bed := start(b, l, func(c net.Conn) {
					var in marked
					if in.until(c, emptyLine) == nil {
						io.WriteString(c, spdyAgreed)
						io.CopyBuffer(struct{ io.Writer }{c}, struct{ io.Reader }{c}, in.buf[:])
					}
				})
				bed.roundTrip([]byte(spdyRequest), emptyLine)
				piece := []byte(strings.Repeat("x", size-len(endMark)) + endMark)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					bed.roundTrip(piece, endMark)
				}
			})
		})
	}
}
