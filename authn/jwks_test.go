package authn

import (
	"crypto/elliptic"
	"maps"
	"slices"
	"strings"
	"testing"
)

// RFC 7517, Appendix A.1, shortened to the EC key (which is for encryption) and
// a twin of it for signatures.
const rfc7517Keys = `{"keys":[
 {"kty":"EC","crv":"P-256",
  "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
  "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
  "use":"enc","kid":"1"},
 {"kty":"EC","crv":"P-256",
  "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
  "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
  "use":"sig","kid":"2"}]}`

func TestParseKeysOfRFC(t *testing.T) {
	keys, err := parseKeys([]byte(rfc7517Keys))
	if err != nil {
		t.Fatal(err)
	}
	if ids := slices.Collect(maps.Keys(keys)); !slices.Equal(ids, []string{"2"}) {
		t.Errorf("parseKeys = keys %q, want only 2", ids)
	}
}

func TestParseKeysPicks(t *testing.T) {
	with := func(name string, value any) map[string]any {
		key := jwk("k", &issuerKey.PublicKey)
		key[name] = value
		return key
	}
	without := func(name string) map[string]any {
		key := jwk("k", &issuerKey.PublicKey)
		delete(key, name)
		return key
	}
	p384 := newKey(elliptic.P384())
	for _, row := range []struct {
		name string
		key  map[string]any
		want bool
	}{
		{"good", jwk("k", &issuerKey.PublicKey), true},
		{"use-absent", without("use"), true},
		{"use-enc", with("use", "enc"), false},
		{"use-unknown", with("use", "tls"), false},
		{"use-no-string", with("use", 1), false},
		{"alg-es256", with("alg", "ES256"), true},
		{"alg-es384", with("alg", "ES384"), false},
		{"alg-ecdh", with("alg", "ECDH-ES"), false},
		{"key-ops-verify", with("key_ops", []string{"verify"}), true},
		{"key-ops-sign-and-verify", with("key_ops", []string{"sign", "verify"}), true},
		{"key-ops-sign", with("key_ops", []string{"sign"}), false},
		{"key-ops-derive", with("key_ops", []string{"deriveKey"}), false},
		{"kid-absent", without("kid"), false},
		{"kid-empty", with("kid", ""), false},
		{"kty-rsa", with("kty", "RSA"), false},
		{"kty-oct", map[string]any{"kty": "oct", "kid": "k", "k": "c2VjcmV0"}, false},
		{"kty-of-the-future", with("kty", "LWE"), false},
		{"kty-absent", without("kty"), false},
		{"crv-absent", without("crv"), false},
		{"crv-p384", jwk("k", &p384.PublicKey), false},
		{"crv-p384-labelled-p256", func() map[string]any {
			key := jwk("k", &p384.PublicKey)
			key["crv"] = "P-256"
			return key
		}(), false},
		{"crv-secp256k1", with("crv", "secp256k1"), false},
		{"x-absent", without("x"), false},
		{"x-no-base64", with("x", "!"), false},
		{"point-off-the-curve", with("x", "AAAA"), false},
		{"point-at-zero", func() map[string]any {
			key := with("x", "AA")
			key["y"] = "AA"
			return key
		}(), false},
		{"certificate-nobody-fetches", with("x5u", "http://127.0.0.1:1/never"), true},
		{"certificate-nobody-reads", with("x5c", []string{"!"}), true},
		{"no-object", nil, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			keys, err := parseKeys(jwks(jwk("other", &clientKey.PublicKey), row.key))
			if err != nil {
				t.Fatalf("parseKeys = %v: the other key is good", err)
			}
			if keys["other"] == nil || !keys["other"].Equal(&clientKey.PublicKey) {
				t.Errorf("parseKeys lost the other key")
			}
			if key := keys["k"]; (key != nil) != row.want || (row.want && !key.Equal(&issuerKey.PublicKey)) {
				t.Errorf("parseKeys took k: %v, want %v", key != nil, row.want)
			}
		})
	}
}

func TestParseKeysRefuses(t *testing.T) {
	good := jwk("k", &issuerKey.PublicKey)
	for name, document := range map[string][]byte{
		"empty":          nil,
		"html":           []byte("<html>502</html>"),
		"cut":            jwks(good)[:40],
		"followed":       append(jwks(good), "x"...),
		"list":           []byte("[]"),
		"no-keys-member": []byte("{}"),
		"keys-null":      []byte(`{"keys":null}`),
		"keys-empty":     jwks(),
		"keys-object":    []byte(`{"keys":{}}`),
		"only-rsa":       []byte(`{"keys":[{"kty":"RSA","kid":"k","n":"AQAB","e":"AQAB"}]}`),
		"nested":         []byte(strings.Repeat(`{"keys":[`, 20000)),
		"one-kid-two-keys": jwks(good, jwk("other", &clientKey.PublicKey),
			jwk("k", &clientKey.PublicKey)),
	} {
		if keys, err := parseKeys(document); keys != nil || err == nil {
			t.Errorf("%s: parseKeys = %v, %v, want an error", name, keys, err)
		}
	}
	if keys, err := parseKeys(jwks(good, good)); err != nil || len(keys) != 1 {
		t.Errorf("one key twice: parseKeys = %v, %v, want it once", keys, err)
	}
}
