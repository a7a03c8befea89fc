package tlsmux

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
	"weak"

	"github.com/spliceway/spliceway/httpparse"
	"github.com/spliceway/spliceway/internal/testnet"
)

func TestTunnelConversation(t *testing.T) {
	bubble(t, nil, func(t *testing.T, g *gateway) {
		conn := g.ln.Dial()
		inner := g.tunnel(conn)
		wantEcho(t, inner)
		if n := g.mux.Connections(); n != 1 {
			t.Errorf("Connections() = %d, want 1", n)
		}
		// Nothing that was a deadline of the opening is left.
		time.Sleep(24 * time.Hour)
		wantEcho(t, inner)
		inner.CloseWrite()
		if rest, err := io.ReadAll(inner); len(rest) > 0 || err != nil {
			t.Errorf("end of the tunnel = %q, %v, want EOF", rest, err)
		}
		inner.Close()
		synctest.Wait()
		g.wantOutcomes("outer_tls ok", "connect ok", "authn ok", "inner_tls ok", "tunnel ok")
		if n := g.mux.Connections(); n != 0 {
			t.Errorf("Connections() = %d, want 0", n)
		}
	})
}

func TestTunnelIsDescribed(t *testing.T) {
	var connect Connect
	var tunnel Tunnel
	edit := func(cfg *Config) {
		cfg.Authenticate = func(_ context.Context, c *Connect) (Handler, error) {
			connect = *c
			ekm, err := c.ExportKeyingMaterial("EXPERIMENTAL_test", nil, 32)
			if err != nil {
				t.Errorf("ExportKeyingMaterial = %v", err)
			}
			return func(_ context.Context, t *Tunnel) {
				tunnel = *t
				t.Conn.Write(ekm)
			}, nil
		}
	}
	bubble(t, edit, func(t *testing.T, g *gateway) {
		outer := g.outer(g.ln.DialFrom("198.51.100.7:1234"))
		io.WriteString(outer, head("CONNECT Cluster-A.int:443 HTTP/1.1", "Host: x",
			"proxy-authorization: bEARER word", "x-token-signature: c2ln", "X-Connection-Id: agent 7"))
		wantEstablished(t, outer)
		inner := g.inner(outer)
		got, err := io.ReadAll(inner)
		state := outer.ConnectionState()
		want, _ := state.ExportKeyingMaterial("EXPERIMENTAL_test", nil, 32)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("keying material of the gateway = %x, %v, want that of the client %x", got, err, want)
		}
		inner.Close()

		if !regexp.MustCompile(`^[a-z2-7]{26}$`).MatchString(tunnel.ID) {
			t.Errorf("ID = %q, want 26 lower-case characters of base 32", tunnel.ID)
		}
		from := netip.MustParseAddrPort("198.51.100.7:1234")
		wantAttempt := Attempt{
			ID: tunnel.ID, Started: tunnel.Started, Peer: from, RemoteAddr: from,
			OuterServerName: "gateway.test", ClientID: "agent 7", Target: "Cluster-A.int:443",
		}
		if *tunnel.Attempt != wantAttempt {
			t.Errorf("Attempt = %+v, want %+v", *tunnel.Attempt, wantAttempt)
		}
		if connect.Token != "word" || connect.Signature != "c2ln" {
			t.Errorf("Token, Signature = %q, %q, want word, c2ln", connect.Token, connect.Signature)
		}
		if tunnel.ServerName != "cluster-a.int" {
			t.Errorf("ServerName = %q, want cluster-a.int", tunnel.ServerName)
		}
	})
}

func TestIDsDiffer(t *testing.T) {
	if a, b := newID(), newID(); a == b {
		t.Errorf("newID() = %q twice", a)
	}
}

