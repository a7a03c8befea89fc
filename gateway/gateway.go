package gateway

import (
	"cmp"
	"context"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/config"
	"github.com/spliceway/spliceway/limit"
	"github.com/spliceway/spliceway/metrics"
	"github.com/spliceway/spliceway/record"
	"github.com/spliceway/spliceway/tlsmux"
)

// Gateway is a configured gateway. It is made by New and used up by Run. It has
// what outlasts a configuration; what follows from one is a generation.
type Gateway struct {
	version string        // of the binary
	started time.Time     // when New was called
	every   time.Duration // how often files are looked at
	log     zerolog.Logger
	stdout  *audit.Log // whatever is written to standard output, so that no line is torn by another
	audit   *audit.Log
	metrics *metrics.Metrics
	mux     *tlsmux.Mux
	account record.Account

	accounts *limit.Accounts // of users
	gates    gates

	current atomic.Pointer[generation]

	losses   losses // of audit events
	spans    losses
	opening  opening
	tunnels  tunnels
	sessions sessions // that are decoded
	draining atomic.Bool

	running sync.WaitGroup // of parts, and of Run's own goroutines

	reloading  sync.Mutex      // held while a generation is replaced
	background context.Context // guarded by reloading; of parts, nil before Run and when draining
	sockets    []socket        // guarded by reloading; those that are listened on

	stopAccepting context.CancelFunc // guarded by reloading; nil before Run

	refused atomic.Pointer[string] // why the last configuration was refused, for status; nil if it was not
}

// New reads every file that cfg names and prepares a gateway, which must be Run:
// it has opened the store of recordings. It opens no port and contacts nobody.
// Diagnostics go to log.
func New(cfg *config.Config, build metrics.Build, log zerolog.Logger) (*Gateway, error) {
	return newGateway(cfg, build, log, watchInterval, os.Stdout)
}

func newGateway(cfg *config.Config, build metrics.Build, log zerolog.Logger, every time.Duration, stdout io.Writer) (*Gateway, error) {
	g := &Gateway{version: build.Version, started: time.Now(), every: every, log: log, metrics: metrics.New(build)}
	g.stdout = audit.New(stdout, nil)
	g.accounts = limit.NewAccounts(accountConfig(cfg))
	var err error
	if g.audit, err = g.openAudit(cfg); err != nil {
		return nil, err
	}
	gen, err := g.newGeneration(cfg, nil)
	if err != nil {
		g.audit.Close()
		return nil, err
	}
	g.current.Store(gen)
	if g.mux, err = tlsmux.New(g.muxConfig(gen)); err != nil {
		gen.discard()
		g.audit.Close()
		return nil, err
	}
	g.metrics.WatchConnections(g.mux.Connections)
	g.watchLimits()
	g.metrics.WatchReady(func() bool { return len(g.problems()) == 0 })
	return g, nil
}

// Check finds out whether New would succeed. It writes nothing, in particular no
// audit file that would then belong to whoever ran the check.
func Check(cfg *config.Config) error {
	g := &Gateway{every: watchInterval, log: zerolog.Nop(), metrics: metrics.New(metrics.Build{})}
	gen := &generation{config: cfg, backends: make(map[string]*backend)}
	defer gen.discard()
	return inTurn(
		func() error { return g.openKeys(gen, nil) },
		func() error { return g.openTracing(gen, nil) },
		func() error { return g.openClusters(gen, nil) },
		func() error { return g.openCertificates(gen) },
	)
}

// config returns the configuration in force.
func (g *Gateway) config() *config.Config { return g.current.Load().config }

// muxConfig is what concerns connections before they are tunnels.
func (g *Gateway) muxConfig(gen *generation) tlsmux.Config {
	t, l := &gen.config.Timeouts, &gen.config.Limits
	return tlsmux.Config{
		Certificates: gen.certs.Get, Authenticate: g.authenticate, Observe: g.observe,
		ProxyTrusted: gen.config.ProxyProtocol.TrustedCIDRs, MaxConnections: l.Connections,
		MaxOpening: l.Unauthenticated, MaxPerSource: l.ConnectionsPerSource, MaxOpeningPerSource: l.UnauthenticatedPerSource,
		ProxyTimeout: t.ProxyHeader, HandshakeTimeout: t.Handshake, AuthenticateTimeout: t.Authentication, InnerTimeout: t.InnerHandshake,
		AcceptFailed: func(error) { g.metrics.AcceptError() },
		Full:         func() { g.metrics.LimitRefused(limitConnections) },
		Log:          g.log,
	}
}

// openAudit opens the log that cfg names.
func (g *Gateway) openAudit(cfg *config.Config) (*audit.Log, error) {
	if cfg.Audit.Output == audit.Stdout {
		return audit.NewGathering(g.stdout.Lines(), g.auditFailed), nil
	}
	return audit.Open(cfg.Audit.Output, g.auditFailed)
}

// auditFailed is told of each event that is lost.
func (g *Gateway) auditFailed(err error) {
	g.metrics.AuditError()
	if lost, tell := g.losses.add(time.Now(), 1); tell {
		g.log.Error().Err(err).Int("lost", lost).Str(audit.FieldFile, cmp.Or(g.audit.File(), audit.Stdout)).
			Msg("audit events lost; make room or repair audit.output, what follows is then written by itself")
	}
}

// reopenAudit opens the file of the audit log anew, so that one that was moved
// away is let go. It does nothing for standard output. What comes of it is logged.
func (g *Gateway) reopenAudit() {
	file := g.audit.File()
	if file == "" {
		return
	}
	if err := g.audit.Reopen(); err != nil {
		g.log.Error().Err(err).Str(audit.FieldFile, file).
			Msg("audit log can't be opened anew; events go on into the file that was open before")
		return
	}
	g.log.Info().Str(audit.FieldFile, file).Msg("audit log opened anew")
}
