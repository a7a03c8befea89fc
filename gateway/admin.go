package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// admin serves /metrics, /healthz and /readyz on a listener of its own. It has
// no authentication: it should listen where only operators can reach it.
func (g *Gateway) admin() *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", g.metrics.Handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", g.serveReady)
	return &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second,
		WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
	}
}

// serveReady answers 200 when the gateway can do its work, else 503 and why not.
func (g *Gateway) serveReady(w http.ResponseWriter, _ *http.Request) {
	problems := g.problems()
	if len(problems) == 0 {
		fmt.Fprintln(w, "ready")
		return
	}
	http.Error(w, strings.Join(problems, "\n"), http.StatusServiceUnavailable)
}

// problems lists what keeps the gateway from being of use. One API server that
// is down does not: the others are still served, and there is a metric for it.
func (g *Gateway) problems() []string {
	var problems []string
	if g.draining.Load() {
		problems = append(problems, "draining: no new connections are taken")
	}
	if err := g.keys.Ready(); err != nil {
		problems = append(problems, err.Error())
	}
	down := 0
	for _, b := range g.backends {
		if err := b.dials.current(); err != nil {
			down++
		}
	}
	if down > 0 && down == len(g.backends) {
		problems = append(problems, "no API server was reachable when it was last tried")
	}
	return problems
}

// serveAdmin runs the admin server until ctx is done.
func (g *Gateway) serveAdmin(ctx context.Context, l net.Listener) error {
	server := g.admin()
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving metrics: %w", err)
	}
	return nil
}