// innerHello returns the first flight of an inner handshake, which is all
// that an eager client can send ahead.
func innerHello(t *testing.T, g *gateway) (hello []byte, finish func(outer net.Conn) *tls.Conn) {
	t.Helper()
	client, server := testnet.Pipe()
	// The connection below is changed when the gateway has answered.
	below := &swappedConn{Conn: client}
	inner := tls.Client(below, &tls.Config{RootCAs: g.ca.Pool(), ServerName: "cluster-a.int"})
	done := make(chan error, 1)
	go func() { done <- inner.Handshake() }()
	hello = make([]byte, 16<<10)
	n, err := server.Read(hello)
	if err != nil {
		t.Fatal(err)
	}
	return hello[:n], func(outer net.Conn) *tls.Conn {
		below.next = outer
		server.Close() // the read that waits goes on with the next connection
		if err := <-done; err != nil {
			t.Fatalf("inner handshake: %v", err)
		}
		client.Close()
		return inner
	}
}

// A swappedConn goes on with next when Conn has ended.
type swappedConn struct {
	net.Conn
	next net.Conn // set before Conn ends
}

func (c *swappedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == io.EOF && c.next != nil {
		c.Conn = c.next
		return c.Conn.Read(p)
	}
	return n, err
}

func TestTunnelOfEagerClient(t *testing.T) {
	tests := []struct {
		name  string
		write func(t *testing.T, outer *tls.Conn, head, hello []byte)
	}{
		{"one-record", func(t *testing.T, outer *tls.Conn, head, hello []byte) {
			testnet.Segments(t, outer, append(head, hello...))
		}},
		{"two-records", func(t *testing.T, outer *tls.Conn, head, hello []byte) {
			testnet.Segments(t, outer, head, hello)
		}},
		{"first-octet-with-head", func(t *testing.T, outer *tls.Conn, head, hello []byte) {
			testnet.Segments(t, outer, append(head, hello[0]), hello[1:])
		}},
		{"cut-in-head", func(t *testing.T, outer *tls.Conn, head, hello []byte) {
			testnet.Segments(t, outer, head[:20], append(head[20:], hello...))
		}},
		{"octet-by-octet", func(t *testing.T, outer *tls.Conn, head, hello []byte) {
			testnet.Segments(t, outer, testnet.Cut(append(head, hello...), 1)...)
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, g *gateway) {
				hello, finish := innerHello(t, g)
				outer := g.outer(g.ln.Dial())
				go func() { // Segments pauses and the gateway may answer meanwhile
					test.write(t, outer, []byte(goodHead), hello)
				}()
				wantEstablished(t, outer)
				inner := finish(outer)
				wantEcho(t, inner)
				inner.Close()
				outer.Close()
			})
		})
	}
}

// TestTunnelOctetByOctet sends every octet of the conversation alone, at the
// lowest layer.
func TestTunnelOctetByOctet(t *testing.T) {
	bubble(t, nil, func(t *testing.T, g *gateway) {
		inner := g.tunnel(singleOctets{g.ln.Dial()})
		wantEcho(t, inner)
		inner.Close()
	})
}

type singleOctets struct{ *testnet.PipeConn }

func (c singleOctets) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := c.PipeConn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

func TestInnerProtocols(t *testing.T) {
	tests := []struct {
		name    string
		cfg     *tls.Config
		proto   string
		outcome string
	}{
		{"kubectl-offers-both", &tls.Config{NextProtos: []string{"h2", "http/1.1"}}, "http/1.1", "inner_tls ok"},
		{"http1", &tls.Config{NextProtos: []string{"http/1.1"}}, "http/1.1", "inner_tls ok"},
		{"none-offered", &tls.Config{}, "", "inner_tls ok"},
		{"tls12", &tls.Config{MaxVersion: tls.VersionTLS12}, "", "inner_tls ok"},
		{"only-h2", &tls.Config{NextProtos: []string{"h2"}}, "", "inner_tls failed"},
		{"tls11", &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "", "inner_tls failed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, g *gateway) {
				outer := g.outer(g.ln.Dial())
				io.WriteString(outer, goodHead)
				wantEstablished(t, outer)
				cfg := test.cfg.Clone()
				cfg.RootCAs, cfg.ServerName = g.ca.Pool(), "cluster-a.int"
				inner := tls.Client(outer, cfg)
				err := inner.Handshake()
				want := []string{"outer_tls ok", "connect ok", "authn ok", test.outcome}
				if failed := test.outcome != "inner_tls ok"; failed {
					if err == nil || !strings.Contains(err.Error(), "remote error: tls:") {
						t.Errorf("Handshake = %v, want an alert", err)
					}
				} else {
					if proto := inner.ConnectionState().NegotiatedProtocol; err != nil || proto != test.proto {
						t.Errorf("Handshake = %v with protocol %q, want %q", err, proto, test.proto)
					}
					want = append(want, "tunnel ok")
				}
				inner.Close()
				outer.Close()
				synctest.Wait()
				g.wantOutcomes(want...)
			})
		})
	}
}

