package gateway

import (
	"time"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/tlsmux"
)

// observe makes metrics and events of what happens to a connection before it is
// a tunnel. Refusals of a token are told by refuse, which knows more.
func (g *Gateway) observe(a *tlsmux.Attempt, o tlsmux.Outcome) {
	g.metrics.Connection(string(o.Phase), string(o.Result))
	who := g.opening.take(a)
	if o.Result == tlsmux.ResultPanic {
		g.metrics.Panic()
	}
	if o.Result == tlsmux.ResultOK || o.Result == tlsmux.ResultHealthz || told(o) {
		if o.Phase == tlsmux.PhaseAuthn && o.Result == tlsmux.ResultOK && who != nil {
			g.opening.add(a, who) // until the end of the inner handshake
		}
		return
	}
	if who == nil {
		who = &audit.Connection{ID: a.ID, ClientID: a.ClientID, RemoteAddr: a.RemoteAddr.String(), Target: a.Target}
	}
	g.audit.ConnectionRefused(who, string(o.Phase), o.Status, string(o.Result), o.Err)
}

// told says that an outcome needs no event: refuse has written one, or it is a
// client that connected and went away without a word, as the probes of load
// balancers do every few seconds.
func told(o tlsmux.Outcome) bool {
	silent := o.Phase == tlsmux.PhaseOuterTLS || o.Phase == tlsmux.PhaseProxyHeader
	return o.Phase == tlsmux.PhaseAuthn && o.Result == tlsmux.ResultRefused ||
		silent && o.Result == tlsmux.ResultClosed
}

// watchInterval is how often files are looked at for changes.
const watchInterval = 5 * time.Second

// reloaded tells of a file that was read again, or could not be.
func (g *Gateway) reloaded(kind, file string, err error) {
	g.metrics.Reload(kind, err)
	if err != nil {
		g.log.Error().Str("kind", kind).Str("file", file).Err(err).Msg("changed file can't be used; what was loaded before stays in force")
		return
	}
	g.log.Info().Str("kind", kind).Str("file", file).Msg("reloaded")
}
