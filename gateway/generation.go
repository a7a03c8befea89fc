package gateway

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/spliceway/spliceway/authn"
	"github.com/spliceway/spliceway/cluster"
	"github.com/spliceway/spliceway/config"
	"github.com/spliceway/spliceway/metrics"
	"github.com/spliceway/spliceway/record"
	"github.com/spliceway/spliceway/tlsmux"
)

// A generation is everything that follows from one configuration. Its fields do
// not change. New connections get the generation that is in force; a tunnel goes
// on with the one that let it in, which lasts until its last tunnel has ended.
type generation struct {
	config   *config.Config
	loaded   time.Time
	keys     *signingKeys
	verifier *authn.Verifier
	certs    *tlsmux.Certificates
	clusters *cluster.Set
	backends map[string]*backend // by cluster name
	recorder recorder
	tracing  *tracing // nil if requests are not traced

	entry  []*part // needed to let tunnels in
	behind []*part // needed by the tunnels themselves

	mu      sync.Mutex
	users   int  // guarded by mu; tunnels, open or being opened
	retired bool // guarded by mu; no longer in force
}

// newGeneration reads every file that cfg names, and takes over from old, if not
// nil, the parts whose settings are the same. What it returns must be put in force
// or discarded.
func (g *Gateway) newGeneration(cfg *config.Config, old *generation) (*generation, error) {
	gen := &generation{config: cfg, loaded: time.Now(), backends: make(map[string]*backend)}
	err := inTurn(
		func() error { return g.openKeys(gen, old) },
		func() error { return g.openCertificates(gen) },
		func() error { return g.openTracing(gen, old) },
		func() error { return g.openClusters(gen, old) },
		func() error { return g.openRecordings(gen, old) }, // last: it writes
	)
	if err != nil {
		gen.discard()
		return nil, err
	}
	return gen, nil
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

// hold starts what is not running yet.
func (gen *generation) hold(ctx context.Context, wg *sync.WaitGroup) {
	for _, parts := range [][]*part{gen.entry, gen.behind} {
		for _, p := range parts {
			p.hold(ctx, wg)
		}
	}
}

// discard ends a generation that was never in force, but for the parts that
// another one has.
func (gen *generation) discard() {
	for _, parts := range [][]*part{gen.entry, gen.behind} {
		for _, p := range parts {
			p.discard()
		}
	}
}

// acquire makes the generation last until release. It returns false if it has
// already ended.
func (gen *generation) acquire() bool {
	gen.mu.Lock()
	defer gen.mu.Unlock()
	if gen.retired && gen.users == 0 {
		return false
	}
	gen.users++
	return true
}

// release undoes acquire.
func (gen *generation) release() {
	gen.mu.Lock()
	defer gen.mu.Unlock()
	gen.users--
	gen.endLocked()
}

// retire takes the generation out of force. It is called once.
func (gen *generation) retire() {
	gen.mu.Lock()
	defer gen.mu.Unlock()
	gen.retired = true
	for _, p := range gen.entry {
		p.release()
	}
	gen.endLocked()
}

func (gen *generation) endLocked() {
	if !gen.retired || gen.users > 0 {
		return
	}
	for _, p := range gen.behind {
		p.release()
	}
}

// acquire returns the generation in force. The caller releases it.
func (g *Gateway) acquire() *generation {
	for {
		if gen := g.current.Load(); gen.acquire() {
			return gen
		} // else it was replaced in this moment
	}
}

// upstreamSettings are what an upstream is made of.
type upstreamSettings struct {
	cluster cluster.Config
	maxIdle int
}

func (g *Gateway) openClusters(gen, old *generation) error {
	var all []*cluster.Cluster
	for _, settings := range gen.config.Clusters {
		made := upstreamSettings{settings.Config(gen.config.Timeouts.Dial), gen.config.Limits.IdleUpstream}
		var u *upstream
		if old != nil {
			if b := old.backends[settings.Name]; b != nil && reflect.DeepEqual(b.upstream.settings, made) {
				u = b.upstream
			}
		}
		if u == nil {
			var err error
			if u, err = g.newUpstream(made); err != nil {
				return fmt.Errorf("preparing cluster %q: %w", settings.Name, err)
			}
		}
		gen.behind = append(gen.behind, &u.part)
		gen.backends[settings.Name] = g.newBackend(gen, u, settings.ImpersonateExtra)
		all = append(all, u.cluster)
	}
	var err error
	gen.clusters, err = cluster.NewSet(all)
	return err
}

func (g *Gateway) openCertificates(gen *generation) (err error) {
	var sources tlsmux.CertificatesConfig
	for _, p := range gen.config.TLS.Pairs() {
		sources.Pairs = append(sources.Pairs, tlsmux.KeyPair(p))
	}
	if ca := &gen.config.TLS.IssuingCA; ca.Enabled() {
		sources.Authority = &tlsmux.AuthorityConfig{
			CertificateFile: ca.CertificateFile, PrivateKeyFile: ca.PrivateKeyFile,
			Names: ca.Names, Hosts: hosts(gen.config), Lifetime: ca.Lifetime,
		}
	}
	if gen.certs, err = tlsmux.LoadCertificates(sources); err != nil {
		return err
	}
	gen.entry = append(gen.entry, &part{run: func(ctx context.Context) { g.followCertificates(ctx, gen.certs) }})
	return nil
}

// hosts are the names that clients know the clusters by.
func hosts(cfg *config.Config) []string {
	var hosts []string
	for _, c := range cfg.Clusters {
		if c.Address != "" {
			hosts = append(hosts, c.Address)
		}
		hosts = append(hosts, c.Aliases...)
	}
	return hosts
}

// store is the store of recordings, as a part.
type store struct {
	part
	*record.Store
	settings record.Config // without what is of this process
	lines    bool
}

// openStore takes over the store of old or opens one, which ends what a crash has
// left in it.
func (g *Gateway) openStore(gen, old *generation) (*store, error) {
	settings, lines := gen.config.Recordings.Store(), gen.config.Recordings.Lines != ""
	if old != nil {
		if s := old.recorder.store; s != nil && s.lines == lines && reflect.DeepEqual(s.settings, settings) {
			return s, nil
		}
	}
	s := &store{settings: settings, lines: lines}
	settings.Report, settings.Synced = g.recordingNotice, g.metrics.RecordingSynced
	if lines {
		settings.Lines = g.stdout.Lines()
	}
	var err error
	if s.Store, err = record.Open(settings); err != nil {
		return nil, err
	}
	unwatch := g.metrics.WatchRecordings(s.stats)
	s.close = func() {
		unwatch()
		if err := s.Store.Close(); err != nil {
			g.log.Error().Err(err).Msg("recordings could not be ended; the next start ends them")
		}
	}
	return s, nil
}

// stats says how the store is, for the metrics.
func (s *store) stats() metrics.Recordings {
	now := s.Store.Stats()
	return metrics.Recordings{
		Open: now.Open, Written: now.Written, Unsynced: now.Unsynced, Used: now.Used, Free: now.Free,
		Quota: s.settings.Quota, MinFree: s.settings.MinFree,
	}
}