func TestOuterTLSIsVersion13WithoutProtocols(t *testing.T) {
	bubble(t, nil, func(t *testing.T, g *gateway) {
		conn := g.ln.Dial()
		old := tls.Client(conn, &tls.Config{RootCAs: g.ca.Pool(), ServerName: "gateway.test", MaxVersion: tls.VersionTLS12})
		if err := old.Handshake(); err == nil || !strings.Contains(err.Error(), "protocol version") {
			t.Errorf("Handshake with TLS 1.2 = %v, want the alert protocol version", err)
		}
		old.Close()
		synctest.Wait()

		outer := tls.Client(g.ln.Dial(), &tls.Config{
			RootCAs: g.ca.Pool(), ServerName: "gateway.test", NextProtos: []string{"h2", "http/1.1"},
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				t.Error("a client certificate is asked for")
				return new(tls.Certificate), nil
			},
		})
		if err := outer.Handshake(); err != nil {
			t.Fatalf("Handshake = %v", err)
		}
		if state := outer.ConnectionState(); state.Version != tls.VersionTLS13 || state.NegotiatedProtocol != "" {
			t.Errorf("version, protocol = %x, %q, want 1.3 and none", state.Version, state.NegotiatedProtocol)
		}
		outer.Close()
		synctest.Wait()
		g.wantOutcomes("outer_tls failed", "outer_tls ok", "connect closed")
	})
}

// TestInnerCertificateByConnectHost: a server that is dialled by its address
// gets no server name, so the CONNECT has to say who it is.
func TestInnerCertificateByConnectHost(t *testing.T) {
	tests := []struct{ name, target, serverName, want string }{
		{"address", "10.0.0.1:6443", "10.0.0.1", "10.0.0.1"},
		{"ipv6-address", "[2001:db8::1]:6443", "", "2001:db8::1"},
		{"name-without-sni", "Cluster-A.int:443", "", "cluster-a.int"},
		{"sni-wins", "10.0.0.1:6443", "cluster-a.int", "cluster-a.int"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var asked []string
			var tunnelName string
			edit := func(cfg *Config) {
				certificates := cfg.Certificates
				cfg.Certificates = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
					asked = append(asked, hello.ServerName)
					return certificates(hello)
				}
				cfg.Authenticate = func(context.Context, *Connect) (Handler, error) {
					return func(_ context.Context, t *Tunnel) { tunnelName = t.ServerName }, nil
				}
			}
			bubble(t, edit, func(t *testing.T, g *gateway) {
				outer := g.outer(g.ln.Dial())
				io.WriteString(outer, strings.ReplaceAll(goodHead, target, test.target))
				wantEstablished(t, outer)
				inner := tls.Client(outer, &tls.Config{
					RootCAs: g.ca.Pool(), ServerName: test.serverName, InsecureSkipVerify: test.serverName == "",
				})
				if _, err := io.ReadAll(inner); err != nil {
					t.Fatalf("reading the tunnel's end: %v", err)
				}
				inner.Close()
				if len(asked) != 2 || asked[0] != "gateway.test" || asked[1] != test.want {
					t.Errorf("certificates were asked for %q, want gateway.test and %q", asked, test.want)
				}
				if tunnelName != test.want {
					t.Errorf("ServerName = %q, want %q", tunnelName, test.want)
				}
			})
		})
	}
}

