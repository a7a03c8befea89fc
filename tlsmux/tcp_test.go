package tlsmux

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// listenTCP has the gateway serve a real listener as well.
func (g *gateway) listenTCP() string {
	g.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		g.t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- g.mux.Serve(context.Background(), ln) }()
	g.t.Cleanup(func() {
		ln.Close()
		<-served
	})
	return ln.Addr().String()
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second)) // so that a fault does not hang the run
	return conn
}

func TestTunnelOverTCP(t *testing.T) {
	g := newGateway(t, nil)
	addr := g.listenTCP()
	var wg sync.WaitGroup
	for range 8 {
		conn := dial(t, addr)
		wg.Go(func() {
			inner := g.tunnel(conn)
			want := strings.Repeat("0123456789abcdef", 64<<10)
			go func() {
				io.WriteString(inner, want)
				inner.CloseWrite()
			}()
			if got, err := io.ReadAll(inner); string(got) != want || err != nil {
				t.Errorf("echo of %d octets = %d octets, %v", len(want), len(got), err)
			}
			inner.Close()
		})
	}
	wg.Wait()
}

// TestRefusalSurvivesEarlyData: the client sends a lot behind its CONNECT
// before it reads. Were the connection closed with that unread, the reset
// would destroy the answer.
func TestRefusalSurvivesEarlyData(t *testing.T) {
	g := newGateway(t, nil)
	conn := dial(t, g.listenTCP())
	outer := g.outer(conn)
	io.WriteString(outer, strings.Replace(goodHead, "good", "bad", 1))
	if _, err := io.WriteString(outer, strings.Repeat("x", 512<<10)); err != nil {
		t.Errorf("sending early data: %v", err)
	}
	time.Sleep(100 * time.Millisecond) // for a reset, were there one, to arrive
	answer, err := io.ReadAll(outer)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 401 Unauthorized\r\n") {
		t.Errorf("answer = %q, %v, want 401 and a close_notify", answer, err)
	}
	wantFIN(t, conn)
}

// TestLastWordsSurviveUpload is the same for what a handler says at the end.
func TestLastWordsSurviveUpload(t *testing.T) {
	g := newGateway(t, func(cfg *Config) {
		cfg.Authenticate = func(context.Context, *Connect) (Handler, error) {
			return func(_ context.Context, t *Tunnel) {
				io.ReadFull(t.Conn, make([]byte, 1))
				io.WriteString(t.Conn, "the token has expired")
			}, nil
		}
	})
	conn := dial(t, g.listenTCP())
	inner := g.tunnel(conn)
	if _, err := io.WriteString(inner, strings.Repeat("x", 512<<10)); err != nil {
		t.Errorf("uploading: %v", err)
	}
	time.Sleep(100 * time.Millisecond)
	if got, err := io.ReadAll(inner); string(got) != "the token has expired" || err != nil {
		t.Errorf("last words = %q, %v, want all of them", got, err)
	}
	wantFIN(t, conn)
}

// TestAlertSurvivesEarlyData is the same for the alert of an inner handshake
// that fails.
func TestAlertSurvivesEarlyData(t *testing.T) {
	g := newGateway(t, nil)
	conn := dial(t, g.listenTCP())
	outer := g.outer(conn)
	io.WriteString(outer, goodHead)
	wantEstablished(t, outer)
	// What is no TLS record is refused at its fifth octet.
	if _, err := io.WriteString(outer, strings.Repeat("x", 512<<10)); err != nil {
		t.Errorf("sending early data: %v", err)
	}
	time.Sleep(100 * time.Millisecond)
	if _, err := io.ReadAll(outer); err != nil {
		t.Errorf("ReadAll = %v, want a close_notify", err)
	}
	wantFIN(t, conn)
}

// wantFIN reads the end of a TCP connection, which is not to be a reset: the
// kernel of this test would deliver what came before it, others do not.
func wantFIN(t *testing.T, conn net.Conn) {
	t.Helper()
	if rest, err := io.ReadAll(conn); len(rest) > 0 || err != nil {
		t.Errorf("end of the TCP connection = %q, %v, want EOF", rest, err)
	}
}

// TestAbruptClientsOverTCP leave at every stage; the leak check of TestMain
// and Shutdown tell whether all goroutines have noticed.
func TestAbruptClientsOverTCP(t *testing.T) {
	g := newGateway(t, nil)
	addr := g.listenTCP()
	for _, leave := range []func(conn net.Conn){
		func(net.Conn) {},
		func(conn net.Conn) { io.WriteString(conn, "GET / HTTP/1.1\r\n\r\n") },
		func(conn net.Conn) { g.outer(conn) },
		func(conn net.Conn) { io.WriteString(g.outer(conn), goodHead[:50]) },
		func(conn net.Conn) { io.WriteString(g.outer(conn), goodHead) },
		func(conn net.Conn) { g.tunnel(conn) },
	} {
		for _, linger := range []int{-1, 0} { // FIN and RST
			conn := dial(t, addr)
			leave(conn)
			conn.(*net.TCPConn).SetLinger(linger)
			conn.Close()
		}
	}
	deadline := time.Now().Add(5 * time.Second)
	for g.mux.Connections() > 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are left", g.mux.Connections())
		}
		time.Sleep(10 * time.Millisecond)
	}
}
