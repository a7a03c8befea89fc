package gateway

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/spliceway/spliceway/audit"
)

// Run listens and serves until ctx is done, then drains: no connection is
// taken any more, requests that are being served end, streams may go on for the
// configured time. It returns nil after a drain, and an error if it can't listen
// or, after a drain as well, if a listener fails.
func (g *Gateway) Run(ctx context.Context) error {
	listeners, admin, err := g.listen()
	if err != nil {
		g.recorder.close()
		return err
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	defer func() {
		stop()
		wg.Wait()
		g.recorder.close()
		g.audit.Close() // written without a buffer: there is nothing to lose
	}()
	g.follow(background, &wg)

	failed := make(chan error, len(listeners)+1)
	if admin != nil {
		wg.Go(func() {
			if err := g.serveAdmin(background, admin); err != nil {
				failed <- err
			}
		})
	}
	for _, l := range listeners {
		wg.Go(func() {
			if err := g.mux.Serve(ctx, l); err != nil {
				failed <- err
			}
		})
	}
	g.ready(listeners, admin)
	select {
	case <-ctx.Done():
		g.drain(nil)
		return nil
	case err := <-failed:
		g.drain(err)
		return err
	}
}

// listen opens all ports or none.
func (g *Gateway) listen() (listeners []net.Listener, admin net.Listener, err error) {
	defer func() {
		if err != nil {
			for _, l := range listeners {
				l.Close()
			}
		}
	}()
	for _, address := range g.config.Listen {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return listeners, nil, fmt.Errorf("listening: %w", err)
		}
		listeners = append(listeners, l)
	}
	if g.config.Metrics.Listen == "" {
		return listeners, nil, nil
	}
	if admin, err = net.Listen("tcp", g.config.Metrics.Listen); err != nil {
		return listeners, nil, fmt.Errorf("listening for metrics: %w", err)
	}
	return listeners, admin, nil
}

// follow starts what keeps files and keys up to date until ctx is done.
func (g *Gateway) follow(ctx context.Context, wg *sync.WaitGroup) {
	wg.Go(func() { g.keys.Run(ctx) })
	wg.Go(func() {
		g.certs.Run(ctx, g.every, func(file string, err error) {
			g.reloaded(g.log.With().Str(audit.FieldFile, file).Logger(), "certificate", err)
		})
	})
	for _, b := range g.backends {
		wg.Go(func() { b.run(ctx, g.every) })
	}
	wg.Go(func() { g.gauge(ctx) })
}

// gauge keeps those metrics current that nothing else touches.
func (g *Gateway) gauge(ctx context.Context) {
	tick := time.NewTicker(g.every)
	defer tick.Stop()
	for {
		for _, e := range g.certs.Expiries() {
			g.metrics.CertificateExpiry(e.File, e.NotAfter)
		}
		if at := g.keys.Fetched(); !at.IsZero() {
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
	event := g.log.Info().Str(audit.FieldVersion, g.version).Int("pid", os.Getpid()).Int("clusters", len(g.backends))
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

// drain ends all connections, with as much patience as is configured. cause is
// the failure that makes it necessary, nil if somebody wants it so.
func (g *Gateway) drain(cause error) {
	g.draining.Store(true)
	event := g.log.Info()
	if cause != nil {
		event = g.log.Error().Err(cause) // now, because Run returns it when all is over
	}
	event.Int("connections", g.mux.Connections()).Stringer("timeout", g.config.Drain.Timeout).
		Msg("draining: no new connections are taken, streams may go on until the timeout")
	g.tunnels.drain()
	defer g.recorder.open.farewells(g.config.Drain.Timeout).Stop()
	ctx, cancel := context.WithTimeout(context.Background(), g.config.Drain.Timeout)
	defer cancel()
	if err := g.mux.Shutdown(ctx); err != nil {
		g.log.Warn().Err(err).Msg("connections that were still open at drain.timeout were cut")
	}
	g.log.Info().Msg("stopped")
}