// TestResumedSessionHasKeyingMaterialOfItsOwn: the proof is made over it.
func TestResumedSessionHasKeyingMaterialOfItsOwn(t *testing.T) {
	edit := func(cfg *Config) {
		cfg.Authenticate = func(_ context.Context, c *Connect) (Handler, error) {
			ekm, err := c.ExportKeyingMaterial("EXPERIMENTAL_test", nil, 32)
			return func(_ context.Context, t *Tunnel) { t.Conn.Write(ekm) }, err
		}
	}
	bubble(t, edit, func(t *testing.T, g *gateway) {
		outerCfg := &tls.Config{RootCAs: g.ca.Pool(), ServerName: "gateway.test", ClientSessionCache: tls.NewLRUClientSessionCache(0)}
		innerCfg := &tls.Config{RootCAs: g.ca.Pool(), ServerName: "cluster-a.int", ClientSessionCache: tls.NewLRUClientSessionCache(0)}
		var seen [][]byte
		for _, resumed := range []bool{false, true, true} {
			outer := tls.Client(g.ln.Dial(), outerCfg)
			io.WriteString(outer, goodHead)
			wantEstablished(t, outer)
			inner := tls.Client(outer, innerCfg)
			got, err := io.ReadAll(inner)
			inner.Close()
			outerState, innerState := outer.ConnectionState(), inner.ConnectionState()
			if outerState.DidResume != resumed || innerState.DidResume != resumed {
				t.Errorf("resumed = %v, %v, want %v for both layers", outerState.DidResume, innerState.DidResume, resumed)
			}
			want, _ := outerState.ExportKeyingMaterial("EXPERIMENTAL_test", nil, 32)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("keying material of the gateway = %x, %v, want %x", got, err, want)
			}
			for _, before := range seen {
				if bytes.Equal(before, got) {
					t.Errorf("keying material %x of an earlier connection again", got)
				}
			}
			seen = append(seen, got)
		}
	})
}

// TestSessionsStayInTheirLayer: a ticket of the outer layer means nothing to
// the inner one.
func TestSessionsStayInTheirLayer(t *testing.T) {
	bubble(t, nil, func(t *testing.T, g *gateway) {
		cfg := &tls.Config{RootCAs: g.ca.Pool(), ServerName: "gateway.test", ClientSessionCache: tls.NewLRUClientSessionCache(0)}
		outer := tls.Client(g.ln.Dial(), cfg)
		io.WriteString(outer, goodHead)
		wantEstablished(t, outer) // the ticket has come before it
		inner := tls.Client(outer, cfg)
		wantEcho(t, inner)
		if inner.ConnectionState().DidResume {
			t.Error("the inner handshake has resumed a session of the outer layer")
		}
		inner.Close()
	})
}

func TestTunnelEndsFromInsideOut(t *testing.T) {
	edit := func(cfg *Config) {
		cfg.Authenticate = func(context.Context, *Connect) (Handler, error) {
			return func(_ context.Context, t *Tunnel) { io.WriteString(t.Conn, "bye") }, nil
		}
	}
	bubble(t, edit, func(t *testing.T, g *gateway) {
		conn := g.ln.Dial()
		raw := &heardConn{Conn: conn}
		outer := g.outer(raw)
		io.WriteString(outer, goodHead)
		wantEstablished(t, outer)
		layer := &heardConn{Conn: outer}
		inner := g.inner(layer)
		if got, err := io.ReadAll(inner); string(got) != "bye" || err != nil {
			t.Errorf("ReadAll = %q, %v, want bye", got, err)
		}
		for _, c := range []net.Conn{outer, conn} {
			if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
				t.Errorf("Read from a %T = %d, %v, want EOF", c, n, err)
			}
		}
		layer.wantGoodbye(t, "inner")
		raw.wantGoodbye(t, "outer")
		inner.Close()
	})
}

