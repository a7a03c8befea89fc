package tlsmux

import (
	"testing"
	"testing/synctest"
	"time"
)

// What is open goes on under the configuration that it began with.
func TestConfigure(t *testing.T) {
	bubble(t, func(cfg *Config) { cfg.HandshakeTimeout = time.Minute }, func(t *testing.T, g *gateway) {
		tunnel, opening := g.tunnel(g.ln.Dial()), g.ln.Dial()
		synctest.Wait() // it is accepted
		cfg := *g.mux.cfg.Load()
		cfg.HandshakeTimeout = time.Second
		if err := g.mux.Configure(cfg); err != nil {
			t.Fatalf("Configure = %v", err)
		}
		time.Sleep(30 * time.Second)
		inner := g.tunnel(opening)
		inner.Close()
		wantEcho(t, tunnel)
		tunnel.Close()
		late := g.ln.Dial()
		start := time.Now()
		if _, err := late.Read(make([]byte, 1)); err == nil || time.Since(start) != time.Second {
			t.Errorf("a connection of the new configuration ends with %v after %v, want it after 1s", err, time.Since(start))
		}
	})
}

func TestConfigureRefused(t *testing.T) {
	bubble(t, nil, func(t *testing.T, g *gateway) {
		before := g.mux.cfg.Load()
		bad := *before
		bad.MaxConnections = -1
		if err := g.mux.Configure(bad); err == nil || g.mux.cfg.Load() != before {
			t.Errorf("Configure = %v, want an error and what was", err)
		}
	})
}

// More room is used at once, less when enough have ended.
func TestConfigureMaxConnections(t *testing.T) {
	bubble(t, func(cfg *Config) { cfg.MaxConnections = 1 }, func(t *testing.T, g *gateway) {
		first, waiting := g.tunnel(g.ln.Dial()), g.ln.Dial()
		resize := func(n int) {
			cfg := *g.mux.cfg.Load()
			cfg.MaxConnections = n
			if err := g.mux.Configure(cfg); err != nil {
				t.Fatalf("Configure = %v", err)
			}
		}
		resize(2)
		second := g.tunnel(waiting)
		resize(1)
		third := g.ln.Dial()
		first.Close()
		synctest.Wait()
		if n := g.mux.Connections(); n != 1 {
			t.Errorf("Connections = %d, want 1: there is no room for the third", n)
		}
		second.Close()
		g.tunnel(third).Close()
	})
}
