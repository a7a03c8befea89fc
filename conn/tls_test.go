package conn

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/internal/testnet"
	"github.com/spliceway/spliceway/internal/tlsio"
)

// The real thing: TLS within TLS over TCP to the client, TLS over TCP to the API
// server. Time is real here, so these tests wait for what has to happen and never
// for nothing to happen.

// patience is how long anything may take before a test fails.
const patience = 10 * time.Second

// host is a gateway and its API server over TCP.
type host struct {
	t        *testing.T
	ca       *testnet.CA
	pool     *Pool
	config   Config
	accepted chan *far // connections that the API server has accepted
	dials    atomic.Int32

	mu   sync.Mutex
	done []told // guarded by mu
}

// newHost starts an API server that accepts connections and does no more: a test
// takes them from accepted.
func newHost(t *testing.T, version uint16) *host {
	t.Helper()
	h := &host{t: t, ca: testnet.NewCA(t), accepted: make(chan *far, 16)}
	cert := h.ca.Issue(t, "127.0.0.1")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go h.accept(ln, &tls.Config{Certificates: []tls.Certificate{cert}})
	h.use(ln.Addr().String(), version)
	return h
}

// use makes the gateway for the API server at addr.
func (h *host) use(addr string, version uint16) {
	trusted := &tls.Config{RootCAs: h.ca.Pool(), ServerName: "127.0.0.1", MaxVersion: version}
	h.pool = NewPool(PoolConfig{Dial: func(ctx context.Context, wrap func(net.Conn) net.Conn) (net.Conn, error) {
		h.dials.Add(1)
		raw, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		c := tls.Client(wrap(raw), trusted)
		return c, c.HandshakeContext(ctx)
	}})
	h.config = Config{Pool: h.pool, Credential: &token{current: "gateway"}, Host: []byte("api.test:6443"), Done: h.tell}
	h.t.Cleanup(func() { // behind those of the clients
		if active := h.pool.Stats().Active; active != 0 {
			h.t.Errorf("%d connections are missing in the pool", active)
		}
		h.pool.Close()
	})
}

// accept is a goroutine. It ends with the listener.
func (h *host) accept(ln net.Listener, config *tls.Config) {
	for {
		raw, err := ln.Accept()
		if err != nil {
			return
		}
		c := tls.Server(&notedEnd{Conn: raw}, config)
		if err := c.Handshake(); err != nil {
			h.t.Errorf("handshake with the gateway: %v", err)
			continue
		}
		h.t.Cleanup(func() { raw.Close() })
		h.accepted <- &far{t: h.t, name: "API server", Conn: c, raw: raw}
	}
}

func (h *host) tell(r *audit.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done = append(h.done, told{id: string(r.ID), status: r.Status, up: r.BytesUp, down: r.BytesDown, blame: r.Blame, reason: r.Reason})
}

func (h *host) accepts() *far {
	h.t.Helper()
	select {
	case f := <-h.accepted:
		return f
	case <-time.After(patience):
		h.t.Fatal("the gateway opens no connection to the API server")
		return nil
	}
}

// wantDials wants the gateway to have opened so many connections so far.
func (h *host) wantDials(want int32) {
	h.t.Helper()
	if got := h.dials.Load(); got != want {
		h.t.Errorf("%d connections to the API server, want %d", got, want)
	}
}

// far is a peer over TLS.
type far struct {
	t    *testing.T
	name string
	*tls.Conn
	raw    net.Conn // below TLS
	conn   atomic.Pointer[Conn]
	end    *audit.ConnectionEnd // closed ended before
	ended  chan struct{}        // closed when Serve has returned
	cancel context.CancelCauseFunc
}

// connect starts to serve a client behind two layers of TLS.
func (h *host) connect() *far {
	h.t.Helper()
	theirs, ours := testnet.TCPPair(h.t)
	certs := &tls.Config{Certificates: []tls.Certificate{h.ca.Issue(h.t, "gateway.test")}}
	trust := &tls.Config{RootCAs: h.ca.Pool(), ServerName: "gateway.test"}
	ctx, cancel := context.WithCancelCause(context.Background())
	f := &far{t: h.t, name: "client", raw: theirs, ended: make(chan struct{}), cancel: cancel}
	lines, err := Impersonate("ann@example.com", []string{"dev", "on call"})
	if err != nil {
		h.t.Fatal(err)
	}
	go func() { // ends with the client connection
		defer close(f.ended)
		low := tlsio.NewBase(ours)
		high := tlsio.NewBase(tls.Server(low, certs))
		inner := tls.Server(high, certs)
		defer inner.Close()
		if err := inner.Handshake(); err != nil {
			h.t.Errorf("handshake with the client: %v", err)
			return
		}
		f.conn.Store(New(tlsio.New(inner, high, low), &Caller{Connection: &audit.Connection{ID: "c1"}, Lines: lines}, &h.config))
		f.end = f.conn.Load().Serve(ctx)
	}()
	f.Conn = tls.Client(&notedEnd{Conn: tls.Client(theirs, trust)}, trust)
	if err := f.Handshake(); err != nil {
		h.t.Fatalf("handshake with the gateway: %v", err)
	}
	h.t.Cleanup(func() {
		f.raw.Close()
		cancel(ErrShutdown)
		<-f.ended
	})
	return f
}

