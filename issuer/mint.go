package issuer

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/spliceway/spliceway/authn"
)

// slowClock is how far a gateway's clock may be behind ours: gateways refuse a token of the future without leeway.
const slowClock = 30 * time.Second

// mint makes a token for s that opens r to the holder of the private half of key.
func mint(cfg *Config, signer signingKey, s *subject, r *Resource, key authn.PublicKey, now time.Time) (TokenAnswer, error) {
	device, err := deviceID(key.PublicKey)
	if err != nil {
		return TokenAnswer{}, fmt.Errorf("issuer: naming the device: %w", err)
	}
	now = now.Truncate(time.Second)
	expires := now.Add(cfg.TokenLifetime)
	renew := now.Add(cfg.TokenLifetime * 2 / 3).Truncate(time.Second)
	claims := &authn.Claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    cfg.Issuer,
			Audience:  jwt.ClaimStrings{cfg.Audience},
			IssuedAt:  jwt.NewNumericDate(now.Add(-slowClock)),
			ExpiresAt: jwt.NewNumericDate(expires),
			ID:        rand.Text(),
		},
		RenewAt:   jwt.NewNumericDate(renew),
		ClientKey: key,
		Device:    &authn.DeviceClaim{ID: device},
		Resource:  r.claim(),
	}
	s.claim(claims)
	token, err := claims.Sign(signer.kid, signer.private)
	if err != nil {
		return TokenAnswer{}, fmt.Errorf("issuer: minting: %w", err)
	}
	return TokenAnswer{Token: token, ExpiresAt: expires.UTC(), RenewAt: renew.UTC()}, nil
}

func (s *subject) claim(claims *authn.Claims) {
	if s.service {
		claims.Service = &authn.ServiceClaim{ID: s.id, Name: s.name, Key: authn.ServiceKeyClaim{ID: s.keyID}}
		return
	}
	// The older generation wants a list even when it is empty; nil would be null.
	groups := append([]string{}, s.groups...)
	claims.User = &authn.UserClaim{ID: s.id, Username: s.name, Groups: groups}
}

func (r *Resource) claim() authn.ResourceClaim {
	claim := authn.ResourceClaim{ID: r.ID, Type: r.Type, Address: r.Address, Aliases: r.Aliases}
	if r.Port != 0 {
		claim.Metadata = &authn.GatewayMetadata{
			Downstream: authn.PortClaim{Port: r.Port},
			Upstream:   authn.PortClaim{Port: r.UpstreamPort},
		}
	}
	return claim
}

// deviceID tells the holders of a user's keys apart: every key is made on one device and never leaves it.
func deviceID(key *ecdsa.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:8]), nil
}
