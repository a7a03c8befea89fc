package gateway

import (
	"context"
	"net"
	"os"
	"time"

	"github.com/rs/zerolog"

	"github.com/spliceway/spliceway/audit"
)

// Run listens and serves until ctx is done, then drains: readiness fails, after
// drain.delay no connection is taken any more, requests that are being served end,
// streams may go on until drain.timeout. It returns nil after a drain, and an error
// if it can't listen or, after a drain as well, if a listener fails.
func (g *Gateway) Run(ctx context.Context) error { return g.RunIn(ctx, Process{}) }

// RunIn is Run in a process with sockets or with a service manager.
func (g *Gateway) RunIn(ctx context.Context, p Process) error {
	listeners, admin, local, err := g.open(&p)
	if err != nil {
		g.current.Load().discard()
		g.audit.Close()
		return err
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		stop()
		g.running.Wait()
		g.audit.Close() // behind all that tells of something
	}()
	accepting, stopAccepting := context.WithCancel(background)
	g.begin(background, stopAccepting, listeners, admin)

	failed := make(chan error, len(listeners)+1)
	if local != nil {
		g.running.Go(func() { g.serveLocal(background, local) })
	}
	scraped, stopAdmin := context.WithCancel(background)
	defer stopAdmin()
	if admin != nil {
		g.running.Go(func() {
			if err := g.serveAdmin(scraped, admin); err != nil {
				failed <- err
			}
		})
	}
	for _, l := range listeners {
		g.running.Go(func() {
			if err := g.mux.Serve(accepting, l); err != nil {
				failed <- err
			}
		})
	}
	g.ready(listeners, admin)
	p.tell("READY=1", "STATUS="+g.status())
	g.running.Go(func() { g.report(background, &p) })
	select {
	case <-ctx.Done():
		p.tell("STOPPING=1")
		g.delay()
		stopAccepting()
		g.drain(nil)
		return nil
	case <-accepting.Done(): // HandOver
		stopAdmin()
		g.drain(nil)
		return nil
	case err := <-failed:
		p.tell("STOPPING=1")
		stopAccepting()
		g.drain(err)
		return err
	}
}

// handOver has Run drain because a successor serves. The caller holds g.reloading.
func (g *Gateway) handOver() {
	g.log.Info().Msg("a successor serves; this process ends with its last connection")
	g.background = nil
	g.stopAccepting()
}

// begin starts what keeps files and keys up to date until ctx is done, and lets
// Reload do its work.
func (g *Gateway) begin(ctx context.Context, stopAccepting context.CancelFunc, listeners []net.Listener, admin net.Listener) {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	g.background, g.stopAccepting = ctx, stopAccepting
	for _, l := range listeners {
		g.sockets = append(g.sockets, socket{l, SocketGateway})
	}
	if admin != nil {
		g.sockets = append(g.sockets, socket{admin, SocketMetrics})
	}
	g.current.Load().hold(ctx, &g.running)
	g.running.Go(func() { g.gauge(ctx) })
	g.running.Go(func() { g.expire(ctx) })
}

// expire looks at the clock for tokens that have ended, until ctx is done. Each tunnel
// has a timer; but that stands still while the machine sleeps, and hears nothing of a
// clock that is set.
func (g *Gateway) expire(ctx context.Context) {
	tick := time.NewTicker(g.every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			g.tunnels.expire(time.Now())
		case <-ctx.Done():
			return
		}
	}
}

// gauge keeps those metrics current that nothing else touches.
func (g *Gateway) gauge(ctx context.Context) {
	tick := time.NewTicker(g.every)
	defer tick.Stop()
	shown := make(map[string]bool) // files of certificates
	for {
		gen := g.current.Load()
		gone := shown
		shown = make(map[string]bool)
		for _, e := range gen.certs.Expiries() {
			g.metrics.CertificateExpiry(e.File, e.NotAfter)
			shown[e.File] = true
			delete(gone, e.File)
		}
		for file := range gone {
			g.metrics.CertificateGone(file)
		}
		g.metrics.SigningKeysMaxAge(gen.config.Authn.MaxStaleness)
		if at := gen.keys.Fetched(); !at.IsZero() {
			g.metrics.SigningKeysFetched(at)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// ready says that the gateway serves, and where.
func (g *Gateway) ready(listeners []net.Listener, admin net.Listener) {
	event := g.log.Info().Str(audit.FieldVersion, g.version).Int("pid", os.Getpid()).Int("clusters", len(g.config().Clusters))
	addresses := zerolog.Arr()
	for _, l := range listeners {
		addresses.Str(l.Addr().String())
	}
	event.Array("listen", addresses)
	if admin != nil {
		event.Str("metrics", admin.Addr().String())
	}
	event.Msg("serving")
}

// beginDrain says that the gateway is not ready any more.
func (g *Gateway) beginDrain() {
	g.draining.Store(true)
	g.metrics.Draining()
}

// delay lets those who send connections find out that they should not, before
// none are taken any more.
func (g *Gateway) delay() {
	g.beginDrain()
	if d := g.config().Drain.Delay; d > 0 {
		g.log.Info().Stringer("delay", d).Msg("not ready any more; new connections are taken until drain.delay has passed")
		time.Sleep(d)
	}
}

// drain ends all connections, with as much patience as is configured. cause is
// the failure that makes it necessary, nil if somebody wants it so.
func (g *Gateway) drain(cause error) {
	g.beginDrain()
	g.reloading.Lock() // what is in force now is what it ends with
	g.background = nil
	g.reloading.Unlock()
	patience := g.config().Drain.Timeout
	event := g.log.Info()
	if cause != nil {
		event = g.log.Error().Err(cause) // now, because Run returns it when all is over
	}
	event.Int("connections", g.mux.Connections()).Stringer("timeout", patience).
		Msg("draining: no new connections are taken, streams may go on until the timeout")
	g.tunnels.drain()
	defer g.sessions.farewells(patience).Stop()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := g.mux.Shutdown(ctx); err != nil {
		g.log.Warn().Err(err).Msg("connections that were still open at drain.timeout were cut")
	}
	g.log.Info().Msg("stopped")
}