// heardConn keeps what was read from a connection.
type heardConn struct {
	net.Conn
	heard []byte
}

func (c *heardConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.heard = append(c.heard, p[:n]...)
	return n, err
}

// wantGoodbye wants the last record of a layer of TLS 1.3 to be of the length of an
// alert: 2 octets, one for the type and 16 for the tag. To crypto/tls any end
// between two records is as good.
func (c *heardConn) wantGoodbye(t *testing.T, layer string) {
	t.Helper()
	header := []byte{23, 3, 3, 0, 2 + 1 + 16}
	if n := len(c.heard) - len(header) - 19; n < 0 || !bytes.HasPrefix(c.heard[n:], header) {
		t.Errorf("the %s layer ends without a close_notify", layer)
	}
}

// TestEndIsBounded: a client that does not read does not keep the end of a
// handler.
func TestEndIsBounded(t *testing.T) {
	edit := func(cfg *Config) {
		cfg.Authenticate = func(context.Context, *Connect) (Handler, error) {
			return func(_ context.Context, t *Tunnel) {
				t.Conn.SetWriteDeadline(time.Now().Add(time.Second))
				t.Conn.Write(make([]byte, 1<<20))
			}, nil
		}
	}
	bubble(t, edit, func(t *testing.T, g *gateway) {
		conn := g.ln.Dial()
		g.tunnel(conn)
		start := time.Now()
		for g.mux.Connections() > 0 {
			time.Sleep(time.Second)
			if time.Since(start) > time.Minute {
				t.Fatal("the connection is still there after a minute")
			}
		}
		if took := time.Since(start); took > 8*time.Second {
			t.Errorf("the connection took %v to end, want 1s of writing and 6s at most", took)
		}
		conn.Close()
	})
}

// TestEndedConnectionIsReleased: nothing that lives as long as the Mux keeps
// a connection that has ended, however it has.
func TestEndedConnectionIsReleased(t *testing.T) {
	for _, test := range []struct {
		name string
		head string
	}{
		{"tunnel", goodHead},
		{"refused", strings.Replace(goodHead, "good", "bad", 1)},
	} {
		t.Run(test.name, func(t *testing.T) {
			var attempt weak.Pointer[Attempt]
			edit := func(cfg *Config) {
				cfg.Observe = func(a *Attempt, _ Outcome) { attempt = weak.Make(a) }
			}
			bubble(t, edit, func(t *testing.T, g *gateway) {
				outer := g.outer(g.ln.Dial())
				io.WriteString(outer, test.head)
				if test.head == goodHead {
					wantEstablished(t, outer)
					g.inner(outer)
				}
				synctest.Wait()
				outer.Close()
				time.Sleep(time.Minute)
				synctest.Wait()
				for range 10 {
					runtime.GC()
				}
				if a := attempt.Value(); a != nil {
					t.Errorf("attempt %s is still referred to", a.ID)
				}
			})
		})
	}
}

// TestReadHeadKeepsNothing: the buffer of a head is not kept alive by an empty
// slice of it, and what came behind is a copy of its own size.
func TestReadHeadKeepsNothing(t *testing.T) {
	for _, behind := range []string{"", "hello"} {
		var req httpparse.Request
		ahead, err := readHead(strings.NewReader(goodHead+behind), &httpparse.Limits{}, &req)
		if err != nil || string(ahead) != behind || cap(ahead) > 8 || (behind == "") != (ahead == nil) {
			t.Errorf("readHead = %q of capacity %d, %v, want %q and no more", ahead, cap(ahead), err, behind)
		}
	}
}

func TestAheadConn(t *testing.T) {
	client, server := testnet.Pipe()
	defer server.Close()
	client.Write([]byte("world"))
	client.Close()
	conn := &aheadConn{Conn: server, ahead: []byte("hello, ")}
	if err := iotest.TestReader(conn, []byte("hello, world")); err != nil {
		t.Error(err)
	}
	if conn.ahead != nil {
		t.Errorf("ahead = %q after it was read, want nil", conn.ahead)
	}
}
