package authn

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// maxToken bounds a token, in octets, before anything is done with it.
const maxToken = 16 << 10

// Keys finds an issuer's signing key by its kid. Its errors are ErrUnknownKey
// and ErrKeysUnavailable. KeySet is one.
type Keys interface {
	Key(ctx context.Context, kid string) (*ecdsa.PublicKey, error)
}

// VerifierConfig says which tokens a Verifier accepts.
type VerifierConfig struct {
	Issuer      string           // what claim iss must be; required
	Audience    string           // what claim aud must contain; required
	AllowSystem []string         // system: users and groups that tokens may name, exactly
	CacheSize   int              // verified tokens remembered, at least 2; if zero, 4096; if negative, none
	Now         func() time.Time // if nil, time.Now
}

// Verifier verifies tokens.
type Verifier struct {
	keys   Keys
	parser *jwt.Parser
	early  *jwt.Validator // the parser's own rules on claims
	system map[string]bool
	now    func() time.Time
	cache  *grantCache
}

// Grant is what a verified token says. It is shared: it must not be modified.
type Grant struct {
	Identity Identity
	Resource Resource
	TokenID  string    // claim jti as it came, unchecked; or empty
	KeyID    string    // the kid of the key that signed the token
	RenewAt  time.Time // when a client should have the next token
	Expires  time.Time // when everything that rests on this grant ends; at most in the year 9999

	clientKey  *ecdsa.PublicKey
	signingKey *ecdsa.PublicKey
}

// NewVerifier returns a Verifier of tokens signed by keys. It panics without
// issuer or audience: the JWT library takes an empty one to mean any.
func NewVerifier(keys Keys, cfg VerifierConfig) *Verifier {
	if cfg.Issuer == "" || cfg.Audience == "" {
		panic("authn: NewVerifier without issuer or audience")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	options := []jwt.ParserOption{
		jwt.WithValidMethods([]string{jwt.SigningMethodES256.Alg()}),
		jwt.WithStrictDecoding(),
		jwt.WithIssuer(cfg.Issuer),
		jwt.WithAudience(cfg.Audience),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithTimeFunc(cfg.Now),
	}
	system := make(map[string]bool, len(cfg.AllowSystem))
	for _, name := range cfg.AllowSystem {
		system[name] = true
	}
	return &Verifier{
		keys:   keys,
		parser: jwt.NewParser(options...),
		early:  jwt.NewValidator(options...),
		system: system,
		now:    cfg.Now,
		cache:  newGrantCache(cfg.CacheSize),
	}
}

// BearerToken takes the token out of the value of Proxy-Authorization: the
// scheme bearer in any case, one space, the token. Its errors are ErrCredentials.
func BearerToken(authorization string) (string, error) {
	scheme, token, ok := strings.Cut(authorization, " ")
	if !ok || !strings.EqualFold(scheme, "bearer") || token == "" || strings.Contains(token, " ") {
		return "", ErrCredentials
	}
	return token, nil
}

// Verify verifies token and returns what it grants to whoever can prove to hold
// its key. The result of an earlier call is used while the token has not expired
// and its key is in force. ctx bounds the wait for keys, nothing else. The
// errors are the sentinels of this package; the grant next to one is nil.
func (v *Verifier) Verify(ctx context.Context, token string) (*Grant, error) {
	if len(token) > maxToken {
		return nil, fmt.Errorf("%w: %d octets", ErrMalformed, len(token))
	}
	digest := sha256.Sum256([]byte(token))
	if grant := v.remembered(ctx, digest); grant != nil {
		return grant, nil
	}
	header, err := readHeader(token)
	if err != nil {
		return nil, err
	}
	var claims Claims
	var key *ecdsa.PublicKey
	_, err = v.parser.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) {
		// The parser judges the claims again once the signature is
		// verified. Here it spares the issuer a request for keys on
		// behalf of a token that has expired together with its key.
		if err := v.early.Validate(&claims); err != nil {
			return nil, err
		}
		found, err := v.signingKey(ctx, header.keyID)
		key = found
		return found, err
	})
	if err != nil {
		return nil, classify(err)
	}
	if err := claims.check(header.typ); err != nil {
		return nil, err
	}
	identity, err := claims.identity(v.system)
	if err != nil {
		return nil, err
	}
	grant := newGrant(&claims, identity)
	grant.KeyID, grant.signingKey = header.keyID, key
	v.cache.put(digest, grant)
	return grant, nil
}