// notedEnd notes the end of what lies below a TLS connection, which crypto/tls
// passes off as its own.
type notedEnd struct {
	net.Conn
	ended bool
}

func (n *notedEnd) Read(p []byte) (int, error) {
	r, err := n.Conn.Read(p)
	n.ended = n.ended || err != nil
	return r, err
}

func (f *far) says(parts ...string) {
	f.t.Helper()
	for _, part := range parts {
		if _, err := f.Write([]byte(part)); err != nil {
			f.t.Fatalf("the %s can't say %.100q: %v", f.name, part, err)
		}
	}
}

func (f *far) hears(want ...string) {
	f.t.Helper()
	all := strings.Join(want, "")
	f.SetReadDeadline(time.Now().Add(patience))
	got := make([]byte, len(all))
	n, err := io.ReadFull(f, got)
	if string(got[:n]) != all {
		f.t.Fatalf("the %s hears (%v)\n%s\nwant\n%s", f.name, err, shown(string(got[:n])), shown(all))
	}
}

// hearsEnd wants the end: announced, or cut off.
func (f *far) hearsEnd(announced bool) {
	f.t.Helper()
	f.SetReadDeadline(time.Now().Add(patience))
	n, err := f.Read(make([]byte, 1))
	if n != 0 || errors.Is(err, context.DeadlineExceeded) {
		f.t.Fatalf("the %s hears %d octets, %v; want the end", f.name, n, err)
	}
	if cut := err != io.EOF || f.NetConn().(*notedEnd).ended; cut == announced {
		f.t.Errorf("the %s hears the end (%v), cut off: %v; want it announced: %v", f.name, err, cut, announced)
	}
}

func versions(t *testing.T, test func(t *testing.T, version uint16)) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) { test(t, version) })
	}
}

// One connection does for all, whatever TLS has to say in between: the tickets of
// TLS 1.3 come with the first response.
func TestTLSConnectionIsReused(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		h := newHost(t, version)
		c := h.connect()
		c.says(request("GET /x"))
		up := h.accepts()
		for n := 1; n <= 5; n++ {
			if n > 1 {
				c.says(request("GET /x"))
			}
			up.hears(forwarded(n, "GET /x"))
			up.says(response("200 OK", strings.Repeat("x", 20000)))
			c.hears(response("200 OK", strings.Repeat("x", 20000)))
		}
		h.wantDials(1)
	})
}

// A deadline that has passed while a connection was idle does not make it look
// closed, nor hurt the next request on it.
func TestTLSConnectionIsReusedBehindDeadlines(t *testing.T) {
	const short = 50 * time.Millisecond
	h := newHost(t, 0)
	h.config.Timeouts = Timeouts{ResponseHead: short, BodyIdle: short}
	c := h.connect()
	var up *far
	for n := 1; n <= 3; n++ {
		c.says(request("POST /x"))
		if n == 1 {
			up = h.accepts()
		}
		up.hears(forwarded(n, "POST /x"))
		up.says(noContent)
		c.hears(noContent)
		h.waitIdle(1)
		time.Sleep(2 * short)
	}
	h.wantDials(1)
}

// POST is never repeated, so these fail unless the pool looks before it gives.
func TestTLSIdleConnectionIsLookedAt(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		deeds := []struct {
			name string
			do   func(up *far)
		}{
			{"closed", func(up *far) { up.Close() }},
			{"half-closed", func(up *far) { up.CloseWrite() }},
			{"cut", func(up *far) { up.raw.Close() }},
			{"reset", func(up *far) { up.raw.(*net.TCPConn).SetLinger(0); up.raw.Close() }},
			{"unsolicited", func(up *far) { up.says(response("408 Request Timeout", "")) }},
		}
		for _, deed := range deeds {
			t.Run(deed.name, func(t *testing.T) {
				h := newHost(t, version)
				c := h.connect()
				c.says(request("GET /x"))
				up := h.accepts()
				up.hears(forwarded(1, "GET /x"))
				up.says(noContent)
				c.hears(noContent)
				h.waitIdle(1)
				deed.do(up)
				h.waitNotSilent()
				c.says(request("POST /x", "Content-Length: 0"))
				up = h.accepts()
				up.hears(forwarded(2, "POST /x", "Content-Length: 0"))
				up.says(noContent)
				c.hears(noContent)
				h.wantDials(2)
			})
		}
	})
}

