package fuzz

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	"github.com/spliceway/spliceway/authn"
)

// The issuer of the tokens here, and its client. Keys and signatures are always the
// same ones: an input that was found has to mean the same tomorrow.
var (
	issuerKey = fixedKey("issuer")
	clientKey = fixedKey("client")
	clientCPK = cpk(&clientKey.PublicKey)
)

// now is the time at the issuer and at the verifier.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fixedKey returns the key of a name.
func fixedKey(name string) *ecdsa.PrivateKey {
	secret := sha256.Sum256([]byte(name))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), secret[:])
	if err != nil {
		panic(err)
	}
	return key
}

// cpk returns the claim cpk of a key.
func cpk(key *ecdsa.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// ecdsaSignature is Ecdsa-Sig-Value of RFC 3279, Section 2.2.3.
type ecdsaSignature struct{ R, S *big.Int }

// sign returns the signature of RFC 6979, which is always the same.
func sign(key *ecdsa.PrivateKey, input []byte) ecdsaSignature {
	digest := sha256.Sum256(input)
	der, err := key.Sign(nil, digest[:], crypto.SHA256)
	if err != nil {
		panic(err)
	}
	var s ecdsaSignature
	if _, err := asn1.Unmarshal(der, &s); err != nil {
		panic(err)
	}
	return s
}

// twin returns the other signature that is good if s is: everybody can tell it from
// s, it is a property of ECDSA.
func (s ecdsaSignature) twin() ecdsaSignature {
	return ecdsaSignature{s.R, new(big.Int).Sub(elliptic.P256().Params().N, s.S)}
}

// jose returns the form that a signature has in a token (RFC 7518, Section 3.4).
func (s ecdsaSignature) jose() string {
	return base64.RawURLEncoding.EncodeToString(append(s.R.FillBytes(make([]byte, 32)), s.S.FillBytes(make([]byte, 32))...))
}

// der returns the form that a signature has in a proof.
func (s ecdsaSignature) der() string {
	der, err := asn1.Marshal(s)
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

// signed signs a header and a payload as they are.
func signed(header, payload string) string {
	input := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	return input + "." + sign(issuerKey, []byte(input)).jose()
}

// Headers of the two generations of tokens.
const (
	olderHeader = `{"alg":"ES256","kid":"k1","typ":"GAT"}`
	newerHeader = `{"alg":"ES256","kid":"k1","typ":"JWT"}`
)

// olderPayload, newerPayload and servicePayload return good payloads.
func olderPayload() string {
	return fmt.Sprintf(`{"iss":"https://issuer.example.com","aud":"acme","exp":%d,"iat":%d,"nbf":%d,"rnw":%d,"ver":"1","cpk":%q,`+
		`"jti":"t-1","user":{"id":"u-1","username":"ann@example.com","groups":["dev","ops"]},"device":{"id":"d-1"},`+
		`"resource":{"id":"r-1","type":"KUBERNETES","address":"10.0.0.1"}}`,
		now.Unix()+300, now.Unix()-5, now.Unix()-5, now.Unix()+200, clientCPK)
}

func newerPayload() string {
	return fmt.Sprintf(`{"typ":"GAT","iss":"https://issuer.example.com","aud":["other","acme"],"exp":%d.5,"rnw":%d,"ver":"1","cpk":%q,`+
		`"user":{"id":"u-1","username":"Ann Other","groups":null},"device":{"id":"d-1","location":{"lat":1.5,"lon":2.5}},`+
		`"resource":{"id":"r-1","type":"KUBERNETES","address":"*.int","aliases":["a.int"],`+
		`"gateway_metadata":{"downstream":{"port":443},"upstream":{"port":6443}}}}`, now.Unix()+300, now.Unix()+200, clientCPK)
}

func servicePayload() string {
	return fmt.Sprintf(`{"typ":"GAT","iss":"https://issuer.example.com","aud":"acme","exp":%d,"rnw":%d,"ver":"1","cpk":%q,`+
		`"service":{"id":"7","name":"deployer","key":{"id":"deployer-2026"}},`+
		`"resource":{"id":"r-1","type":"KUBERNETES","address":"a.int"}}`, now.Unix()+300, now.Unix()+200, clientCPK)
}

// issuerKeys are the keys that the verifier knows.
type issuerKeys struct{}

func (issuerKeys) Key(_ context.Context, kid string) (*ecdsa.PublicKey, error) {
	if kid == "k1" {
		return &issuerKey.PublicKey, nil
	}
	return nil, authn.ErrUnknownKey
}

// newVerifier returns a verifier of the issuer's tokens, which one name of the
// system may be in.
func newVerifier() *authn.Verifier {
	return authn.NewVerifier(issuerKeys{}, authn.VerifierConfig{
		Issuer:      "https://issuer.example.com",
		Audience:    "acme",
		AllowSystem: []string{"system:masters"},
		CacheSize:   16,
		Now:         func() time.Time { return now },
	})
}
