//go:build linux

package soak

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/spliceway/spliceway/authn"
)

const (
	issuerName = "https://issuer.test"
	audience   = "soak"
	keyID      = "k1"
	targetHost = "prod.test"
	target     = targetHost + ":443"
)

// issuer signs tokens and serves its keys, or something else in their place.
type issuer struct {
	t      *testing.T
	signer *ecdsa.PrivateKey
	keys   string // of signer
	lies   []func(w http.ResponseWriter, r *http.Request)
	lie    atomic.Int64 // index into lies, -1: none
	told   atomic.Int64 // lies that were told
	server *httptest.Server
}

func startIssuer(t *testing.T) *issuer {
	i := &issuer{t: t, signer: newKey(t)}
	i.keys = jwks(t, &i.signer.PublicKey, "EC")
	wrongType := jwks(t, &newKey(t).PublicKey, "oct")
	otherKey := jwks(t, &newKey(t).PublicKey, "EC") // under the same kid
	say := func(text string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(text)) }
	}
	i.lies = []func(w http.ResponseWriter, r *http.Request){
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "broken", http.StatusInternalServerError) },
		func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) },
		say("{}"), say(`{"keys": [`), say(wrongType), say(otherKey), say(strings.Repeat(" ", 4<<20) + i.keys),
		func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil { // one octet now and then, for ever
				w.Write([]byte(" "))
				http.NewResponseController(w).Flush()
				time.Sleep(100 * time.Millisecond)
			}
		},
	}
	i.lie.Store(-1)
	i.server = httptest.NewServer(i)
	i.server.Config.ErrorLog = nil
	t.Cleanup(i.server.Close)
	return i
}

// ServeHTTP implements http.Handler.
func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if n := i.lie.Load(); n >= 0 {
		i.told.Add(1)
		i.lies[int(n)%len(i.lies)](w, r)
		return
	}
	w.Write([]byte(i.keys))
}

// token is good for an hour, for whoever has key.
func (i *issuer) token(user string, key *ecdsa.PrivateKey) (string, error) {
	now := time.Now()
	claims := &authn.Claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuerName, Audience: jwt.ClaimStrings{audience}, IssuedAt: jwt.NewNumericDate(now.Add(-time.Minute)),
			ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour)),
		},
		RenewAt:   jwt.NewNumericDate(now.Add(time.Hour)),
		ClientKey: authn.PublicKey{PublicKey: &key.PublicKey},
		User:      &authn.UserClaim{ID: user, Username: user},
		Device:    &authn.DeviceClaim{ID: "d-1"},
		Resource:  authn.ResourceClaim{ID: "r-1", Type: authn.ResourceKubernetes, Address: targetHost},
	}
	return claims.Sign(keyID, i.signer)
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// jwks is a set with one key. RFC 7517, Section 5; RFC 7518, Section 6.2.1.
func jwks(t *testing.T, key *ecdsa.PublicKey, kind string) string {
	t.Helper()
	point, err := key.Bytes() // 4, x, y
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	text, err := json.Marshal(map[string]any{"keys": []map[string]string{
		{"kty": kind, "crv": "P-256", "kid": keyID, "x": encode(point[1:33]), "y": encode(point[33:])},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