// waitIdle waits until the pool holds n connections: the client has its response
// before that.
func (h *host) waitIdle(n int) {
	h.t.Helper()
	h.waitFor(fmt.Sprintf("%d idle connections", n), func() bool { return h.pool.Stats() == PoolStats{Idle: n} })
}

// waitNotSilent waits until the kernel has what the API server did.
func (h *host) waitNotSilent() {
	h.t.Helper()
	h.waitFor("a sign of the API server", func() bool {
		h.pool.mu.Lock()
		defer h.pool.mu.Unlock()
		return !h.pool.idle[0].alive()
	})
}

func (h *host) waitFor(what string, is func() bool) {
	h.t.Helper()
	for start := time.Now(); !is(); time.Sleep(time.Millisecond) {
		if time.Since(start) > patience {
			h.t.Fatalf("there is no %s", what)
		}
	}
}

// Octets behind a response are in the same record, or in one that has arrived
// with it.
func TestTLSSurplusOctets(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		for _, records := range []int{1, 2} {
			h := newHost(t, version)
			c := h.connect()
			c.says(request("GET /x"))
			up := h.accepts()
			up.hears(forwarded(1, "GET /x"))
			if records == 1 {
				up.says(noContent + response("200 OK", "evil"))
			} else {
				up.together(noContent, response("200 OK", "evil"))
			}
			c.hears(noContent)
			h.waitIdle(0)
			c.says(request("GET /y"))
			up = h.accepts()
			up.hears(forwarded(2, "GET /y"))
			up.says(noContent)
			c.hears(noContent)
		}
	})
}

// The beginning of a record behind a response lies between TLS and the reader, where
// neither who looks at the octets of the response nor who looks at the socket sees it.
func TestTLSSurplusPartOfRecord(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		h := newHost(t, version)
		c := h.connect()
		c.says(request("GET /x"))
		up := h.accepts()
		up.hears(forwarded(1, "GET /x"))
		up.corked(func() {
			up.says(noContent)
			if _, err := up.raw.Write([]byte{23, 3, 3}); err != nil {
				t.Error(err)
			}
		})
		c.hears(noContent)
		h.waitIdle(0)
		c.says(request("GET /y"))
		h.accepts().says(noContent)
		c.hears(noContent)
	})
}

// together says two records in one segment.
func (f *far) together(parts ...string) {
	f.t.Helper()
	f.corked(func() { f.says(parts...) })
}

// corked has the kernel keep what do writes until it is over.
func (f *far) corked(do func()) {
	f.t.Helper()
	raw, err := f.raw.(*net.TCPConn).SyscallConn()
	if err != nil {
		f.t.Fatal(err)
	}
	cork(f.t, raw, true)
	do()
	cork(f.t, raw, false)
}

// A body that ends with the connection is complete only if its end is announced.
func TestTLSUntilClose(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\n\r\n"
	for _, announced := range []bool{true, false} {
		h := newHost(t, 0)
		c := h.connect()
		c.says(request("GET /x"))
		up := h.accepts()
		up.hears(forwarded(1, "GET /x"))
		up.says(head, "some")
		c.hears("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsome")
		if announced {
			up.Close()
		} else {
			up.raw.Close()
		}
		c.hearsEnd(announced)
		<-c.ended
		if want := map[bool]string{true: "closed", false: "upstream-closed"}[announced]; c.end.Reason != want {
			t.Errorf("the connection ended with %q, want %q", c.end.Reason, want)
		}
	}
}

func TestTLSCutShort(t *testing.T) {
	for _, head := range []string{"Content-Length: 100", "Transfer-Encoding: chunked"} {
		h := newHost(t, 0)
		c := h.connect()
		c.says(request("GET /x"))
		up := h.accepts()
		up.says("HTTP/1.1 200 OK\r\n" + head + "\r\n\r\n5\r\nhello\r\n")
		c.hears("HTTP/1.1 200 OK\r\n" + head + "\r\n\r\n5\r\nhello\r\n")
		up.Close()
		c.hearsEnd(false)
	}
}

