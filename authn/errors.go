package authn

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// The classes of refusal. Errors of this package wrap exactly one of them, with
// the precise cause behind it for the log; the cause can hold text of the
// client's choosing, quoted and cut, and never the token or a proof.
var (
	// ErrCredentials: the client sent no bearer credentials at all.
	ErrCredentials = errors.New("authn: no bearer credentials")
	// ErrMalformed: the token is too long or no JWS in compact form.
	ErrMalformed = errors.New("authn: malformed token")
	// ErrAlgorithm: the token is not signed with ES256.
	ErrAlgorithm = errors.New("authn: signature algorithm not accepted")
	// ErrType: neither header nor claims mark the token as a GAT of version 1.
	ErrType = errors.New("authn: not a gateway access token")
	// ErrUnknownKey: the issuer has no key of that kid.
	ErrUnknownKey = errors.New("authn: unknown signing key")
	// ErrKeysUnavailable: there are no keys, or none that are fresh enough. It
	// says nothing about the token.
	ErrKeysUnavailable = errors.New("authn: signing keys unavailable")
	// ErrSignature: the signature does not verify.
	ErrSignature = errors.New("authn: token signature does not verify")
	// ErrExpired: the token's exp has come.
	ErrExpired = errors.New("authn: token expired")
	// ErrNotYetValid: the token's nbf or iat lies in the future.
	ErrNotYetValid = errors.New("authn: token not valid yet")
	// ErrIssuer: another issuer's token.
	ErrIssuer = errors.New("authn: wrong issuer")
	// ErrAudience: a token for somebody else.
	ErrAudience = errors.New("authn: wrong audience")
	// ErrClaims: a claim is missing, ill-formed, ambiguous or out of bounds.
	ErrClaims = errors.New("authn: claims not accepted")
	// ErrSystemIdentity: the token names a system: user or group that the
	// configuration does not allow.
	ErrSystemIdentity = errors.New("authn: system identity not allowed")
	// ErrResource: the token is for a resource that is no Kubernetes cluster.
	ErrResource = errors.New("authn: resource type not served")
	// ErrProof: the proof of possession is absent, ill-formed or does not verify.
	ErrProof = errors.New("authn: proof of possession does not verify")
	// ErrTarget: the CONNECT target is ill-formed or not what the token permits.
	ErrTarget = errors.New("authn: target not permitted by the token")
)

// classes is in the order in which an error of several classes is read.
var classes = []struct {
	err    error
	reason string
	status int
}{
	{ErrCredentials, "credentials", http.StatusProxyAuthRequired},
	{ErrMalformed, "malformed", http.StatusUnauthorized},
	{ErrAlgorithm, "algorithm", http.StatusUnauthorized},
	{ErrType, "type", http.StatusUnauthorized},
	{ErrUnknownKey, "key", http.StatusUnauthorized},
	{ErrKeysUnavailable, "keys-unavailable", http.StatusServiceUnavailable},
	{ErrSignature, "signature", http.StatusUnauthorized},
	{ErrExpired, "expired", http.StatusUnauthorized},
	{ErrNotYetValid, "not-yet-valid", http.StatusUnauthorized},
	{ErrIssuer, "issuer", http.StatusUnauthorized},
	{ErrAudience, "audience", http.StatusUnauthorized},
	{ErrClaims, "claims", http.StatusUnauthorized},
	{ErrSystemIdentity, "system-identity", http.StatusUnauthorized},
	{ErrResource, "resource", http.StatusUnauthorized},
	{ErrProof, "proof", http.StatusUnauthorized},
	{ErrTarget, "target", http.StatusBadRequest},
}

// Reason is the one word that a client may see and that metrics are labelled
// with. It is "" for nil and "internal" for an error this package did not make.
func Reason(err error) string {
	if err == nil {
		return ""
	}
	for _, c := range classes {
		if errors.Is(err, c.err) {
			return c.reason
		}
	}
	return "internal"
}

// Status is the HTTP status with which a CONNECT is refused for err: 407 without
// credentials, 401 for a bad token or proof, 400 for a bad target, 503 while
// there are no keys to judge by, and, as the protocol has it, 400 for an error
// this package did not make.
func Status(err error) int {
	for _, c := range classes {
		if errors.Is(err, c.err) {
			return c.status
		}
	}
	return http.StatusBadRequest
}

// Reasons lists every word that Reason returns for an error, for callers that
// announce their metric labels beforehand.
func Reasons() []string {
	words := make([]string, 0, len(classes)+1)
	for _, c := range classes {
		words = append(words, c.reason)
	}
	return append(words, "internal")
}

func claimsErrorf(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrClaims, fmt.Errorf(format, args...))
}

// quote shows text of the client's choosing: quoted, and cut so that a log line
// stays a line.
func quote(s string) string {
	const limit = 64
	if len(s) > limit {
		return strconv.Quote(s[:limit]) + "..."
	}
	return strconv.Quote(s)
}
