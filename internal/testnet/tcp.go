package testnet

import (
	"net"
	"testing"
	"time"
)

// TCPPair returns the two ends of a TCP connection on loopback. Both are
// closed when the test ends.
func TCPPair(tb testing.TB) (client, server *net.TCPConn) {
	tb.Helper()
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		tb.Fatalf("listening on loopback: %v", err)
	}
	defer ln.Close()
	// The kernel completes the handshake without Accept, so one goroutine
	// can do both.
	client, err = net.DialTCP("tcp", nil, ln.Addr().(*net.TCPAddr))
	if err != nil {
		tb.Fatalf("dialling loopback: %v", err)
	}
	tb.Cleanup(func() { client.Close() })
	ln.SetDeadline(time.Now().Add(10 * time.Second))
	server, err = ln.AcceptTCP()
	if err != nil {
		tb.Fatalf("accepting on loopback: %v", err)
	}
	tb.Cleanup(func() { server.Close() })
	return client, server
}

// segmentPause lets the kernel hand a segment to a reader that waits for it
// before the next one is sent. No call tells when a peer has read, so this is
// the one place that sleeps; a reader too slow for it sees two segments as
// one, which no test may take for an error.
const segmentPause = 2 * time.Millisecond

// Segments writes each segment with a write of its own and takes care that
// none is joined to the one before: over a [Pipe] by its nature, over TCP by
// switching Nagle's algorithm off and pausing in between. Over TLS each
// segment is a record.
func Segments(tb testing.TB, conn net.Conn, segments ...[]byte) {
	tb.Helper()
	_, isPipe := conn.(*PipeConn)
	if tcp, ok := conn.(*net.TCPConn); ok {
		if err := tcp.SetNoDelay(true); err != nil {
			tb.Fatalf("setting TCP_NODELAY: %v", err)
		}
	}
	for i, segment := range segments {
		if i > 0 && !isPipe {
			time.Sleep(segmentPause)
		}
		if _, err := conn.Write(segment); err != nil {
			tb.Fatalf("writing segment %d of %d: %v", i+1, len(segments), err)
		}
	}
}

// Cut returns data in parts of n octets, the last one shorter if need be.
func Cut(data []byte, n int) [][]byte {
	var parts [][]byte
	for len(data) > n {
		parts = append(parts, data[:n:n])
		data = data[n:]
	}
	return append(parts, data)
}
