package tlsmux

import (
	"context"
	"crypto/tls"
	"io"
	"runtime"
	"testing"

	"github.com/spliceway/spliceway/internal/testnet"
)

// A benchGateway listens on pipes.
type benchGateway struct {
	ca *testnet.CA
	ln *testnet.Listener
}

func newBenchGateway(b *testing.B) *benchGateway {
	b.Helper()
	g := &benchGateway{ca: testnet.NewCA(b), ln: testnet.Listen()}
	cert := g.ca.Issue(b, "gateway.test", "cluster-a.int")
	mux, err := New(Config{
		Certificates: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &cert, nil },
		Authenticate: func(context.Context, *Connect) (Handler, error) { return echoOctets, nil },
	})
	if err != nil {
		b.Fatalf("New = %v", err)
	}
	served := make(chan error, 1)
	go func() { served <- mux.Serve(context.Background(), g.ln) }()
	b.Cleanup(func() {
		mux.Shutdown(context.Background())
		<-served
	})
	return g
}

// echoOctets is echo with so small a buffer that it does not count.
func echoOctets(_ context.Context, t *Tunnel) {
	buf := make([]byte, 8)
	for {
		n, err := t.Conn.Read(buf)
		if err != nil {
			return
		}
		t.Conn.Write(buf[:n])
	}
}

// open returns a tunnel that has carried a word, so that all that is
// allocated at first use is there.
func (g *benchGateway) open(b *testing.B) *tls.Conn {
	b.Helper()
	outer := tls.Client(g.ln.Dial(), &tls.Config{RootCAs: g.ca.Pool(), ServerName: "gateway.test"})
	if _, err := io.WriteString(outer, goodHead); err != nil {
		b.Fatal(err)
	}
	if _, err := io.ReadFull(outer, make([]byte, len(replyEstablished))); err != nil {
		b.Fatal(err)
	}
	inner := tls.Client(outer, &tls.Config{RootCAs: g.ca.Pool(), ServerName: "cluster-a.int"})
	if _, err := io.WriteString(inner, "ping"); err != nil {
		b.Fatal(err)
	}
	if _, err := io.ReadFull(inner, make([]byte, 4)); err != nil {
		b.Fatal(err)
	}
	return inner
}

// liveHeap returns the octets of heap and stacks in use after a collection.
func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// BenchmarkOpen is the price of a tunnel: two full handshakes of both sides
// and the CONNECT.
func BenchmarkOpen(b *testing.B) {
	g := newBenchGateway(b)
	b.ReportAllocs()
	for b.Loop() {
		g.open(b).Close()
	}
}

// BenchmarkIdleTunnel reports what an idle tunnel holds at the gateway and at
// its client together, which are alike: two TLS connections each.
func BenchmarkIdleTunnel(b *testing.B) {
	g := newBenchGateway(b)
	before := liveHeap()
	var tunnels []*tls.Conn
	for range b.N {
		tunnels = append(tunnels, g.open(b))
	}
	b.ReportMetric(float64(liveHeap()-before)/float64(b.N), "B/pair")
	for _, tunnel := range tunnels {
		tunnel.Close()
	}
}
