package gateway

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spliceway/spliceway/config"
)

// errNotServing is the refusal of a configuration that comes too late.
var errNotServing = errors.New("gateway: it is not serving, or no longer")

// Reload puts the configuration that load returns in force, as a whole or not at
// all: if load fails, if it names files that can't be used, if it changes what only
// a restart can, everything stays as it was, and the error says why. What
// is open is not touched: a tunnel goes on under the configuration that let it in.
// The file of the audit log is opened anew in any case.
//
// It waits for nobody but an issuer whose keys are not known yet. It may be called
// by any goroutine while Run is running. Log and metrics tell of the result.
func (g *Gateway) Reload(load func() (*config.Config, error)) error {
	g.reloading.Lock()
	defer g.reloading.Unlock()
	g.reopenAudit()
	err := g.reload(load)
	g.metrics.Configured(err)
	g.noteRefused(err)
	if err != nil {
		g.log.Error().Err(err).Msg("configuration refused; the one that was loaded before stays in force")
		return err
	}
	g.log.Info().Int("clusters", len(g.config().Clusters)).Msg("configuration reloaded")
	return nil
}

func (g *Gateway) reload(load func() (*config.Config, error)) error {
	if g.background == nil {
		return errNotServing
	}
	cfg, err := load()
	if err != nil {
		return err
	}
	old := g.current.Load()
	if err := restartFor(old.config, cfg); err != nil {
		return err
	}
	gen, err := g.newGeneration(cfg, old)
	if err != nil {
		return err
	}
	if err := g.replace(old, gen); err != nil {
		gen.discard()
		return err
	}
	return nil
}

// replace puts gen in force in place of old, after the last thing that can fail.
func (g *Gateway) replace(old, gen *generation) error {
	if gen.keys != old.keys {
		if err := gen.keys.fetch(); err != nil {
			return fmt.Errorf("no token could be verified with the keys of %s: %w", gen.keys.source(), err)
		}
	}
	log := g.audit
	if gen.config.Audit != old.config.Audit {
		var err error
		if log, err = g.openAudit(gen.config); err != nil {
			return err
		}
	}
	if err := g.mux.Configure(g.muxConfig(gen)); err != nil {
		return err
	}
	gen.hold(g.background, &g.running)
	g.current.Store(gen)
	g.applyLimits(gen.config)
	if log != g.audit {
		if err := g.audit.Adopt(log); err != nil {
			g.log.Warn().Err(err).Msg("closing the former audit log")
		}
	}
	old.retire()
	return nil
}

// restartFor refuses what can't change while the gateway runs: sockets are opened
// once, by a process that may since have lost the right to.
func restartFor(old, now *config.Config) error {
	var keys []string
	if !slices.Equal(old.Listen, now.Listen) {
		keys = append(keys, "listen")
	}
	if old.Metrics != now.Metrics {
		keys = append(keys, "metrics.listen")
	}
	if old.Admin.Socket != now.Admin.Socket {
		keys = append(keys, "admin.socket")
	}
	if old.Sandbox != now.Sandbox {
		keys = append(keys, "sandbox.landlock")
	}
	if len(keys) == 0 {
		return nil
	}
	return fmt.Errorf("gateway: %s can't change in a running gateway; restart it, or set back what was there",
		strings.Join(keys, " and "))
}
