package conn

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/internal/testnet"
	"github.com/spliceway/spliceway/internal/tlsio"
	"github.com/spliceway/spliceway/trace"
)

// bed is a gateway over TCP between a client and an API server that do no more
// than they must, so that what is measured is the gateway.
type bed struct {
	tb     testing.TB
	layers layers
	serve  func(net.Conn) // the API server's goroutine; ends with the connection
	client net.Conn
	in     marked
}

// layers is how much TLS lies around TCP.
type layers struct {
	client, server int
	traced         bool // requests have a place in a trace
	ca             *testnet.CA
	cert           tls.Certificate
}

func newLayers(tb testing.TB, client, server int) layers {
	l := layers{client: client, server: server}
	if client+server > 0 {
		l.ca = testnet.NewCA(tb)
		l.cert = l.ca.Issue(tb, "peer.test")
	}
	return l
}

// wrap puts n layers of TLS around both ends of a connection. The handshakes come
// with the first octets.
func (l *layers) wrap(n int, opened, accepted net.Conn) (net.Conn, net.Conn) {
	for range n {
		opened = tls.Client(opened, &tls.Config{RootCAs: l.ca.Pool(), ServerName: "peer.test"})
		accepted = tls.Server(accepted, &tls.Config{Certificates: []tls.Certificate{l.cert}})
	}
	return opened, accepted
}

// accept wraps the gateway's end of the client's connection as package tlsmux does.
func (l *layers) accept(opened, accepted net.Conn) (net.Conn, *tlsio.Conn) {
	top := net.Conn(tlsio.NewBase(accepted))
	bases := []*tlsio.Base{top.(*tlsio.Base)}
	for n := range l.client {
		if n > 0 {
			base := tlsio.NewBase(top)
			top, bases = base, append([]*tlsio.Base{base}, bases...)
		}
		opened, top = l.wrap(1, opened, top)
	}
	return opened, tlsio.New(top, bases...)
}

// dial opens a connection to the API server.
func (b *bed) dial(_ context.Context, wrap func(net.Conn) net.Conn) (net.Conn, error) {
	ours, theirs := testnet.TCPPair(b.tb)
	opened, accepted := b.layers.wrap(b.layers.server, wrap(ours), theirs)
	go b.serve(accepted)
	return opened, nil
}

// newBed starts this gateway.
func newBed(tb testing.TB, l layers, serve func(net.Conn)) *bed {
	tb.Helper()
	b := &bed{tb: tb, layers: l, serve: serve}
	lines, err := Impersonate("ann@example.com", []string{"dev", "on call"})
	if err != nil {
		tb.Fatal(err)
	}
	pool := NewPool(PoolConfig{Dial: b.dial})
	config := &Config{Pool: pool, Credential: &fixed{line: []byte("Authorization: Bearer gateway\r\n")},
		Host: []byte("api.test:6443"), Done: func(*audit.Request) {}}
	if l.traced {
		config.Trace = new(trace.Tracer).Start
	}
	theirs, ours := testnet.TCPPair(tb)
	opened, accepted := l.accept(theirs, ours)
	b.client = opened
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan struct{})
	go func() { // ends with ctx
		defer close(ended)
		New(accepted, &Caller{Connection: &audit.Connection{ID: "c1"}, Lines: lines}, config).Serve(ctx)
	}()
	tb.Cleanup(func() {
		cancel(ErrShutdown)
		<-ended
		pool.Close()
	})
	return b
}

// newReverseProxy starts one of httputil that does the same, as a baseline.
func newReverseProxy(tb testing.TB, l layers, serve func(net.Conn)) *bed {
	tb.Helper()
	b := &bed{tb: tb, layers: l, serve: serve}
	transport := &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16}
	transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return b.dial(ctx, func(c net.Conn) net.Conn { return c })
	}
	proxy := &httputil.ReverseProxy{
		Transport:     transport,
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0),
		BufferPool:    bufferPool{},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "api.test:6443"})
			r.Out.Header["Impersonate-User"] = []string{"ann@example.com"}
			r.Out.Header["Impersonate-Group"] = []string{"dev", "on call"}
			r.Out.Header["Authorization"] = []string{"Bearer gateway"}
			r.Out.Header["Audit-Id"] = []string{"c1-1"}
		},
	}
	ln := testnet.Listen()
	server := &http.Server{Handler: proxy, ErrorLog: log.New(io.Discard, "", 0)}
	theirs, ours := testnet.TCPPair(tb)
	opened, accepted := l.wrap(l.client, theirs, ours)
	b.client = opened
	ended := make(chan struct{})
	go func() { // ends with the server
		defer close(ended)
		server.Serve(&oneConn{Listener: ln, conn: accepted})
	}()
	tb.Cleanup(func() {
		server.Close()
		<-ended
		transport.CloseIdleConnections()
	})
	return b
}

// oneConn accepts one connection and then what its Listener does.
type oneConn struct {
	net.Listener
	conn net.Conn
}

func (o *oneConn) Accept() (net.Conn, error) {
	if c := o.conn; c != nil {
		o.conn = nil
		return c, nil
	}
	return o.Listener.Accept()
}

// bufferPool lends the baseline the same buffers.
type bufferPool struct{}

func (bufferPool) Get() []byte  { return buffers.Get().(*[bufferSize]byte)[:] }
func (bufferPool) Put(b []byte) { buffers.Put((*[bufferSize]byte)(b)) }

// fixed is a Credential that stays.
type fixed struct{ line []byte }

func (k *fixed) Authorization() []byte  { return k.line }
func (k *fixed) Refresh() (bool, error) { return false, nil }

// marked reads messages that end with a mark and hold it nowhere else.
type marked struct {
	buf  [64 << 10]byte
	tail [len(endMark)]byte
}

const (
	endMark   = "-END\r\n\r\n" // ends a body of known length
	lastChunk = "\r\n0\r\n\r\n"
	emptyLine = "\r\n\r\n"
)

// until reads up to the end of the message.
func (m *marked) until(c net.Conn, mark string) error {
	clear(m.tail[:])
	for {
		n, err := c.Read(m.buf[:])
		if err != nil {
			return err
		}
		if n >= len(m.tail) {
			copy(m.tail[:], m.buf[n-len(m.tail):n])
		} else {
			copy(m.tail[:], m.tail[n:])
			copy(m.tail[len(m.tail)-n:], m.buf[:n])
		}
		if bytes.HasSuffix(m.tail[:], []byte(mark)) {
			return nil
		}
	}
}

// answers makes an API server that answers each request that ends with mark.
func answers(mark string, reply []byte) func(net.Conn) {
	return func(c net.Conn) {
		var in marked
		for in.until(c, mark) == nil {
			c.Write(reply)
		}
	}
}

// roundTrip makes a request and reads the response up to its mark.
func (b *bed) roundTrip(request []byte, mark string) {
	if _, err := b.client.Write(request); err != nil {
		b.tb.Fatal(err)
	}
	if err := b.in.until(b.client, mark); err != nil {
		b.tb.Fatal(err)
	}
}
