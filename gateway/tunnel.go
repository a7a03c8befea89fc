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

// openTunnel is a client's from the end of the handshakes on.
type openTunnel struct {
	*admitted
	conn   *conn.Conn
	cancel context.CancelCauseFunc // of its context
	expiry *time.Timer
	start  time.Time
	end    *audit.ConnectionEnd
}

// serve forwards requests until the client ends, the token does or the gateway does.
// Below it, a goroutine waits for as long as an idle watch is open: what is on the
// stack here counts for each.
func (in *admitted) serve(ctx context.Context, c *tlsmux.Tunnel) {
	ctx, t := in.newTunnel(ctx, c)
	defer t.finish()
	t.begin(c.Started)
	t.end = t.conn.Serve(ctx)
}

// newTunnel returns a tunnel that has not begun, with its context.
func (in *admitted) newTunnel(ctx context.Context, c *tlsmux.Tunnel) (context.Context, *openTunnel) {
	t := &openTunnel{admitted: in, conn: conn.New(c.Conn, in.caller, in.backend.conn), start: time.Now()}
	t.end = &audit.ConnectionEnd{Reason: "panic", Blame: audit.BlameGateway} // unless Serve returns
	ctx, t.cancel = context.WithCancelCause(ctx)
	// Not a deadline of the context: that would be one of the clock's, and what is
	// dialed meanwhile would end with it when the clock is set.
	t.expiry = time.AfterFunc(time.Until(t.expires()), t.expire)
	return ctx, t
}

// expires is when the token ends, and the tunnel with it.
func (t *openTunnel) expires() time.Time { return t.caller.Connection.Expires }

func (t *openTunnel) expire() { t.cancel(conn.ErrTokenExpired) }

// begin shows the tunnel and tells of it, and of how long it took to get here.
func (t *openTunnel) begin(accepted time.Time) {
	g := t.gateway
	if !g.tunnels.add(t) {
		t.conn.Drain()
	}
	g.metrics.TunnelOpened()
	g.audit.ConnectionOpened(t.caller.Connection)
	if tracing := t.backend.tracing; tracing != nil {
		tracing.connection(t.caller.Connection, accepted, http.StatusOK, "")
	}
}

// finish undoes what was done since the client was let in, and tells how it ended.
func (t *openTunnel) finish() {
	g := t.gateway
	defer t.generation.release()
	defer t.caller.Account.Close()
	defer t.cancel(nil)
	defer t.expiry.Stop()
	defer g.tunnels.remove(t)
	defer func() { g.metrics.TunnelClosed(t.end.Reason) }()
	t.end.Duration = cmp.Or(t.end.Duration, time.Since(t.start))
	g.audit.ConnectionClosed(t.caller.Connection, t.end)
}