func TestTLSExpiry(t *testing.T) {
	t.Run("in-response", func(t *testing.T) {
		h := newHost(t, 0)
		c := h.connect()
		c.says(request("GET /x"))
		up := h.accepts()
		up.says("HTTP/1.1 200 OK\r\n\r\nsome")
		c.hears("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nsome")
		c.cancel(ErrTokenExpired)
		c.hearsEnd(false)
		up.hears(forwarded(1, "GET /x"))
		up.hearsEnd(false)
	})
	t.Run("idle", func(t *testing.T) {
		h := newHost(t, 0)
		c := h.connect()
		c.says(request("GET /x"))
		h.accepts().says(noContent)
		c.hears(noContent)
		h.waitIdle(1)
		h.waitFor("wait for a request", c.isIdle)
		c.cancel(ErrTokenExpired)
		c.hearsEnd(true)
	})
}

// isIdle tells whether the gateway waits for a request of the client.
func (f *far) isIdle() bool {
	c := f.conn.Load()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.idle
}

// A client that goes away during a silent watch is noticed within a second,
// whether it says so or not.
func TestTLSClientVanishes(t *testing.T) {
	for _, polite := range []bool{true, false} {
		h := newHost(t, 0)
		c := h.connect()
		c.says(request("GET /api/v1/pods?watch=1"))
		up := h.accepts()
		up.hears(forwarded(1, "GET /api/v1/pods?watch=1"))
		up.says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		c.hears("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		start := time.Now()
		if polite {
			c.Close()
		} else {
			c.raw.Close()
		}
		up.hearsEnd(false)
		if took := time.Since(start); took > time.Second {
			t.Errorf("it took %v until the API server was told", took)
		}
		<-c.ended
		if c.end.Reason != "client-closed" || c.end.Blame != audit.BlameClient {
			t.Errorf("the connection ended with %q, blame %q, want client-closed of the client", c.end.Reason, c.end.Blame)
		}
	}
}

func TestTLSStreamHalfClose(t *testing.T) {
	for _, first := range []string{"client", "API server"} {
		h := newHost(t, 0)
		c := h.connect()
		c.says(spdyRequest + "early")
		up := h.accepts()
		up.hears(spdyForwarded(1))
		up.says(spdyAgreed + "bird")
		c.hears(spdySwitched, "bird")
		up.hears("early")
		a, b := c, up
		if first != "client" {
			a, b = up, c
		}
		if err := a.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		b.hearsEnd(true)
		b.says("and on")
		a.hears("and on")
		if err := b.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		a.hearsEnd(true)
		<-c.ended
		if c.end.Reason != "closed" || c.end.Blame != "" {
			t.Errorf("the connection ended with %+v, want an end in order", c.end)
		}
	}
}

// An API server of net/http and a client of net/http agree on what they said,
// however the gateway cut it.
func TestTLSEndToEnd(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789abcdef"), 100<<10)
	h := &host{t: t, ca: testnet.NewCA(t)}
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Values("Impersonate-User"); len(got) != 1 || got[0] != "ann@example.com" {
			t.Errorf("the API server sees the users %q", got)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("reading the request: %v", err)
		}
		w.Write(body)
	})
	mux.HandleFunc("/length", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(large)))
		w.Write(large)
	})
	mux.HandleFunc("/refuse", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: mux, TLSConfig: &tls.Config{Certificates: []tls.Certificate{h.ca.Issue(t, "127.0.0.1")}}}
	served := make(chan error)
	go func() { served <- server.ServeTLS(ln, "", "") }()
	t.Cleanup(func() { server.Close(); <-served })
	h.use(ln.Addr().String(), 0)

	transport := &http.Transport{DisableCompression: true}
	transport.DialTLSContext = func(context.Context, string, string) (net.Conn, error) { return h.connect(), nil }
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport, Timeout: 6 * patience} // megabytes, several at once
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for range 5 {
				fetch(t, client, "GET", "/length", nil, 200, large)
				fetch(t, client, "PUT", "/echo", bytes.NewReader(large[worker:]), 200, large[worker:])
				fetch(t, client, "POST", "/echo", io.MultiReader(bytes.NewReader(large[:99])), 200, large[:99]) // chunked
				fetch(t, client, "HEAD", "/length", nil, 200, nil)
				fetch(t, client, "DELETE", "/echo", strings.NewReader("{}"), 200, []byte("{}"))
			}
		})
	}
	wg.Wait()
	fetch(t, client, "POST", "/refuse", bytes.NewReader(large), 413, []byte("too large\n"))
}

func fetch(t *testing.T, client *http.Client, method, path string, body io.Reader, status int, want []byte) {
	r, err := http.NewRequest(method, "https://k8s.example"+path, body)
	if err != nil {
		t.Error(err)
		return
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Errorf("%s %s: %v", method, path, err)
		return
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status || !bytes.Equal(got, want) {
		t.Errorf("%s %s = %d with %d octets, %v; want %d with %d", method, path, resp.StatusCode, len(got), err, status, len(want))
	}
}
