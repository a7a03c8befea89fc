package tlsmux

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spliceway/spliceway/internal/testnet"
)

// stages are the places where a client can stop. Each goes there and returns
// the layer on which the client would have to speak next.
var stages = []struct {
	name     string
	outcomes []string // before
	phase    string
	limit    time.Duration
	reach    func(t *testing.T, g *gateway, conn *testnet.PipeConn) net.Conn
}{
	{
		"outer-tls", nil, "outer_tls", defaultHandshakeTimeout,
		func(t *testing.T, g *gateway, conn *testnet.PipeConn) net.Conn { return conn },
	},
	{
		"connect", []string{"outer_tls ok"}, "connect", defaultHandshakeTimeout,
		func(t *testing.T, g *gateway, conn *testnet.PipeConn) net.Conn { return g.outer(conn) },
	},
	{
		"half-connect", []string{"outer_tls ok"}, "connect", defaultHandshakeTimeout,
		func(t *testing.T, g *gateway, conn *testnet.PipeConn) net.Conn {
			outer := g.outer(conn)
			io.WriteString(outer, goodHead[:len(goodHead)-2])
			return outer
		},
	},
	{
		"inner-tls", []string{"outer_tls ok", "connect ok", "authn ok"}, "inner_tls", defaultInnerTimeout,
		func(t *testing.T, g *gateway, conn *testnet.PipeConn) net.Conn {
			outer := g.outer(conn)
			io.WriteString(outer, goodHead)
			wantEstablished(t, outer)
			return outer
		},
	},
}

func TestSilentClient(t *testing.T) {
	for _, stage := range stages {
		t.Run(stage.name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, g *gateway) {
				start := time.Now()
				conn := g.ln.Dial()
				layer := stage.reach(t, g, conn)
				if rest, err := io.ReadAll(layer); len(rest) > 0 || err != nil {
					t.Errorf("the gateway says %q, %v, want EOF", rest, err)
				}
				if took := time.Since(start); took != stage.limit {
					t.Errorf("the connection was ended after %v, want %v", took, stage.limit)
				}
				layer.Close()
				synctest.Wait()
				g.wantOutcomes(append(stage.outcomes, stage.phase+" timeout")...)
				if _, last := g.last(); last.Took != stage.limit {
					t.Errorf("Took = %v, want %v", last.Took, stage.limit)
				}
			})
		})
	}
}

// TestSlowClientHasOneDeadline: octets that trickle in do not prolong the
// time for the outer handshake and the head together.
func TestSlowClientHasOneDeadline(t *testing.T) {
	bubble(t, nil, func(t *testing.T, g *gateway) {
		start := time.Now()
		conn := g.ln.Dial()
		time.Sleep(6 * time.Second)
		outer := g.outer(conn)
		go func() {
			for i := range len(goodHead) {
				if _, err := io.WriteString(outer, goodHead[i:i+1]); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		io.ReadAll(outer)
		if took := time.Since(start); took != defaultHandshakeTimeout {
			t.Errorf("the connection was ended after %v, want %v", took, defaultHandshakeTimeout)
		}
		outer.Close()
		time.Sleep(time.Minute)
		g.wantOutcomes("outer_tls ok", "connect timeout")
	})
}

func TestClientThatHangsUp(t *testing.T) {
	for _, stage := range stages {
		t.Run(stage.name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, g *gateway) {
				layer := stage.reach(t, g, g.ln.Dial())
				layer.Close()
				synctest.Wait()
				g.wantOutcomes(append(stage.outcomes, stage.phase+" closed")...)
			})
		})
		t.Run(stage.name+"-reset", func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, g *gateway) {
				conn := g.ln.Dial()
				stage.reach(t, g, conn)
				synctest.Wait() // a reset destroys what is in flight
				conn.Reset()
				synctest.Wait()
				g.wantOutcomes(append(stage.outcomes, stage.phase+" closed")...)
			})
		})
	}
}

