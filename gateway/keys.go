package gateway

import (
	"cmp"
	"context"
	"reflect"
	"time"

	"github.com/spliceway/spliceway/authn"
)

// signingKeys are the issuer's keys, as a part.
type signingKeys struct {
	part
	*authn.KeySet
	settings authn.KeySetConfig // without what is of this process
}

// source is the URL or the file with the keys.
func (k *signingKeys) source() string { return cmp.Or(k.settings.URL, k.settings.File) }

func (g *Gateway) openKeys(gen, old *generation) error {
	a := &gen.config.Authn
	settings := authn.KeySetConfig{
		URL: a.JWKSURL, CAFile: a.JWKSCAFile, CacheFile: a.CacheFile, File: a.JWKSFile,
		Refresh: a.RefreshInterval, MaxStale: a.MaxStaleness,
	}
	if a.JWKSFile != "" {
		settings.Refresh = g.every // a file is looked at like any other
	}
	if old != nil && reflect.DeepEqual(old.keys.settings, settings) {
		gen.keys = old.keys
	} else {
		k := &signingKeys{settings: settings}
		settings.Report = func(err error) { g.keysRefreshed(k, err) }
		var err error
		if k.KeySet, err = authn.NewKeySet(settings); err != nil {
			return err
		}
		k.run = k.KeySet.Run
		gen.keys = k
	}
	gen.entry = append(gen.entry, &gen.keys.part)
	gen.verifier = authn.NewVerifier(gen.keys, authn.VerifierConfig{
		Issuer: a.Issuer, Audience: a.Audience, AllowSystem: a.AllowSystemIdentities,
	})
	return nil
}

// fetchPatience is for the keys of a new issuer, before its configuration is put
// in force.
const fetchPatience = 30 * time.Second

// fetch gets keys that were never fetched: until they are there, a gateway lets
// nobody in.
func (k *signingKeys) fetch() error {
	ctx, cancel := context.WithTimeout(context.Background(), fetchPatience)
	defer cancel()
	if k.Ready() != nil {
		_, _ = k.Key(ctx, "") // is in no set, so that the issuer is asked; the log has why it can't be
	}
	return k.Ready()
}

// keysRefreshed is told when reading the issuer's keys begins to fail or works
// again.
func (g *Gateway) keysRefreshed(k *signingKeys, err error) {
	g.metrics.Reload("signing-keys", err)
	if err != nil {
		g.log.Error().Err(err).Str("source", k.source()).Stringer("max_staleness", k.settings.MaxStale).
			Msg("the issuer's signing keys can't be read anew; those already known, if any, stay in force until they are older than max_staleness")
		return
	}
	g.log.Info().Str("source", k.source()).Msg("the issuer's signing keys were read")
}
