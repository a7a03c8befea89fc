package gateway

import (
	"context"
	"errors"
	"fmt"
	"log"
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
		ErrorLog: log.New(g.log, "metrics listener: ", 0),
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

// problems lists what keeps the gateway from being of use, each with what to do
// about it.
func (g *Gateway) problems() []string {
	gen := g.current.Load()
	var problems []string
	if g.draining.Load() {
		problems = append(problems, fmt.Sprintf("draining: no new connections are taken, and the process ends by itself, "+
			"after %s at the latest; use another instance", gen.config.Drain.Timeout))
	}
	if err := gen.keys.Ready(); err != nil {
		problems = append(problems, fmt.Sprintf("no token can be verified: %v; check that %s can be read from this machine: "+
			"the log has the error of the last try", err, gen.keys.source()))
	}
	if err := gen.recorder.ready(); err != nil {
		problems = append(problems, fmt.Sprintf("no session can be recorded: %v; make room in recordings.dir, or check that it is "+
			"there and can be written", err))
	}
	return append(problems, gen.unreachable()...)
}

// unreachable lists all API servers if no connection to any of them could be opened
// when it was last tried. One that is down does not make the gateway useless: the
// others are still served, and the log and a metric tell of it.
func (gen *generation) unreachable() []string {
	var all []string
	for _, c := range gen.clusters.Clusters() {
		b := gen.backends[c.Name()]
		if err := b.means.current(); err != nil {
			all = append(all, "the gateway can't open connections: "+err.Error()) // which says what to do
		} else if err := b.dials.current(); err != nil {
			all = append(all, "no API server can be reached: "+err.Error())
		} else {
			return nil
		}
	}
	return all
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
