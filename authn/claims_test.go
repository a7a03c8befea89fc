package authn

import (
	"crypto/ecdsa"
	"encoding/base64"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func signedClaims() *Claims {
	return &Claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    "https://issuer.example.com",
			Audience:  jwt.ClaimStrings{"acme"},
			ExpiresAt: jwt.NewNumericDate(now.Add(5 * time.Minute)),
			IssuedAt:  jwt.NewNumericDate(now),
		},
		RenewAt:   jwt.NewNumericDate(now.Add(4 * time.Minute)),
		ClientKey: PublicKey{&clientKey.PublicKey},
		User:      &UserClaim{ID: "u-1", Username: "ann", Groups: []string{"dev"}},
		Resource: ResourceClaim{
			ID: "r-1", Type: ResourceKubernetes, Address: "*.k8s.int", Aliases: []string{"prod"},
			Metadata: &GatewayMetadata{Downstream: PortClaim{443}, Upstream: PortClaim{6443}},
		},
	}
}

// The wire form is what the protocol says, member for member.
func TestClaimsSignWireForm(t *testing.T) {
	token, err := signedClaims().Sign("k1", issuerKey)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(token, ".")
	header, _ := base64.RawURLEncoding.DecodeString(parts[0])
	if want := `{"alg":"ES256","kid":"k1","typ":"GAT"}`; string(header) != want {
		t.Errorf("header = %s, want %s", header, want)
	}
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	want := `{"iss":"https://issuer.example.com","aud":["acme"],"exp":1772366700,"iat":1772366400,` +
		`"typ":"GAT","ver":"1","rnw":1772366640,"cpk":"` + cpk(&clientKey.PublicKey) + `",` +
		`"user":{"id":"u-1","username":"ann","groups":["dev"]},` +
		`"resource":{"id":"r-1","type":"KUBERNETES","address":"*.k8s.int","aliases":["prod"],` +
		`"gateway_metadata":{"downstream":{"port":443},"upstream":{"port":6443}}}}`
	if string(payload) != want {
		t.Errorf("payload = %s\nwant      %s", payload, want)
	}
	if _, err := newVerifier().Verify(t.Context(), token); err != nil {
		t.Errorf("Verify = %v", err)
	}
}

func TestClaimsSignOlderForm(t *testing.T) {
	claims := signedClaims()
	claims.Resource = ResourceClaim{ID: "r-1", Type: ResourceKubernetes, Address: "10.0.0.1"}
	token, err := claims.Sign("k1", issuerKey)
	if err != nil {
		t.Fatal(err)
	}
	if claims.Type != "" || claims.Version != "" {
		t.Errorf("Sign wrote into its receiver: %q, %q", claims.Type, claims.Version)
	}
	payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if strings.Contains(string(payload), "gateway_metadata") {
		t.Errorf("payload has gateway_metadata: %s", payload)
	}
	grant, err := newVerifier().Verify(t.Context(), token)
	if err != nil || grant.Resource.DownstreamPort != 0 {
		t.Errorf("Verify = %+v, %v, want any port", grant, err)
	}
}

func TestClaimsSignWithoutClientKey(t *testing.T) {
	claims := signedClaims()
	claims.ClientKey = PublicKey{}
	if token, err := claims.Sign("k1", issuerKey); token != "" || err == nil {
		t.Errorf("Sign without client key = %q, %v, want an error", token, err)
	}
}

func TestPublicKeyCurves(t *testing.T) {
	for file, want := range map[string]string{"p256.pem": "P-256", "p384.pem": "P-384", "p521.pem": "P-521"} {
		encoded := base64.StdEncoding.EncodeToString(readTestdata(t, file))
		var key PublicKey
		if err := json.Unmarshal([]byte(`"`+encoded+`"`), &key); err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if key.Params().Name != want {
			t.Errorf("%s: curve %s, want %s", file, key.Params().Name, want)
		}
		if again, err := json.Marshal(key); string(again) != `"`+encoded+`"` || err != nil {
			t.Errorf("%s: written again as %s, %v", file, again, err)
		}
	}
}

func TestPublicKeyRefuses(t *testing.T) {
	good := string(readTestdata(t, "p256.pem"))
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	wrapped := encode(good)[:64] + `\n` + encode(good)[64:]
	for name, text := range map[string]string{
		"empty":             "",
		"no-base64":         good[:20],
		"raw-der":           strings.ReplaceAll(strings.Split(good, "-----")[2], "\n", ""),
		"line-end-inside":   wrapped,
		"unpadded":          strings.TrimRight(encode(good+"\n\n"[:len(good)%3]), "="),
		"text-before":       encode("x\n" + good),
		"text-behind":       encode(good + "x"),
		"two-keys":          encode(good + good),
		"pem-header":        encode(strings.Replace(good, "-\n", "-\nA: b\n\n", 1)),
		"other-label-next":  encode("-----BEGIN PUBLIC KEY-----\n!\n" + strings.ReplaceAll(good, "PUBLIC", "EC PUBLIC")),
		"private-key-label": encode(strings.ReplaceAll(good, "PUBLIC", "PRIVATE")),
		"cut":               encode(good[:60]),
		"p224":              encode(string(readTestdata(t, "p224.pem"))),
		"secp256k1":         encode(string(readTestdata(t, "secp256k1.pem"))),
		"explicit-curve":    encode(string(readTestdata(t, "explicit.pem"))),
		"rsa":               encode(string(readTestdata(t, "rsa.pem"))),
	} {
		var key PublicKey
		if err := json.Unmarshal([]byte(`"`+text+`"`), &key); err == nil || key.PublicKey != nil {
			t.Errorf("%s: took %s as %v", name, text, key)
		}
	}
}

func readTestdata(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestPublicKeyZero(t *testing.T) {
	if data, err := json.Marshal(PublicKey{}); err == nil {
		t.Errorf("wrote %s for no key", data)
	}
	var key PublicKey
	if err := json.Unmarshal([]byte(`7`), &key); err == nil {
		t.Error("read a number as key")
	}
	var _ *ecdsa.PublicKey = key.PublicKey
}
