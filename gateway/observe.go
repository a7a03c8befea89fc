package gateway

import (
	"cmp"
	"context"
	"errors"
	"io"
	"time"

	"github.com/rs/zerolog"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/tlsmux"
)

// observe makes metrics and events of what happens to a connection before it is
// a tunnel. Refusals of a token are told by refuse, which knows more.
func (g *Gateway) observe(a *tlsmux.Attempt, o tlsmux.Outcome) {
	g.metrics.Connection(string(o.Phase), string(o.Result))
	if o.Result == tlsmux.ResultPanic {
		g.metrics.Panic()
	}
	if o.Phase == tlsmux.PhaseAuthn && o.Result == tlsmux.ResultOK {
		return // authenticate has noted who it is, until the end of the inner handshake
	}
	in := g.opening.take(a)
	if in != nil && o.Result != tlsmux.ResultOK {
		in.caller.Account.Close() // or the tunnel does
		in.generation.release()
	}
	reason := cmp.Or(g.refusedByLimit(o), string(o.Result))
	if told(o) {
		return
	}
	var who *audit.Connection
	if in != nil {
		who = in.caller.Connection
	} else {
		who = &audit.Connection{ID: a.ID, ClientID: a.ClientID, RemoteAddr: a.RemoteAddr.String(), Target: a.Target}
	}
	g.audit.ConnectionRefused(who, string(o.Phase), o.Status, reason, o.Err)
}

// told says that an outcome needs no event: there is nothing to tell, refuse or
// the tunnel has written one, or it is a client that connected and went away
// without a word, as the probes of load balancers do every few seconds.
func told(o tlsmux.Outcome) bool {
	switch o.Phase {
	case tlsmux.PhaseAuthn:
		return o.Result != tlsmux.ResultPanic
	case tlsmux.PhaseTunnel:
		return true
	case tlsmux.PhaseProxyHeader, tlsmux.PhaseOuterTLS:
		return o.Result == tlsmux.ResultOK || o.Result == tlsmux.ResultClosed
	case tlsmux.PhaseConnect:
		return o.Result == tlsmux.ResultOK || o.Result == tlsmux.ResultHealthz ||
			o.Result == tlsmux.ResultClosed && errors.Is(o.Err, io.EOF) // and not in the middle of a head
	}
	return o.Result == tlsmux.ResultOK
}

// watchInterval is how often files are looked at for changes.
const watchInterval = 5 * time.Second

// reloaded tells of files that were read again, or could not be. log says whose
// they are.
func (g *Gateway) reloaded(log zerolog.Logger, kind string, err error) {
	g.metrics.Reload(kind, err)
	if err != nil {
		log.Error().Str("kind", kind).Err(err).
			Msg("changed file can't be used; what was loaded before stays in force until it is repaired")
		return
	}
	log.Info().Str("kind", kind).Msg("reloaded")
}

// followCertificates reads certificates again when their files change, until ctx
// is done.
func (g *Gateway) followCertificates(ctx context.Context, certs *tlsmux.Certificates) {
	certs.Run(ctx, g.every, func(file string, err error) {
		g.reloaded(g.log.With().Str(audit.FieldFile, file).Logger(), "certificate", err)
	})
}
