package gateway

import (
	"context"
	"errors"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/authn"
	"github.com/spliceway/spliceway/cluster"
	"github.com/spliceway/spliceway/tlsmux"
)

// reasonNoCluster is the reason word for a good token whose resource is none of
// the configured clusters. The others are those of package authn.
const reasonNoCluster = "no-cluster"

// authenticate decides about a CONNECT: token, then proof, then target, then
// which cluster. It is the only place where an identity is let in.
func (g *Gateway) authenticate(ctx context.Context, c *tlsmux.Connect) (tlsmux.Handler, error) {
	who := &audit.Connection{
		ID: c.ID, ClientID: c.ClientID, RemoteAddr: c.RemoteAddr.String(), Target: c.Target,
	}
	gen := g.acquire()
	in, err := g.letIn(ctx, gen, c, who)
	if err != nil {
		defer gen.release()
		return nil, g.refuse(gen, c, who, err)
	}
	g.metrics.Authentication("ok")
	g.opening.add(c.Attempt, in)
	return in.serve, nil
}

// letIn returns who is admitted, with an account that is open.
func (g *Gateway) letIn(ctx context.Context, gen *generation, c *tlsmux.Connect, who *audit.Connection) (*admitted, error) {
	grant, b, err := gen.admit(ctx, c, who)
	if err != nil {
		return nil, err
	}
	caller, err := newCaller(who, grant.Identity, b.extra, c.RemoteAddr.Addr())
	if err != nil {
		return nil, err
	}
	if caller.Account, err = g.openAccount(who.User); err != nil {
		return nil, err
	}
	return &admitted{g, gen, caller, b}, nil
}

// admit verifies what the client shows, and fills in who as it goes, so that a
// refusal names as much as is proven.
func (gen *generation) admit(ctx context.Context, c *tlsmux.Connect, who *audit.Connection) (*authn.Grant, *backend, error) {
	grant, err := gen.verifier.Verify(ctx, c.Token)
	if err != nil {
		return nil, nil, err
	}
	ekm, err := c.ExportKeyingMaterial(authn.ExporterLabel, nil, authn.ExporterLength)
	if err != nil {
		// Nothing is answered: the connection can't carry a proof at all.
		return nil, nil, &tlsmux.Refusal{Err: err}
	}
	if err := grant.VerifyProof(ekm, c.Signature); err != nil {
		return nil, nil, err
	}
	who.User, who.Groups, who.Subject = grant.Identity.User, grant.Identity.Groups, grant.Identity.Subject
	who.Service, who.Device = grant.Identity.Service, grant.Identity.Device
	who.Resource, who.Expires = grant.Resource.ID, grant.Expires
	host, err := grant.MatchTarget(c.Target)
	if err != nil {
		return nil, nil, err
	}
	matched, err := gen.clusters.Match(host, grant.Resource.Address)
	if err != nil {
		return nil, nil, err
	}
	who.Cluster = matched.Name()
	return grant, gen.backends[matched.Name()], nil
}

// refuse tells audit log, metrics and trace, and turns err into the answer.
func (g *Gateway) refuse(gen *generation, c *tlsmux.Connect, who *audit.Connection, err error) error {
	refusal := &tlsmux.Refusal{Status: authn.Status(err), Reason: authn.Reason(err), Err: err}
	switch {
	case errors.As(err, &refusal):
	case errors.Is(err, cluster.ErrNoMatch), errors.Is(err, cluster.ErrAmbiguous):
		refusal.Status, refusal.Reason = 400, reasonNoCluster
	}
	reason := refusal.Reason
	if reason == "" {
		reason = "internal"
	}
	g.metrics.Authentication(reason)
	g.audit.ConnectionRefused(who, string(tlsmux.PhaseAuthn), refusal.Status, reason, err)
	if gen.tracing != nil {
		gen.tracing.connection(who, c.Started, refusal.Status, reason)
	}
	return refusal
}