func TestGarbage(t *testing.T) {
	for _, garbage := range []struct{ name, text string }{
		{"http", "GET / HTTP/1.0\r\nHost: x\r\n\r\n"},
		{"ssh", "SSH-2.0-OpenSSH_9.9\r\n"},
		{"zeros", strings.Repeat("\x00", 100)},
		{"ones", strings.Repeat("\xff", 100)},
		{"proxy-header", "PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n"},
	} {
		for _, stage := range stages {
			if stage.name == "half-connect" {
				continue // the garbage would become part of the head
			}
			t.Run(stage.name+"/"+garbage.name, func(t *testing.T) {
				bubble(t, nil, func(t *testing.T, g *gateway) {
					layer := stage.reach(t, g, g.ln.Dial())
					io.WriteString(layer, garbage.text)
					answer, _ := io.ReadAll(layer)
					layer.Close()
					synctest.Wait()
					outcome := stage.phase + " malformed"
					if stage.phase == "connect" {
						outcome += " 400"
					}
					g.wantOutcomes(append(stage.outcomes, outcome)...)
					if answered := strings.HasPrefix(string(answer), "HTTP/1.1 4"); answered != (stage.phase == "connect") {
						t.Errorf("answer = %q", answer)
					}
				})
			})
		}
	}
}

// TestRejectedCertificate: that clients do not trust the certificate is what
// an operator has to see, so it has a word of its own.
func TestRejectedCertificate(t *testing.T) {
	stranger := testnet.NewCA(t)
	bubble(t, nil, func(t *testing.T, g *gateway) {
		bad := tls.Client(g.ln.Dial(), &tls.Config{RootCAs: stranger.Pool(), ServerName: "gateway.test"})
		if err := bad.Handshake(); err == nil {
			t.Error("the handshake succeeds with a stranger's certificate")
		}
		bad.Close()
		synctest.Wait()
		outer := g.outer(g.ln.Dial())
		io.WriteString(outer, goodHead)
		wantEstablished(t, outer)
		bad = tls.Client(outer, &tls.Config{RootCAs: stranger.Pool(), ServerName: "cluster-a.int"})
		if err := bad.Handshake(); err == nil {
			t.Error("the handshake succeeds with a stranger's certificate")
		}
		bad.Close()
		synctest.Wait()
		g.wantOutcomes("outer_tls rejected", "outer_tls ok", "connect ok", "authn ok", "inner_tls rejected")
	})
}

func TestSlowAuthenticate(t *testing.T) {
	edit := func(cfg *Config) {
		cfg.Authenticate = func(ctx context.Context, _ *Connect) (Handler, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
	}
	bubble(t, edit, func(t *testing.T, g *gateway) {
		start := time.Now()
		outer := g.outer(g.ln.Dial())
		io.WriteString(outer, goodHead)
		if answer, err := io.ReadAll(outer); !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") || err != nil {
			t.Errorf("answer = %q, %v, want 400", answer, err)
		}
		if took := time.Since(start); took != defaultAuthenticateTimeout {
			t.Errorf("answered after %v, want %v", took, defaultAuthenticateTimeout)
		}
		outer.Close()
		synctest.Wait()
		g.wantOutcomes("outer_tls ok", "connect ok", "authn timeout 400")
	})
}

// TestInnerTimeoutBeginsAnew: what authentication took is not missing from
// the time of the inner handshake.
func TestInnerTimeoutBeginsAnew(t *testing.T) {
	edit := func(cfg *Config) {
		cfg.AuthenticateTimeout = time.Minute
		cfg.Authenticate = func(context.Context, *Connect) (Handler, error) {
			time.Sleep(50 * time.Second)
			return echo, nil
		}
	}
	bubble(t, edit, func(t *testing.T, g *gateway) {
		inner := g.tunnel(g.ln.Dial())
		wantEcho(t, inner)
		inner.Close()
	})
}

