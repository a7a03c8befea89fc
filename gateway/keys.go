package gateway

import (
	"cmp"

	"github.com/spliceway/spliceway/authn"
)

func (g *Gateway) openKeys() (err error) {
	a := &g.config.Authn
	refresh := a.RefreshInterval
	if a.JWKSFile != "" {
		refresh = g.every // a file is looked at like any other
	}
	g.keys, err = authn.NewKeySet(authn.KeySetConfig{
		URL: a.JWKSURL, CAFile: a.JWKSCAFile, CacheFile: a.CacheFile, File: a.JWKSFile,
		Refresh: refresh, MaxStale: a.MaxStaleness, Report: g.keysRefreshed,
	})
	if err != nil {
		return err
	}
	g.verifier = authn.NewVerifier(g.keys, authn.VerifierConfig{
		Issuer: a.Issuer, Audience: a.Audience, AllowSystem: a.AllowSystemIdentities,
	})
	return nil
}

// keySource is the URL or the file with the issuer's keys.
func (g *Gateway) keySource() string { return cmp.Or(g.config.Authn.JWKSURL, g.config.Authn.JWKSFile) }

// keysRefreshed is told when reading the issuer's keys begins to fail or works
// again.
func (g *Gateway) keysRefreshed(err error) {
	g.metrics.Reload("signing-keys", err)
	if err != nil {
		g.log.Error().Err(err).Str("source", g.keySource()).Stringer("max_staleness", g.config.Authn.MaxStaleness).
			Msg("the issuer's signing keys can't be read anew; those already known, if any, stay in force until they are older than max_staleness")
		return
	}
	g.log.Info().Str("source", g.keySource()).Msg("the issuer's signing keys were read")
}
