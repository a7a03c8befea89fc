package tlsmux

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
)

// lastLimited returns the latest outcome of a connection that a limit has ended.
// Those of others may have come after it.
func (g *gateway) lastLimited() (last Outcome) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, o := range g.outcomes {
		if o.Result == ResultLimited {
			last = o
		}
	}
	return last
}

// wantClosed wants a connection to be closed before a word of TLS was said on it.
func wantClosed(t *testing.T, g *gateway, conn net.Conn, limit string) {
	t.Helper()
	synctest.Wait()
	if got, err := io.ReadAll(conn); len(got) > 0 || err != nil {
		t.Errorf("the connection gives %q, %v, want nothing", got, err)
	}
	o := g.lastLimited()
	var e *LimitError
	if o.Phase != PhaseOuterTLS || o.Result != ResultLimited || !errors.As(o.Err, &e) || e.Limit != limit {
		t.Errorf("outcome = %s %s (%v), want limit %s", o.Phase, o.Result, o.Err, limit)
	}
}

func TestLimitPerSource(t *testing.T) {
	for _, test := range []struct{ name, one, same, other string }{
		{"ipv4", "192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1"},
		{"ipv6", "[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8:0:1::1]:1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(cfg *Config) { cfg.MaxPerSource = 2 }, func(t *testing.T, g *gateway) {
				first, second := g.tunnel(g.ln.DialFrom(test.one)), g.tunnel(g.ln.DialFrom(test.same))
				wantClosed(t, g, g.ln.DialFrom(test.same), LimitPerSource)
				other := g.tunnel(g.ln.DialFrom(test.other))
				if u := g.mux.Usage(); u != (Usage{PerSource: 2}) {
					t.Errorf("Usage = %+v, want two of a source", u)
				}
				first.Close()
				synctest.Wait()
				third := g.tunnel(g.ln.DialFrom(test.same))
				wantEcho(t, third)
				for _, c := range []net.Conn{second, third, other} {
					c.Close()
				}
				synctest.Wait()
				if u := g.mux.Usage(); u != (Usage{}) {
					t.Errorf("Usage at the end = %+v, want none", u)
				}
			})
		})
	}
}

// One source that opens connections and says nothing keeps nobody else out.
func TestLimitOpening(t *testing.T) {
	edit := func(cfg *Config) { cfg.MaxOpening, cfg.MaxOpeningPerSource, cfg.MaxPerSource = 3, 2, 10 }
	bubble(t, edit, func(t *testing.T, g *gateway) {
		idle := g.ln.DialFrom("192.0.2.1:1")
		synctest.Wait() // or another one might be counted first
		silent := g.ln.DialFrom("192.0.2.1:2")
		g.outer(silent)
		wantClosed(t, g, g.ln.DialFrom("192.0.2.1:3"), LimitOpeningPerSource)
		for range 5 { // once authenticated, they no longer count
			inner := g.tunnel(g.ln.DialFrom("192.0.2.2:1"))
			wantEcho(t, inner)
			inner.Close()
		}
		last := g.ln.DialFrom("192.0.2.3:1")
		synctest.Wait()
		if u := g.mux.Usage(); u.Opening != 3 || u.OpeningPerSource != 2 {
			t.Errorf("Usage = %+v, want three that are being opened", u)
		}
		wantClosed(t, g, g.ln.DialFrom("192.0.2.4:1"), LimitOpening)
		idle.Close()
		synctest.Wait()
		g.tunnel(g.ln.DialFrom("192.0.2.4:1")).Close()
		last.Close()
		silent.Close()
		synctest.Wait()
		if u := g.mux.Usage(); u != (Usage{}) {
			t.Errorf("Usage at the end = %+v, want none: also of those that were closed", u)
		}
	})
}

// Behind a load balancer it is the client that counts.
func TestLimitPerSourceBehindProxy(t *testing.T) {
	edit := func(cfg *Config) {
		cfg.ProxyTrusted, cfg.MaxPerSource = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, 1
	}
	bubble(t, edit, func(t *testing.T, g *gateway) {
		from := func(client string) net.Conn {
			return firstWith(g.ln.DialFrom("10.0.0.9:1"), "PROXY TCP4 "+client+" 10.0.0.1 1 443\r\n")
		}
		first, second := g.tunnel(from("192.0.2.1")), g.tunnel(from("192.0.2.2"))
		third := from("192.0.2.1")
		io.WriteString(third, "\x16") // the header goes with the first octets
		wantClosed(t, g, third, LimitPerSource)
		first.Close()
		synctest.Wait()
		g.tunnel(from("192.0.2.1")).Close()
		second.Close()
	})
}