func TestProxyHeader(t *testing.T) {
	const (
		balancer = "10.1.2.3:1234"
		v1       = "PROXY TCP4 198.51.100.7 192.0.2.2 4711 443\r\n"
		v1six    = "PROXY TCP6 2001:db8::7 2001:db8::2 4711 443\r\n"
		unknown  = "PROXY UNKNOWN\r\n"
		sign     = "\r\n\r\n\x00\r\nQUIT\n"
		v2       = sign + "\x21\x11\x00\x0c\xc6\x33\x64\x07\xc0\x00\x02\x02\x12\x67\x01\xbb"
		v2mapped = sign + "\x21\x21\x00\x24" +
			"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc6\x33\x64\x07" +
			"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x02\x12\x67\x01\xbb"
		v2tlv     = sign + "\x21\x11\x00\x12\xc6\x33\x64\x07\xc0\x00\x02\x02\x12\x67\x01\xbb" + "\x04\x00\x03abc"
		v2local   = sign + "\x20\x00\x00\x00"
		v2local4  = sign + "\x20\x11\x00\x0c\xc6\x33\x64\x07\xc0\x00\x02\x02\x12\x67\x01\xbb"
		v2udp     = sign + "\x21\x12\x00\x0c\xc6\x33\x64\x07\xc0\x00\x02\x02\x12\x67\x01\xbb"
		v2version = sign + "\x31\x11\x00\x0c\xc6\x33\x64\x07\xc0\x00\x02\x02\x12\x67\x01\xbb"
		v2short   = sign + "\x21\x11\x00\x04\xc6\x33\x64\x07"
		v2huge    = sign + "\x21\x11\xff\xff"
	)
	tests := []struct {
		name   string
		from   string
		header string
		client string // as the gateway sees it; empty: the connection is refused
	}{
		{"v1", balancer, v1, "198.51.100.7:4711"},
		{"v1-ipv6", balancer, v1six, "[2001:db8::7]:4711"},
		{"v1-unknown", balancer, unknown, balancer},
		{"v2", balancer, v2, "198.51.100.7:4711"},
		{"v2-mapped-client", balancer, v2mapped, "198.51.100.7:4711"},
		{"v2-with-tlv", balancer, v2tlv, "198.51.100.7:4711"},
		{"v2-local", balancer, v2local, balancer},
		{"v2-local-with-addresses", balancer, v2local4, balancer},
		{"balancer-by-mapped-prefix", "172.16.0.9:1", v1, "198.51.100.7:4711"},
		{"balancer-by-ipv6", "[2001:db8:1::1]:1", v1, "198.51.100.7:4711"},

		{"balancer-with-zone", "[fe80::1%1]:1", v1, "198.51.100.7:4711"},

		{"no-header", balancer, "", ""},
		{"v2-udp", balancer, v2udp, ""},
		{"v2-version-3", balancer, v2version, ""},
		{"v2-too-short", balancer, v2short, ""},
		{"v2-too-long", balancer, v2huge, ""},
		{"v1-bad-address", balancer, "PROXY TCP4 198.51.100 192.0.2.2 4711 443\r\n", ""},
		{"v1-line-feed", balancer, "PROXY TCP4 198.51.100.7 192.0.2.2 4711 443\n", ""},
		{"twice", balancer, v1 + v1, ""},

		{"untrusted-without-header", "203.0.113.1:99", "", "203.0.113.1:99"},
		{"untrusted-v1", "203.0.113.1:99", v1, ""},
		{"untrusted-v2", "203.0.113.1:99", v2, ""},
		{"untrusted-neighbour", "172.16.1.9:1", v1, ""},
	}
	edit := func(cfg *Config) {
		for _, prefix := range []string{"10.0.0.0/8", "::ffff:172.16.0.0/120", "2001:db8:1::/64", "fe80::/10"} {
			cfg.ProxyTrusted = append(cfg.ProxyTrusted, netip.MustParsePrefix(prefix))
		}
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, edit, func(t *testing.T, g *gateway) {
				conn := g.ln.DialFrom(test.from)
				outer := tls.Client(firstWith(conn, test.header), &tls.Config{RootCAs: g.ca.Pool(), ServerName: "gateway.test"})
				err := outer.Handshake()
				if test.client == "" {
					if err == nil {
						t.Fatal("the connection is accepted, want a refusal")
					}
					outer.Close()
					synctest.Wait()
					if _, last := g.last(); last.Result != ResultMalformed {
						t.Errorf("outcome = %s %s, want malformed", last.Phase, last.Result)
					}
					return
				}
				if err != nil {
					t.Fatalf("Handshake = %v", err)
				}
				io.WriteString(outer, goodHead)
				wantEstablished(t, outer)
				inner := g.inner(outer)
				wantEcho(t, inner)
				inner.Close()
				synctest.Wait()
				a, _ := g.last()
				if a.RemoteAddr.String() != test.client || a.Peer.String() != test.from {
					t.Errorf("RemoteAddr, Peer = %v, %v, want %s, %s", a.RemoteAddr, a.Peer, test.client, test.from)
				}
			})
		})
	}
}

