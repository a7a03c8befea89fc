package tlsmux

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/spliceway/spliceway/internal/testnet"
)

func TestAcceptErrorsAreWaitedOut(t *testing.T) {
	var failures []error
	var log strings.Builder
	edit := func(cfg *Config) {
		cfg.MaxConnections = 3 // fewer than failures: none of them costs a place
		cfg.AcceptFailed = func(err error) { failures = append(failures, err) }
		cfg.Log = zerolog.New(&log)
	}
	bubble(t, edit, func(t *testing.T, g *gateway) {
		start := time.Now()
		for range 10 {
			g.ln.Fail(syscall.EMFILE)
		}
		inner := g.tunnel(g.ln.Dial())
		// 5 + 10 + 20 + … + 640 ms, then 1 s for each of the other two.
		if took := time.Since(start); took != 1275*time.Millisecond+2*time.Second {
			t.Errorf("accepted after %v, want 3.275s", took)
		}
		wantEcho(t, inner)
		inner.Close()

		// A success begins the pauses anew.
		start = time.Now()
		g.ln.Fail(syscall.ECONNABORTED)
		inner = g.tunnel(g.ln.Dial())
		if took := time.Since(start); took != backoffFirst {
			t.Errorf("accepted after %v, want %v", took, backoffFirst)
		}
		inner.Close()
		synctest.Wait()
		if len(failures) != 11 || !errors.Is(failures[0], syscall.EMFILE) {
			t.Errorf("AcceptFailed was told %v, want ten times EMFILE and ECONNABORTED", failures)
		}
		if n := strings.Count(log.String(), "\n"); n != 2 {
			t.Errorf("log = %s, want a line for each run of failures", log.String())
		}
	})
}

func TestServeReturnsListenersFailure(t *testing.T) {
	bubble(t, nil, func(t *testing.T, g *gateway) {
		broken := testnet.Listen()
		broken.Fail(syscall.EBADF)
		if err := g.mux.Serve(t.Context(), broken); !errors.Is(err, syscall.EBADF) {
			t.Errorf("Serve = %v, want EBADF", err)
		}
		if err := broken.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Close = %v: Serve has left the listener open", err)
		}
		inner := g.tunnel(g.ln.Dial()) // the other one is served on
		wantEcho(t, inner)
		inner.Close()
	})
}

func TestServeEndsWithContext(t *testing.T) {
	bubble(t, nil, func(t *testing.T, g *gateway) {
		second := testnet.Listen()
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error)
		go func() { served <- g.mux.Serve(ctx, second) }()
		inner := g.tunnel(second.Dial())
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
		if _, err := second.Dial().Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Read from a new connection = %v, want ECONNRESET", err)
		}
		wantEcho(t, inner) // accepted before
		inner.Close()
	})
}

func TestServeEndsDuringPause(t *testing.T) {
	bubble(t, nil, func(t *testing.T, g *gateway) {
		ln := testnet.Listen()
		for range 10 {
			ln.Fail(syscall.EMFILE)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		if err := g.mux.Serve(ctx, ln); err != nil || time.Since(start) != 2*time.Second {
			t.Errorf("Serve = %v after %v, want nil after 2s", err, time.Since(start))
		}
	})
}

func TestConnectionLimit(t *testing.T) {
	var log strings.Builder
	full := 0
	edit := func(cfg *Config) {
		cfg.MaxConnections = 2
		cfg.Full = func() { full++ }
		cfg.Log = zerolog.New(&log)
	}
	bubble(t, edit, func(t *testing.T, g *gateway) {
		first, second := g.tunnel(g.ln.Dial()), g.tunnel(g.ln.Dial())
		third := g.ln.Dial()
		time.Sleep(time.Hour)
		if calls, conns := g.ln.Accepts(); calls != 2 || conns != 2 {
			t.Errorf("%d calls of Accept and %d connections, want 2 of each", calls, conns)
		}
		first.Close()
		inner := g.tunnel(third)
		wantEcho(t, inner)
		for range 3 { // room comes and goes, and nobody wants to read of it each time
			inner.Close()
			inner = g.tunnel(g.ln.Dial())
		}
		inner.Close()
		second.Close()
		synctest.Wait()
		if n := strings.Count(log.String(), "connection limit reached"); n != 2 {
			t.Errorf("log = %s, want the limit twice: an hour lies between", log.String())
		}
		if full != 5 {
			t.Errorf("the limit was reached %d times, want 5", full)
		}
	})
}

func TestShutdownWaits(t *testing.T) {
	bubble(t, nil, func(t *testing.T, g *gateway) {
		inner := g.tunnel(g.ln.Dial())
		opening := g.outer(g.ln.Dial())
		synctest.Wait()
		done := make(chan error, 1)
		go func() { done <- g.mux.Shutdown(t.Context()) }()
		time.Sleep(time.Second)
		if _, err := g.ln.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept = %v, want net.ErrClosed", err)
		}
		// What was accepted goes on, also the opening.
		io.WriteString(opening, goodHead)
		wantEstablished(t, opening)
		second := g.inner(opening)
		wantEcho(t, second)
		second.Close()
		time.Sleep(time.Hour)
		wantEcho(t, inner)
		select {
		case err := <-done:
			t.Fatalf("Shutdown = %v while a tunnel is open", err)
		default:
		}
		inner.Close()
		if err := <-done; err != nil {
			t.Errorf("Shutdown = %v, want nil", err)
		}
		if err := g.mux.Serve(t.Context(), testnet.Listen()); err != nil {
			t.Errorf("Serve after Shutdown = %v, want nil", err)
		}
	})
}

