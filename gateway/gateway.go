package gateway

import (
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
	version  string        // of the binary
	every    time.Duration // how often files are looked at
	log      zerolog.Logger
	audit    *audit.Log
	metrics  *metrics.Metrics
	keys     *authn.KeySet
	verifier *authn.Verifier
	certs    *tlsmux.Certificates
	mux      *tlsmux.Mux
	clusters *cluster.Set
	backends map[string]*backend // by cluster name; read-only after New
	recorder recorder

	losses   losses
	opening  opening
	tunnels  tunnels
	draining atomic.Bool
}

// New reads every file that cfg names and prepares a gateway, which must be Run:
// it has opened the store of recordings. It opens no port and contacts nobody.
// Diagnostics go to log.
func New(cfg *config.Config, build metrics.Build, log zerolog.Logger) (*Gateway, error) {
	return newGateway(cfg, build, log, watchInterval)
}

func newGateway(cfg *config.Config, build metrics.Build, log zerolog.Logger, every time.Duration) (*Gateway, error) {
	g := &Gateway{config: cfg, version: build.Version, every: every, log: log, metrics: metrics.New(build), backends: make(map[string]*backend)}
	if err := inTurn(g.openKeys, g.openCertificates, g.openAudit, g.openClusters, g.openMux, g.openRecordings); err != nil {
		return nil, err
	}
	return g, nil
}

// Check finds out whether New would succeed. It writes nothing, in particular no
// audit file that would then belong to whoever ran the check.
func Check(cfg *config.Config) error {
	g := &Gateway{config: cfg, every: watchInterval, log: zerolog.Nop(), metrics: metrics.New(metrics.Build{}), backends: make(map[string]*backend)}
	return inTurn(g.openKeys, g.openClusters, g.openCertificates)
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

func (g *Gateway) openAudit() (err error) {
	g.audit, err = audit.Open(g.config.Audit.Output, func(err error) {
		g.metrics.AuditError()
		if lost := g.losses.add(time.Now()); lost > 0 {
			g.log.Error().Err(err).Int("lost", lost).Str(audit.FieldFile, g.config.Audit.Output).
				Msg("audit events lost; make room or repair audit.output, what follows is then written by itself")
		}
	})
	return err
}

// ReopenAudit opens the file of the audit log anew, so that one that was moved
// away is let go. It does nothing for standard output. What comes of it is logged.
func (g *Gateway) ReopenAudit() {
	if g.config.Audit.Output == audit.Stdout {
		return
	}
	if err := g.audit.Reopen(); err != nil {
		g.log.Error().Err(err).Str(audit.FieldFile, g.config.Audit.Output).
			Msg("audit log can't be opened anew; events go on into the file that was open before")
		return
	}
	g.log.Info().Str(audit.FieldFile, g.config.Audit.Output).Msg("audit log opened anew")
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