// firstWith has the first write of a connection begin with the header, as a
// load balancer that has waited for the client's first octets may do.
func firstWith(conn net.Conn, header string) net.Conn {
	return &firstWrite{Conn: conn, header: header}
}

type firstWrite struct {
	net.Conn
	header string
}

func (c *firstWrite) Write(p []byte) (int, error) {
	header := c.header
	c.header = ""
	n, err := c.Conn.Write(append([]byte(header), p...))
	return max(n-len(header), 0), err
}

func TestProxyPeerIsSilent(t *testing.T) {
	trust := func(cfg *Config) { cfg.ProxyTrusted = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")} }
	bubble(t, trust, func(t *testing.T, g *gateway) {
		start := time.Now()
		conn := g.ln.Dial()
		conn.Write([]byte("PROXY"))
		if rest, err := io.ReadAll(conn); len(rest) > 0 || err != nil {
			t.Errorf("the gateway says %q, %v, want EOF", rest, err)
		}
		if took := time.Since(start); took > defaultProxyTimeout {
			t.Errorf("ended after %v, want %v at most", took, defaultProxyTimeout)
		}
		conn.Close()

		conn = g.ln.Dial() // as a health check on TCP level
		conn.Close()
		synctest.Wait()

		start = time.Now()
		conn = g.ln.Dial()
		io.ReadAll(conn)
		if took := time.Since(start); took != defaultProxyTimeout {
			t.Errorf("ended after %v, want %v", took, defaultProxyTimeout)
		}
		conn.Close()
		synctest.Wait()
		g.wantOutcomes("proxy_header malformed", "proxy_header closed", "proxy_header timeout")
	})
}

func TestConfigErrors(t *testing.T) {
	good := func() Config {
		return Config{
			Certificates: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil },
			Authenticate: func(context.Context, *Connect) (Handler, error) { return nil, nil },
		}
	}
	if _, err := New(good()); err != nil {
		t.Fatalf("New = %v", err)
	}
	tests := []struct {
		name string
		edit func(*Config)
	}{
		{"no-certificates", func(cfg *Config) { cfg.Certificates = nil }},
		{"no-authenticate", func(cfg *Config) { cfg.Authenticate = nil }},
		{"negative-limit", func(cfg *Config) { cfg.MaxConnections = -1 }},
		{"zero-prefix", func(cfg *Config) { cfg.ProxyTrusted = make([]netip.Prefix, 1) }},
		{"wide-mapped-prefix", func(cfg *Config) {
			cfg.ProxyTrusted = []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/90")}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cfg := good()
			test.edit(&cfg)
			if m, err := New(cfg); m != nil || err == nil {
				t.Errorf("New = %v, %v, want nil and an error", m, err)
			}
		})
	}
}

func TestTransient(t *testing.T) {
	for _, errno := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED, syscall.ENOBUFS, syscall.ENOMEM, syscall.EPERM, syscall.EPROTO,
	} {
		if err := error(&net.OpError{Op: "accept", Err: errno}); !transient(err) {
			t.Errorf("transient(%v) = false, want true", err)
		}
	}
	for _, err := range []error{syscall.EBADF, syscall.EINVAL, io.EOF, net.ErrClosed} {
		if transient(&net.OpError{Op: "accept", Err: err}) {
			t.Errorf("transient(%v) = true, want false", err)
		}
	}
}