// remembered is the grant of a token that was verified before and would be
// verified again now, or nil.
func (v *Verifier) remembered(ctx context.Context, digest [sha256.Size]byte) *Grant {
	grant := v.cache.get(digest)
	if grant == nil || !v.now().Before(grant.Expires) {
		return nil
	}
	// A key that the issuer has withdrawn takes its tokens along.
	key, err := v.keys.Key(ctx, grant.KeyID)
	if err != nil || !key.Equal(grant.signingKey) {
		return nil
	}
	return grant
}

// signingKey holds whatever the Keys are to the one curve of ES256 (RFC 7518,
// Section 3.4).
func (v *Verifier) signingKey(ctx context.Context, keyID string) (*ecdsa.PublicKey, error) {
	key, err := v.keys.Key(ctx, keyID)
	if err != nil {
		return nil, err
	}
	if key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%w: %s is not on P-256", ErrUnknownKey, quote(keyID))
	}
	return key, nil
}

func newGrant(c *Claims, identity Identity) *Grant {
	grant := &Grant{
		Identity: identity,
		Resource: Resource{
			ID:      c.Resource.ID,
			Type:    c.Resource.Type,
			Address: c.Resource.Address,
			Aliases: c.Resource.Aliases,
		},
		TokenID:   c.ID,
		RenewAt:   c.RenewAt.Time,
		Expires:   c.ExpiresAt.Time,
		clientKey: c.ClientKey.PublicKey,
	}
	if m := c.Resource.Metadata; m != nil {
		grant.Resource.DownstreamPort = m.Downstream.Port
		grant.Resource.UpstreamPort = m.Upstream.Port
	}
	return grant
}

type header struct{ algorithm, typ, keyID string }

// readHeader reads and checks the JOSE header (RFC 7515, Section 4). It looks at
// the form of the whole token first: the library's decoder skips line ends.
func readHeader(token string) (header, error) {
	var h header
	if strings.Count(token, ".") != 2 || strings.ContainsFunc(token, notCompact) {
		return h, fmt.Errorf("%w: not three parts in base64url", ErrMalformed)
	}
	encoded, _, _ := strings.Cut(token, ".")
	data, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return h, fmt.Errorf("%w: header: %w", ErrMalformed, err)
	}
	var critical any
	err = decodeObject(data, map[string]any{
		"alg": &h.algorithm, "typ": optional{&h.typ}, "kid": &h.keyID, "crit": &critical,
	})
	switch {
	case err != nil:
		return h, fmt.Errorf("%w: header: %w", ErrMalformed, err)
	case h.algorithm != jwt.SigningMethodES256.Alg():
		return h, fmt.Errorf("%w: %s", ErrAlgorithm, quote(h.algorithm))
	case critical != nil:
		// Section 4.1.11: extensions that are not understood.
		return h, fmt.Errorf("%w: header: crit", ErrMalformed)
	case h.keyID == "":
		return h, fmt.Errorf("%w: no kid", ErrUnknownKey)
	}
	return h, nil
}

func notCompact(r rune) bool {
	return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r != '-' && r != '_' && r != '.'
}

// classify gives an error of the JWT library its class. Errors of this package
// come back through the library wrapped, and keep theirs.
func classify(err error) error {
	for _, c := range classes {
		if errors.Is(err, c.err) {
			return err
		}
	}
	for _, c := range []struct{ library, class error }{
		{jwt.ErrTokenMalformed, ErrMalformed},
		{jwt.ErrTokenSignatureInvalid, ErrSignature},
		{jwt.ErrTokenRequiredClaimMissing, ErrClaims},
		{jwt.ErrTokenInvalidIssuer, ErrIssuer},
		{jwt.ErrTokenInvalidAudience, ErrAudience},
		{jwt.ErrTokenExpired, ErrExpired},
		{jwt.ErrTokenNotValidYet, ErrNotYetValid},
		{jwt.ErrTokenUsedBeforeIssued, ErrNotYetValid},
	} {
		if errors.Is(err, c.library) {
			return fmt.Errorf("%w: %w", c.class, err)
		}
	}
	// Whatever else the library finds wrong: no token is accepted for want of a
	// class.
	return fmt.Errorf("%w: %w", ErrMalformed, err)
}
