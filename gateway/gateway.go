package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/authn"
	"github.com/spliceway/spliceway/cluster"
	"github.com/spliceway/spliceway/config"
	"github.com/spliceway/spliceway/metrics"
	"github.com/spliceway/spliceway/tlsmux"
)

// Gateway is a configured gateway. It is made by New and used up by Run.
type Gateway struct {
	config   *config.Config
	log      zerolog.Logger
	audit    *audit.Log
	metrics  *metrics.Metrics
	keys     *authn.KeySet
	verifier *authn.Verifier
	certs    *tlsmux.Certificates
	mux      *tlsmux.Mux
	clusters *cluster.Set
	backends map[string]*backend // by cluster name; read-only after New

	opening  opening
	tunnels  tunnels
	draining atomic.Bool
}

// ErrRecording says that the configuration wants what this binary can't do.
var ErrRecording = errors.New("recordings.mode is not off, and this version does not record sessions; set it to off")

// New reads every file that cfg names and prepares a gateway. It opens no port
// and contacts nobody. Diagnostics go to log.
func New(cfg *config.Config, build metrics.Build, log zerolog.Logger) (*Gateway, error) {
	g := &Gateway{config: cfg, log: log, metrics: metrics.New(build), backends: make(map[string]*backend)}
	if err := inTurn(g.canRecord, g.openKeys, g.openCertificates, g.openAudit, g.openClusters, g.openMux); err != nil {
		return nil, err
	}
	return g, nil
}

// Check finds out whether New would succeed. It writes nothing, in particular no
// audit file that would then belong to whoever ran the check.
func Check(cfg *config.Config) error {
	g := &Gateway{config: cfg, log: zerolog.Nop(), metrics: metrics.New(metrics.Build{}), backends: make(map[string]*backend)}
	return inTurn(g.canRecord, g.openKeys, g.openClusters, g.openCertificates)
}

// inTurn runs steps until one fails.
func inTurn(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (g *Gateway) canRecord() error {
	if g.config.Recordings.Mode != config.ModeOff {
		return ErrRecording
	}
	return nil
}

func (g *Gateway) openAudit() (err error) {
	g.audit, err = audit.Open(g.config.Audit.Output, func(err error) {
		g.metrics.AuditError()
		g.log.Error().Err(err).Msg("audit event lost")
	})
	return err
}

func (g *Gateway) openKeys() (err error) {
	a := &g.config.Authn
	g.keys, err = authn.NewKeySet(authn.KeySetConfig{
		URL: a.JWKSURL, CAFile: a.JWKSCAFile, CacheFile: a.CacheFile, File: a.JWKSFile,
		Refresh: a.RefreshInterval, MaxStale: a.MaxStaleness, Report: g.keysRefreshed,
	})
	if err != nil {
		return err
	}
	g.verifier = authn.NewVerifier(g.keys, authn.VerifierConfig{
		Issuer: a.Issuer, Audience: a.Audience, AllowSystem: a.AllowSystemIdentities,
	})
	return nil
}

// keysRefreshed is told when fetching the issuer's keys begins to fail or works
// again.
func (g *Gateway) keysRefreshed(err error) {
	g.metrics.Reload("signing-keys", err)
	if err != nil {
		g.log.Error().Err(err).Dur("max_staleness", g.config.Authn.MaxStaleness).
			Msg("the issuer's signing keys can't be fetched; those already known stay in force for a while")
		return
	}
	g.log.Info().Msg("the issuer's signing keys were fetched")
}

func (g *Gateway) openClusters() error {
	var all []*cluster.Cluster
	for _, settings := range g.config.Clusters {
		b, err := g.newBackend(settings)
		if err != nil {
			return err
		}
		g.backends[settings.Name] = b
		all = append(all, b.cluster)
	}
	var err error
	g.clusters, err = cluster.NewSet(all)
	return err
}

func (g *Gateway) openCertificates() (err error) {
	var sources tlsmux.CertificatesConfig
	for _, p := range g.config.TLS.Pairs() {
		sources.Pairs = append(sources.Pairs, tlsmux.KeyPair(p))
	}
	if ca := &g.config.TLS.IssuingCA; ca.Enabled() {
		sources.Authority = &tlsmux.AuthorityConfig{
			CertificateFile: ca.CertificateFile, PrivateKeyFile: ca.PrivateKeyFile,
			Names: ca.Names, Hosts: g.hosts(), Lifetime: ca.Lifetime,
		}
	}
	g.certs, err = tlsmux.LoadCertificates(sources)
	return err
}

// hosts are the names that clients know the clusters by.
func (g *Gateway) hosts() []string {
	var hosts []string
	for _, c := range g.config.Clusters {
		if c.Address != "" {
			hosts = append(hosts, c.Address)
		}
		hosts = append(hosts, c.Aliases...)
	}
	return hosts
}

func (g *Gateway) openMux() (err error) {
	t := &g.config.Timeouts
	g.mux, err = tlsmux.New(tlsmux.Config{
		Certificates: g.certs.Get, Authenticate: g.authenticate, Observe: g.observe,
		ProxyTrusted: g.config.ProxyProtocol.TrustedCIDRs, MaxConnections: g.config.Limits.Connections,
		ProxyTimeout: t.ProxyHeader, HandshakeTimeout: t.Handshake, InnerTimeout: t.InnerHandshake,
		Log: g.log,
	})
	if err == nil {
		g.metrics.WatchConnections(g.mux.Connections)
	}
	return err
}

// Run listens and serves until ctx is done, then drains: no connection is
// taken any more, requests that are being served end, streams may go on for the
// configured time. It returns nil after a drain, and an error if it can't listen
// or a listener fails.
func (g *Gateway) Run(ctx context.Context) error {
	listeners, admin, err := g.listen()
	if err != nil {
		return err
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	defer func() { stop(); wg.Wait() }()
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
		g.drain()
		return nil
	case err := <-failed:
		g.drain()
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
		g.certs.Run(ctx, watchInterval, func(file string, err error) { g.reloaded("certificate", file, err) })
	})
	for name, b := range g.backends {
		wg.Go(func() { b.run(ctx, func(kind string, err error) { g.reloaded(kind, "of cluster "+name, err) }) })
	}
	wg.Go(func() { g.gauge(ctx) })
}

// gauge keeps those metrics current that nothing else touches.
func (g *Gateway) gauge(ctx context.Context) {
	tick := time.NewTicker(watchInterval)
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
	event := g.log.Info().Int("pid", os.Getpid()).Int("clusters", len(g.backends))
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

// drain ends all connections, with as much patience as is configured.
func (g *Gateway) drain() {
	g.draining.Store(true)
	g.log.Info().Int("connections", g.mux.Connections()).Dur("timeout", g.config.Drain.Timeout).Msg("draining")
	g.tunnels.drain()
	ctx, cancel := context.WithTimeout(context.Background(), g.config.Drain.Timeout)
	defer cancel()
	if err := g.mux.Shutdown(ctx); err != nil {
		g.log.Warn().Err(err).Msg("not all connections ended by themselves")
	}
	g.log.Info().Msg("stopped")
}
