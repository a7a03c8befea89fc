package authn

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"testing"
	"time"
)

// A draft is a token under construction. It is put together by hand, from maps
// and crypto/ecdsa, so that it owes nothing to the code under test.
type draft struct {
	header  map[string]any
	payload map[string]any

	headerJSON  func(string) string // edits the JSON, if not nil
	payloadJSON func(string) string
	sign        func(input string) []byte // replaces ES256 by the issuer's key
	compact     func(string) string       // edits the finished token
}

// now is the time in all tests that do not need a running clock.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

var (
	issuerKey = newKey(elliptic.P256())
	clientKey = newKey(elliptic.P256())
)

func newKey(curve elliptic.Curve) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// older is a good token of the older generation: type in the header, no ports.
func older() *draft {
	return &draft{
		header: map[string]any{"alg": "ES256", "kid": "k1", "typ": "GAT"},
		payload: map[string]any{
			"iss": "https://issuer.example.com", "aud": "acme",
			"exp": now.Unix() + 300, "iat": now.Unix() - 5, "nbf": now.Unix() - 5, "rnw": now.Unix() + 200,
			"ver": "1", "cpk": cpk(&clientKey.PublicKey), "jti": "t-1",
			"user":     map[string]any{"id": "u-1", "username": "ann@example.com", "groups": []any{"dev", "ops"}},
			"device":   map[string]any{"id": "d-1"},
			"resource": map[string]any{"id": "r-1", "type": "KUBERNETES", "address": "10.0.0.1"},
		},
	}
}

// newer is a good token of the newer generation: type in the claims, ports.
func newer() *draft {
	d := older()
	d.header["typ"] = "JWT"
	d.payload["typ"] = "GAT"
	d.payload["aud"] = []any{"acme"}
	d.object("device")["location"] = map[string]any{"lat": 1.5, "lon": 2.5, "country": "NL"}
	d.object("resource")["aliases"] = []any{"cluster-a.int"}
	d.object("resource")["gateway_metadata"] = map[string]any{
		"downstream": map[string]any{"port": 443}, "upstream": map[string]any{"port": 6443},
	}
	return d
}

// object is a nested object of the payload: object("resource", "gateway_metadata").
func (d *draft) object(path ...string) map[string]any {
	o := d.payload
	for _, name := range path {
		o = o[name].(map[string]any)
	}
	return o
}

func (d *draft) token(t testing.TB) string {
	t.Helper()
	input := segment(t, d.header, d.headerJSON) + "." + segment(t, d.payload, d.payloadJSON)
	sign := d.sign
	if sign == nil {
		sign = func(input string) []byte { return signES256(issuerKey, input) }
	}
	token := input + "." + base64.RawURLEncoding.EncodeToString(sign(input))
	if d.compact != nil {
		token = d.compact(token)
	}
	return token
}

func segment(t testing.TB, object map[string]any, edit func(string) string) string {
	t.Helper()
	data, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		data = []byte(edit(string(data)))
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

// signES256 follows RFC 7518, Section 3.4: R and S in 32 octets each.
func signES256(key *ecdsa.PrivateKey, input string) []byte {
	digest := sha256.Sum256([]byte(input))
	return signDigest(key, digest[:], 32)
}

func signDigest(key *ecdsa.PrivateKey, digest []byte, size int) []byte {
	r, s, err := ecdsa.Sign(rand.Reader, key, digest)
	if err != nil {
		panic(err)
	}
	return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
}

func cpk(key *ecdsa.PublicKey) string {
	return base64.StdEncoding.EncodeToString(publicPEM(key))
}

func publicPEM(key any) []byte {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// jwk is the JWK of a key on P-256 or P-384 (RFC 7518, Section 6.2.1).
func jwk(kid string, key *ecdsa.PublicKey) map[string]any {
	point, err := key.Bytes() // 4, x, y
	if err != nil {
		panic(err)
	}
	x, y := point[1:1+len(point)/2], point[1+len(point)/2:]
	return map[string]any{
		"kty": "EC", "crv": key.Params().Name, "use": "sig", "kid": kid,
		"x": base64.RawURLEncoding.EncodeToString(x), "y": base64.RawURLEncoding.EncodeToString(y),
	}
}

func jwks(keys ...map[string]any) []byte {
	data, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		panic(err)
	}
	return data
}

// keyMap is Keys without I/O.
type keyMap map[string]*ecdsa.PublicKey

func (m keyMap) Key(_ context.Context, kid string) (*ecdsa.PublicKey, error) {
	if key := m[kid]; key != nil {
		return key, nil
	}
	return nil, fmt.Errorf("%w: kid %s", ErrUnknownKey, kid)
}

func newVerifier(allow ...string) *Verifier {
	return NewVerifier(keyMap{"k1": &issuerKey.PublicKey}, VerifierConfig{
		Issuer: "https://issuer.example.com", Audience: "acme", AllowSystem: allow, Now: clock,
	})
}
