package connect

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"net"

	"github.com/spliceway/spliceway/issuer"
)

// What a Proxy does for each connection, step by step, for whoever has to find out which step fails.

// GatewayTLS returns the address of the gateway that is dialled, and the TLS configuration for it.
func (o *Options) GatewayTLS() (address string, config *tls.Config, err error) { return o.gateway() }

// FetchToken asks the issuer for a token that is bound to key and opens the resource whose name choose returns: it gets
// what the user may reach, and its error ends the call. Who has to be asked for a password is asked once.
func FetchToken(ctx context.Context, options IssuerOptions, key *ecdsa.PublicKey, choose func([]issuer.ResourceInfo) (string, error)) (string, error) {
	client, err := newIssuerClient(options)
	if err != nil {
		return "", err
	}
	defer client.close()
	resources, err := client.resources(ctx)
	if err != nil {
		return "", err
	}
	resource, err := choose(resources)
	if err != nil {
		return "", err
	}
	token, err := client.token(ctx, key, resource)
	return token.value, err
}

// Establish sends the CONNECT for target on conn, which is a connection to a gateway whose handshake is done, with the
// token and the proof by its key, and returns the tunnel. What the gateway has refused is an error with its reason.
// conn stays the caller's, who sets deadlines.
func Establish(conn *tls.Conn, key *ecdsa.PrivateKey, target, token string) (net.Conn, error) {
	g := &gateway{address: conn.RemoteAddr().String(), key: key}
	t, err := g.exchange(conn, target, token)
	if err != nil {
		return nil, err
	}
	return t, nil
}
