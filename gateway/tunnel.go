package gateway

import (
	"cmp"
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/authn"
	"github.com/spliceway/spliceway/conn"
	"github.com/spliceway/spliceway/tlsmux"
)

// extraConnection is the key under which the API server's audit log shows the
// connection id, if that is configured: userextras/spliceway-connection-id.
const extraConnection = "Impersonate-Extra-Spliceway-Connection-Id"

// newCaller makes the header lines that every request of a connection gets: who
// acts, from where, and on which connection.
func newCaller(who *audit.Connection, id authn.Identity, extra bool, remote netip.Addr) (*conn.Caller, error) {
	lines, err := conn.Impersonate(id.User, id.Groups)
	if err != nil {
		return nil, err
	}
	if extra {
		if lines, err = conn.AppendLine(lines, extraConnection, who.ID); err != nil {
			return nil, err
		}
	}
	if remote.IsValid() {
		// Shows up as a source IP in the API server's audit log.
		if lines, err = conn.AppendLine(lines, "X-Forwarded-For", remote.String()); err != nil {
			return nil, err
		}
	}
	return &conn.Caller{Connection: who, Lines: lines}, nil
}

// serveTunnel forwards requests until the client ends, the token does or the
// gateway does.
func (g *Gateway) serveTunnel(ctx context.Context, t *tlsmux.Tunnel, caller *conn.Caller, b *backend, expires time.Time) {
	defer caller.Account.Close()
	ctx, cancel := context.WithDeadlineCause(ctx, expires, conn.ErrTokenExpired)
	defer cancel()
	c := conn.New(t.Conn, caller, b.conn)
	if !g.tunnels.add(c, caller.Connection) {
		c.Drain()
	}
	defer g.tunnels.remove(c)
	g.metrics.TunnelOpened()
	defer g.metrics.TunnelClosed()
	g.audit.ConnectionOpened(caller.Connection)
	if b.tracing != nil {
		b.tracing.connection(caller.Connection, t.Started, http.StatusOK, "")
	}
	start, end := time.Now(), &audit.ConnectionEnd{Reason: "panic", Blame: audit.BlameGateway} // unless Serve returns
	defer func() {
		end.Duration = cmp.Or(end.Duration, time.Since(start))
		g.audit.ConnectionClosed(caller.Connection, end)
	}()
	end = c.Serve(ctx)
}