// TestShutdownLosesPatience ends connections in every phase.
func TestShutdownLosesPatience(t *testing.T) {
	causes := make(chan error, 1)
	edit := func(cfg *Config) {
		cfg.HandshakeTimeout, cfg.InnerTimeout, cfg.AuthenticateTimeout = time.Hour, time.Hour, time.Hour
		cfg.Authenticate = func(ctx context.Context, c *Connect) (Handler, error) {
			if c.ClientID == "slow" {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return func(ctx context.Context, t *Tunnel) {
				<-ctx.Done()
				causes <- context.Cause(ctx)
				io.WriteString(t.Conn, "drained")
			}, nil
		}
	}
	synctest.Test(t, func(t *testing.T) {
		g := newGatewayWithoutCleanup(t, edit)
		tunnel := g.tunnel(g.ln.Dial())
		var others []net.Conn
		for _, stage := range stages {
			others = append(others, stage.reach(t, g, g.ln.Dial()))
		}
		slow := g.outer(g.ln.Dial())
		io.WriteString(slow, strings.Replace(goodHead, "X-Token", "X-Connection-Id: slow\r\nX-Token", 1))
		others = append(others, slow)

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		done := make(chan error, 1)
		go func() { done <- g.mux.Shutdown(ctx) }()
		if got, err := io.ReadAll(tunnel); string(got) != "drained" || err != nil {
			t.Errorf("end of the tunnel = %q, %v, want drained", got, err)
		}
		if cause := <-causes; cause != ErrShutdown {
			t.Errorf("cause = %v, want ErrShutdown", cause)
		}
		tunnel.Close()
		for _, conn := range others {
			if rest, err := io.ReadAll(conn); len(rest) > 0 {
				t.Errorf("the gateway says %q, %v, want the end", rest, err)
			}
			conn.Close()
		}
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown = %v, want context.DeadlineExceeded", err)
		}
		if took := time.Since(start); took > time.Minute+time.Second {
			t.Errorf("Shutdown took %v, want a minute", took)
		}
		counts := map[string]int{}
		g.mu.Lock()
		for _, o := range g.outcomes {
			if o.Result != ResultOK {
				counts[fmt.Sprintf("%s %s %d", o.Phase, o.Result, o.Status)]++
			}
		}
		g.mu.Unlock()
		want := map[string]int{
			"outer_tls shutdown 0": 1, "connect shutdown 0": 2, "authn shutdown 0": 1, "inner_tls shutdown 0": 1,
		}
		if fmt.Sprint(counts) != fmt.Sprint(want) {
			t.Errorf("outcomes = %v, want %v", counts, want)
		}
	})
}

