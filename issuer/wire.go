package issuer

import (
	"time"

	"github.com/spliceway/spliceway/authn"
)

// Paths of the endpoints, relative to the root of the server.
const (
	PathKeys      = "/keys"
	PathResources = "/resources"
	PathToken     = "/token"
	PathHealth    = "/healthz"
)

// TokenRequest is the body of POST /token.
type TokenRequest struct {
	// PublicKey is the key that the token is to be bound to, on P-256, P-384 or P-521. On the wire it is the standard
	// base64 of a PEM block "PUBLIC KEY" (PKIX).
	PublicKey authn.PublicKey `json:"publicKey"`
	// Resource is the name, the address or an alias of the resource, in any case.
	Resource string `json:"resource"`
}

// TokenAnswer is the answer to a TokenRequest. Times are RFC 3339 with whole seconds, as in the token.
type TokenAnswer struct {
	// Token is a JWS in compact form. It is a credential together with the private key.
	Token string `json:"token"`
	// ExpiresAt is when the token, and every connection made with it, ends.
	ExpiresAt time.Time `json:"expiresAt"`
	// RenewAt is when the holder should ask for the next token.
	RenewAt time.Time `json:"renewAt"`
}

// ResourceInfo is what a user is told about a resource.
type ResourceInfo struct {
	Name string `json:"name"`
	// Address is the host that a CONNECT names, or a pattern "*.domain" for exactly one label.
	Address string   `json:"address"`
	Aliases []string `json:"aliases,omitempty"`
	// Port is the only port that a CONNECT may name; 0: any.
	Port int    `json:"port,omitempty"`
	Type string `json:"type"`
}

// ResourceList is the answer to GET /resources, in the order of the configuration.
type ResourceList struct {
	Resources []ResourceInfo `json:"resources"`
}

// ErrorAnswer is the body of every refusal.
type ErrorAnswer struct {
	// Error is one sentence without a full stop, fit to be shown to the user.
	Error string `json:"error"`
}
