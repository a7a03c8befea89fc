package main

import (
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/json"
	"os"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/spliceway/spliceway/authn"
)

// The names of a run. They are as long as names in use are, because they travel
// in every request.
const (
	issuerName = "bench-issuer"
	audience   = "bench"
	keyID      = "bench-1"
	targetHost = "kubernetes.bench.spliceway.test"
	target     = targetHost + ":443"
	userName   = "ann.developer@example.com"
)

var userGroups = []string{"developers", "team-payments"}

// user is the client that the tunnels are opened for.
type user struct {
	token string
	key   *ecdsa.PrivateKey // proves possession of the token
}

// newUser mints a token that is good for longer than any run, and writes the key
// set of its issuer to a file.
func newUser(keySetFile string) (*user, error) {
	signer, err := newKey()
	if err != nil {
		return nil, err
	}
	if err := writeKeySet(keySetFile, &signer.PublicKey); err != nil {
		return nil, err
	}
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	expires := jwt.NewNumericDate(now.Add(12 * time.Hour))
	claims := &authn.Claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuerName, Audience: jwt.ClaimStrings{audience}, ID: "bench-token",
			IssuedAt: jwt.NewNumericDate(now.Add(-time.Minute)), ExpiresAt: expires,
		},
		RenewAt:   expires,
		ClientKey: authn.PublicKey{PublicKey: &key.PublicKey},
		User:      &authn.UserClaim{ID: "42", Username: userName, Groups: userGroups},
		Device:    &authn.DeviceClaim{ID: "bench-device"},
		Resource:  authn.ResourceClaim{ID: "7", Type: authn.ResourceKubernetes, Address: targetHost},
	}
	token, err := claims.Sign(keyID, signer)
	if err != nil {
		return nil, err
	}
	return &user{token: token, key: key}, nil
}

// writeKeySet writes a JWK Set with one key. RFC 7517, Section 5; RFC 7518,
// Section 6.2.1.
func writeKeySet(file string, key *ecdsa.PublicKey) error {
	point, err := key.Bytes() // 4, x, y: SEC 1, Section 2.3.3
	if err != nil {
		return err
	}
	half := len(point) / 2
	document, err := json.Marshal(map[string]any{"keys": []map[string]string{{
		"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": keyID,
		"x": base64.RawURLEncoding.EncodeToString(point[1 : 1+half]),
		"y": base64.RawURLEncoding.EncodeToString(point[1+half:]),
	}}})
	if err != nil {
		return err
	}
	return os.WriteFile(file, document, 0o600)
}