// TestShutdownDuringAuthenticate: a hook that overlooks the end of its
// context and says yes after it opens no tunnel.
func TestShutdownDuringAuthenticate(t *testing.T) {
	edit := func(cfg *Config) {
		cfg.AuthenticateTimeout = time.Hour
		cfg.Authenticate = func(ctx context.Context, _ *Connect) (Handler, error) {
			<-ctx.Done()
			time.Sleep(time.Second)
			return echo, nil
		}
	}
	synctest.Test(t, func(t *testing.T) {
		g := newGatewayWithoutCleanup(t, edit)
		outer := g.outer(g.ln.Dial())
		io.WriteString(outer, goodHead)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := g.mux.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown = %v, want context.DeadlineExceeded", err)
		}
		if rest, err := io.ReadAll(outer); len(rest) > 0 || err != nil {
			t.Errorf("the gateway says %q, %v, want EOF", rest, err)
		}
		outer.Close()
		g.wantOutcomes("outer_tls ok", "connect ok", "authn ok", "inner_tls shutdown")
	})
}

func TestShutdownOfStubbornHandler(t *testing.T) {
	release := make(chan struct{})
	edit := func(cfg *Config) {
		cfg.Authenticate = func(context.Context, *Connect) (Handler, error) {
			return func(context.Context, *Tunnel) { <-release }, nil
		}
	}
	synctest.Test(t, func(t *testing.T) {
		release = make(chan struct{})
		g := newGatewayWithoutCleanup(t, edit)
		inner := g.tunnel(g.ln.Dial())
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		err := g.mux.Shutdown(ctx)
		if err == nil || !strings.Contains(err.Error(), "1 connections do not end") {
			t.Errorf("Shutdown = %v, want that 1 connection does not end", err)
		}
		if took := time.Since(start); took != time.Minute+defaultShutdownGrace {
			t.Errorf("Shutdown took %v, want %v", took, time.Minute+defaultShutdownGrace)
		}
		close(release)
		inner.Close()
	})
}

func TestPanicEndsItsConnectionOnly(t *testing.T) {
	boom := func() { panic("boom") }
	var observed func(Phase)
	tests := []struct {
		name  string
		edit  func(cfg *Config)
		phase Phase
	}{
		{"handler", func(cfg *Config) {
			cfg.Authenticate = func(context.Context, *Connect) (Handler, error) {
				return func(context.Context, *Tunnel) { boom() }, nil
			}
		}, PhaseTunnel},
		{"authenticate", func(cfg *Config) {
			cfg.Authenticate = func(context.Context, *Connect) (Handler, error) { boom(); return echo, nil }
		}, PhaseAuthn},
		{"authenticate-returns-nothing", func(cfg *Config) {
			cfg.Authenticate = func(context.Context, *Connect) (Handler, error) { return nil, nil }
		}, PhaseAuthn},
		{"observe", func(cfg *Config) {
			observe := cfg.Observe
			cfg.Observe = func(a *Attempt, o Outcome) {
				observe(a, o)
				observed(o.Phase)
			}
		}, PhaseConnect},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var log strings.Builder
			var once sync.Once
			edit := func(cfg *Config) {
				cfg.Log = zerolog.New(&log)
				test.edit(cfg)
				good, authenticate := echo, cfg.Authenticate
				cfg.Authenticate = func(ctx context.Context, c *Connect) (handler Handler, err error) {
					handler = good
					once.Do(func() { handler, err = authenticate(ctx, c) })
					return handler, err
				}
				panics := 2 // at the connect phase, and again when told of the panic
				observed = func(p Phase) {
					if p == PhaseConnect && panics > 0 {
						panics--
						boom()
					}
				}
			}
			bubble(t, edit, func(t *testing.T, g *gateway) {
				conn := g.ln.Dial()
				if test.phase == PhaseTunnel {
					g.tunnel(conn)
				} else {
					io.WriteString(g.outer(conn), goodHead)
				}
				io.ReadAll(conn)
				conn.Close()
				synctest.Wait()
				if _, last := g.last(); last.Result != ResultPanic || last.Phase != test.phase {
					t.Errorf("outcome = %s %s, want %s panic", last.Phase, last.Result, test.phase)
				}
				for _, want := range []string{`"stack":"goroutine`, `"conn_id":"`, `"remote_addr":"192.0.2.1:`} {
					if !strings.Contains(log.String(), want) {
						t.Errorf("log = %s, want %s in it", log.String(), want)
					}
				}
				if n := g.mux.Connections(); n != 0 {
					t.Errorf("Connections() = %d, want 0", n)
				}
				inner := g.tunnel(g.ln.Dial())
				wantEcho(t, inner)
				inner.Close()
			})
		})
	}
}
