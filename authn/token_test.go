package authn

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

var generations = []struct {
	name string
	good func() *draft
}{{"older", older}, {"newer", newer}}

func TestVerifyGoodToken(t *testing.T) {
	identity := Identity{User: "ann@example.com", Groups: []string{"dev", "ops"}, Subject: "u-1", Device: "d-1"}
	resources := map[string]Resource{
		"older": {ID: "r-1", Type: "KUBERNETES", Address: "10.0.0.1"},
		"newer": {ID: "r-1", Type: "KUBERNETES", Address: "10.0.0.1", Aliases: []string{"cluster-a.int"}, DownstreamPort: 443, UpstreamPort: 6443},
	}
	for _, generation := range generations {
		t.Run(generation.name, func(t *testing.T) {
			grant, err := newVerifier().Verify(t.Context(), generation.good().token(t))
			if err != nil {
				t.Fatalf("Verify(good token) = %v", err)
			}
			if !reflect.DeepEqual(grant.Identity, identity) {
				t.Errorf("Identity = %+v, want %+v", grant.Identity, identity)
			}
			if want := resources[generation.name]; !reflect.DeepEqual(grant.Resource, want) {
				t.Errorf("Resource = %+v, want %+v", grant.Resource, want)
			}
			if want := now.Add(300 * time.Second); !grant.Expires.Equal(want) {
				t.Errorf("Expires = %v, want %v", grant.Expires, want)
			}
			if want := now.Add(200 * time.Second); !grant.RenewAt.Equal(want) {
				t.Errorf("RenewAt = %v, want %v", grant.RenewAt, want)
			}
			if grant.KeyID != "k1" || grant.TokenID != "t-1" {
				t.Errorf("KeyID, TokenID = %q, %q, want k1, t-1", grant.KeyID, grant.TokenID)
			}
		})
	}
}

// replace returns an edit that must find what it replaces.
func replace(old, new string) func(string) string {
	return func(s string) string {
		if !strings.Contains(s, old) {
			panic(fmt.Sprintf("no %q in %s", old, s))
		}
		return strings.Replace(s, old, new, 1)
	}
}

type row struct {
	name   string
	change func(*draft)
	want   error
}

// refusals change one thing of a token that is good in both generations.
func refusals() []row {
	rows := formRefusals()
	rows = append(rows, headerRefusals()...)
	rows = append(rows, claimRefusals()...)
	rows = append(rows, jsonRefusals()...)
	return append(rows, identityRefusals()...)
}

func formRefusals() []row {
	compact := func(edit func(string) string) func(*draft) {
		return func(d *draft) { d.compact = edit }
	}
	return []row{
		{"empty", compact(func(string) string { return "" }), ErrMalformed},
		{"one-part", compact(func(s string) string { return strings.ReplaceAll(s, ".", "") }), ErrMalformed},
		{"two-parts", compact(func(s string) string { return s[:strings.LastIndex(s, ".")] }), ErrMalformed},
		{"four-parts", compact(func(s string) string { return s + ".e30" }), ErrMalformed},
		{"blank-before", compact(func(s string) string { return " " + s }), ErrMalformed},
		{"line-end-in-signature", compact(func(s string) string { return s + "\n" }), ErrMalformed},
		{"line-end-in-header", compact(func(s string) string { return s[:4] + "\r\n" + s[4:] }), ErrMalformed},
		{"padded", compact(func(s string) string { return s + "==" }), ErrMalformed},
		{"standard-alphabet", compact(func(s string) string { return s[:len(s)-1] + "+" }), ErrMalformed},
		// 64 octets of signature in 86 characters leave four bits over.
		{"stray-bits-in-signature", compact(func(s string) string {
			const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
			last := strings.IndexByte(digits, s[len(s)-1])
			return s[:len(s)-1] + digits[last+1:last+2]
		}), ErrMalformed},
		{"header-no-json", func(d *draft) { d.headerJSON = func(string) string { return "alg" } }, ErrMalformed},
		{"header-no-object", func(d *draft) { d.headerJSON = func(string) string { return "[]" } }, ErrMalformed},
		{"header-null", func(d *draft) { d.headerJSON = func(string) string { return "null" } }, ErrMalformed},
		{"header-empty", func(d *draft) { d.headerJSON = func(string) string { return "" } }, ErrMalformed},
		{"header-cut", func(d *draft) { d.headerJSON = func(s string) string { return s[:len(s)-1] } }, ErrMalformed},
		{"header-followed", func(d *draft) { d.headerJSON = func(s string) string { return s + "{}" } }, ErrMalformed},
		{"header-name-no-string", func(d *draft) { d.headerJSON = replace(`{`, `{1:2,`) }, ErrMalformed},
		{"header-value-missing", func(d *draft) { d.headerJSON = replace(`{`, `{"x":,`) }, ErrMalformed},
		{"header-no-base64url", func(d *draft) {
			d.compact = func(s string) string { return "e" + s[strings.Index(s, "."):] }
		}, ErrMalformed},
		{"payload-no-object", func(d *draft) { d.payloadJSON = func(string) string { return "[]" } }, ErrClaims},
		{"payload-null", func(d *draft) { d.payloadJSON = func(string) string { return "null" } }, ErrClaims},
		{"payload-empty", func(d *draft) { d.payloadJSON = func(string) string { return "{}" } }, ErrClaims},
		{"payload-followed", func(d *draft) { d.payloadJSON = func(s string) string { return s + "{}" } }, ErrMalformed},
		{"over-16-kib", func(d *draft) { d.payload["pad"] = strings.Repeat("x", maxToken) }, ErrMalformed},
		{"other-signer", func(d *draft) {
			d.sign = func(in string) []byte { return signES256(newKey(elliptic.P256()), in) }
		}, ErrSignature},
		{"signed-by-the-client", func(d *draft) {
			d.sign = func(in string) []byte { return signES256(clientKey, in) }
		}, ErrSignature},
		{"signature-empty", func(d *draft) { d.sign = func(string) []byte { return nil } }, ErrSignature},
		{"signature-zero", func(d *draft) { d.sign = func(string) []byte { return make([]byte, 64) } }, ErrSignature},
		{"signature-longer", func(d *draft) {
			d.sign = func(in string) []byte { return append(signES256(issuerKey, in), 0) }
		}, ErrSignature},
		{"signature-in-der", func(d *draft) {
			d.sign = func(in string) []byte {
				digest := sha256.Sum256([]byte(in))
				der, _ := ecdsa.SignASN1(rand.Reader, issuerKey, digest[:])
				return der
			}
		}, ErrSignature},
		{"payload-of-another-token", func(d *draft) {
			d.sign = func(in string) []byte { return signES256(issuerKey, in+"x") }
		}, ErrSignature},
	}
}

func headerRefusals() []row {
	set := func(name string, value any) func(*draft) {
		return func(d *draft) { d.header[name] = value }
	}
	remove := func(name string) func(*draft) { return func(d *draft) { delete(d.header, name) } }
	return []row{
		{"alg-missing", remove("alg"), ErrAlgorithm},
		{"alg-no-string", set("alg", 256), ErrMalformed},
		{"alg-none", func(d *draft) {
			d.header["alg"] = "none"
			d.sign = func(string) []byte { return nil }
		}, ErrAlgorithm},
		{"alg-none-in-capitals", set("alg", "NONE"), ErrAlgorithm},
		{"alg-in-lower-case", set("alg", "es256"), ErrAlgorithm},
		{"alg-hs256-public-key-as-secret", func(d *draft) {
			d.header["alg"] = "HS256"
			d.sign = func(in string) []byte {
				mac := hmac.New(sha256.New, publicPEM(&issuerKey.PublicKey))
				mac.Write([]byte(in))
				return mac.Sum(nil)
			}
		}, ErrAlgorithm},
		{"alg-rs256", func(d *draft) {
			d.header["alg"] = "RS256"
			d.sign = func(in string) []byte {
				key, err := rsa.GenerateKey(rand.Reader, 2048)
				if err != nil {
					panic(err)
				}
				digest := sha256.Sum256([]byte(in))
				signature, err := rsa.SignPKCS1v15(nil, key, 5 /* crypto.SHA256 */, digest[:])
				if err != nil {
					panic(err)
				}
				return signature
			}
		}, ErrAlgorithm},
		{"alg-es384-same-key", func(d *draft) {
			d.header["alg"] = "ES384"
			d.sign = func(in string) []byte {
				digest := sha512.Sum384([]byte(in))
				return signDigest(issuerKey, digest[:], 48)
			}
		}, ErrAlgorithm},
		{"kid-missing", remove("kid"), ErrUnknownKey},
		{"kid-empty", set("kid", ""), ErrUnknownKey},
		{"kid-unknown", set("kid", "k2"), ErrUnknownKey},
		{"kid-no-string", set("kid", 1), ErrMalformed},
		{"kid-null", set("kid", nil), ErrMalformed},
		{"crit", set("crit", []any{"b64"}), ErrMalformed},
		{"crit-null", set("crit", nil), ErrMalformed},
		{"alg-twice", func(d *draft) { d.headerJSON = replace(`{`, `{"alg":"none",`) }, ErrMalformed},
		{"kid-lookalike", set("KID", "k1"), ErrMalformed},
	}
}

func claimRefusals() []row {
	set := func(name string, value any) func(*draft) {
		return func(d *draft) { d.payload[name] = value }
	}
	remove := func(name string) func(*draft) { return func(d *draft) { delete(d.payload, name) } }
	resource := func(name string, value any) func(*draft) {
		return func(d *draft) { d.object("resource")[name] = value }
	}
	rows := []row{
		{"iss-other", set("iss", "https://issuer.example.org"), ErrIssuer},
		{"iss-longer", set("iss", "https://issuer.example.com/"), ErrIssuer},
		{"iss-other-case", set("iss", "https://Issuer.example.com"), ErrIssuer},
		{"iss-no-string", set("iss", []any{"https://issuer.example.com"}), ErrClaims},
		{"aud-other", set("aud", "acme2"), ErrAudience},
		{"aud-others", set("aud", []any{"acme2", "acme3"}), ErrAudience},
		{"aud-empty-list", set("aud", []any{}), ErrClaims},
		{"aud-object", set("aud", map[string]any{"acme": true}), ErrClaims},
		{"exp-now", set("exp", now.Unix()), ErrExpired},
		{"exp-past", set("exp", now.Unix()-1), ErrExpired},
		{"exp-fraction-cut", set("exp", float64(now.Unix())+0.9), ErrExpired},
		{"exp-zero", set("exp", 0), ErrExpired},
		{"exp-negative", set("exp", -1), ErrClaims},
		{"exp-quoted", set("exp", fmt.Sprint(now.Unix()+300)), ErrClaims},
		{"exp-year-10000", set("exp", 253402300800), ErrClaims},
		{"exp-over-int64", set("exp", 1e19), ErrClaims},
		{"exp-over-float64", func(d *draft) {
			d.payloadJSON = replace(fmt.Sprintf(`"exp":%d`, now.Unix()+300), `"exp":1e999`)
		}, ErrClaims},
		{"iat-future", set("iat", now.Unix()+1), ErrNotYetValid},
		{"nbf-future", set("nbf", now.Unix()+1), ErrNotYetValid},
		{"iat-huge", set("iat", uint64(math.MaxUint64)), ErrClaims},
		{"ver-missing", remove("ver"), ErrType},
		{"ver-2", set("ver", "2"), ErrType},
		{"ver-number", set("ver", 1), ErrClaims},
		{"typ-other-in-claims", set("typ", "ACCESS"), ErrType},
		{"typ-empty-in-claims", set("typ", ""), ErrClaims},
		{"typ-lower-case-in-claims", set("typ", "gat"), ErrType},
		{"cpk-number", set("cpk", 7), ErrClaims},
		{"cpk-empty", set("cpk", ""), ErrClaims},
		{"resource-list", set("resource", []any{}), ErrClaims},
		{"resource-id-empty", resource("id", ""), ErrClaims},
		{"resource-id-number", resource("id", 1), ErrClaims},
		{"resource-type-empty", resource("type", ""), ErrClaims},
		{"resource-type-ssh", resource("type", "SSH"), ErrResource},
		{"resource-type-web-app", resource("type", "WEB_APP"), ErrResource},
		{"resource-type-lower-case", resource("type", "kubernetes"), ErrResource},
		{"resource-address-empty", resource("address", ""), ErrClaims},
		{"resource-address-line-end", resource("address", "10.0.0.1\r\nX: y"), ErrClaims},
		{"resource-aliases-string", resource("aliases", "a.int"), ErrClaims},
		{"metadata-null", resource("gateway_metadata", nil), ErrClaims},
		{"metadata-empty", resource("gateway_metadata", map[string]any{}), ErrClaims},
		{"device-id-empty", func(d *draft) { d.object("device")["id"] = "" }, ErrClaims},
		{"device-string", set("device", "d-1"), ErrClaims},
	}
	for _, name := range []string{"iss", "aud", "exp", "rnw", "cpk", "user", "resource"} {
		rows = append(rows,
			row{name + "-missing", remove(name), ErrClaims},
			row{name + "-null", set(name, nil), ErrClaims})
	}
	for _, name := range []string{"id", "type", "address"} {
		rows = append(rows, row{"resource-" + name + "-missing", func(d *draft) { delete(d.object("resource"), name) }, ErrClaims})
	}
	return rows
}

func jsonRefusals() []row {
	edit := func(old, new string) func(*draft) {
		return func(d *draft) { d.payloadJSON = replace(old, new) }
	}
	eve := `{"id":"u-2","username":"eve","groups":[]}`
	return []row{
		{"user-twice", edit(`{`, `{"user":`+eve+`,`), ErrClaims},
		{"user-twice-one-escaped", edit(`{`, `{"\u0075ser":`+eve+`,`), ErrClaims},
		{"user-and-lookalike", edit(`{`, `{"USER":`+eve+`,`), ErrClaims},
		{"user-lookalike-only", edit(`"user":`, `"User":`), ErrClaims},
		// U+017F folds to s: encoding/json takes "uſer" for "user".
		{"user-long-s", edit(`{`, `{"u\u017fer":`+eve+`,`), ErrClaims},
		{"unknown-member-twice", edit(`{`, `{"x":1,"x":2,`), ErrClaims},
		{"username-twice", edit(`"username":`, `"username":"eve","username":`), ErrClaims},
		{"username-lookalike", edit(`"username":`, `"UserName":"eve","username":`), ErrClaims},
		{"groups-twice", edit(`"groups":`, `"groups":["admins"],"groups":`), ErrClaims},
		{"groups-lookalike", edit(`"groups":`, `"Groups":["admins"],"groups":`), ErrClaims},
		{"exp-twice", edit(`"exp":`, `"exp":99999999999,"exp":`), ErrClaims},
		{"exp-lookalike", edit(`{`, `{"Exp":99999999999,`), ErrClaims},
		{"address-twice", edit(`"address":`, `"address":"10.0.0.2","address":`), ErrClaims},
		{"cpk-twice", edit(`"cpk":`, `"cpk":"","cpk":`), ErrClaims},
		{"invalid-utf-8", edit(`ann@`, "an\xff@"), ErrClaims},
		{"overlong-utf-8", edit(`ann@`, "an\xc0\xae@"), ErrClaims},
		{"lone-surrogate", edit(`ann@`, `an\ud800@`), ErrClaims},
	}
}

func identityRefusals() []row {
	user := func(name string, value any) func(*draft) {
		return func(d *draft) { d.object("user")[name] = value }
	}
	groups := func(names ...any) func(*draft) { return user("groups", names) }
	var rows []row
	for _, bad := range []struct{ name, text string }{
		{"empty", ""},
		{"blank", " "},
		{"blanks", "   "},
		{"tab", "\t"},
		{"leading-space", " ann"},
		{"trailing-space", "ann "},
		{"line-end", "ann\r\nImpersonate-Group: system:masters"},
		{"bare-lf", "ann\nx"},
		{"nul", "ann\x00"},
		{"inner-tab", "ann\tx"},
		{"del", "ann\x7f"},
		{"c1-control", "ann\u0085x"},
		{"no-break-space", "\u00a0"},
		{"line-separator", "ann\u2028x"},
		{"right-to-left-override", "ann\u202ex"},
		{"zero-width-space", "ann\u200b"},
		{"byte-order-mark", "\ufeffann"},
		{"replacement-character", "ann\ufffd"},
		{"over-256-octets", strings.Repeat("a", 257)},
		{"over-256-octets-of-runes", strings.Repeat("é", 129)},
	} {
		rows = append(rows,
			row{"username-" + bad.name, user("username", bad.text), ErrClaims},
			row{"user-id-" + bad.name, user("id", bad.text), ErrClaims},
			row{"group-" + bad.name, groups("dev", bad.text), ErrClaims})
	}
	many := make([]any, maxGroups+1)
	for i := range many {
		many[i] = fmt.Sprintf("g%d", i)
	}
	return append(rows,
		row{"username-system-admin", user("username", "system:admin"), ErrSystemIdentity},
		row{"username-service-account", user("username", "system:serviceaccount:kube-system:x"), ErrSystemIdentity},
		row{"username-system-only-prefix", user("username", "system:"), ErrSystemIdentity},
		row{"group-system-masters", groups("dev", "system:masters"), ErrSystemIdentity},
		row{"group-system-masters-first", groups("system:masters", "dev"), ErrSystemIdentity},
		row{"group-null", groups("dev", nil), ErrClaims},
		row{"group-number", groups("dev", 7), ErrClaims},
		row{"groups-string", user("groups", "dev"), ErrClaims},
		row{"groups-too-many", groups(many...), ErrClaims},
		row{"username-missing", func(d *draft) { delete(d.object("user"), "username") }, ErrClaims},
		row{"user-id-missing", func(d *draft) { delete(d.object("user"), "id") }, ErrClaims},
		row{"user-and-service", func(d *draft) { d.payload["service"] = service() }, ErrClaims},
		row{"user-string", func(d *draft) { d.payload["user"] = "ann" }, ErrClaims},
	)
}

func TestVerifyRefuses(t *testing.T) {
	for _, generation := range generations {
		for _, row := range refusals() {
			t.Run(generation.name+"/"+row.name, func(t *testing.T) {
				d := generation.good()
				row.change(d)
				checkRefused(t, d.token(t), row.want)
			})
		}
	}
}

func checkRefused(t *testing.T, token string, want error) {
	t.Helper()
	grant, err := newVerifier().Verify(t.Context(), token)
	if grant != nil {
		t.Errorf("Verify returned a grant for %+v", grant.Identity)
	}
	if !errors.Is(err, want) {
		t.Fatalf("Verify = %v, want %v", err, want)
	}
	if len(token) > 20 && strings.Contains(err.Error(), token[len(token)-20:]) {
		t.Errorf("error shows the token: %v", err)
	}
	// One class only: the word for the client does not depend on an order.
	for _, c := range classes {
		if c.err != want && errors.Is(err, c.err) {
			t.Errorf("error is %q as well as %q", c.reason, Reason(want))
		}
	}
}

// The type marker sits in a different place in each generation.
func TestVerifyRefusesWithoutTypeMarker(t *testing.T) {
	for _, row := range []row{
		{"older-header-without-typ", func(d *draft) { delete(d.header, "typ") }, ErrType},
		{"older-header-typ-null", func(d *draft) { d.header["typ"] = nil }, ErrType},
		{"older-header-typ-jwt", func(d *draft) { d.header["typ"] = "JWT" }, ErrType},
		{"older-header-typ-lower-case", func(d *draft) { d.header["typ"] = "gat" }, ErrType},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := older()
			row.change(d)
			checkRefused(t, d.token(t), row.want)
		})
	}
	for _, row := range []row{
		{"newer-claim-typ-missing", func(d *draft) { delete(d.payload, "typ") }, ErrType},
		{"newer-claim-typ-empty", func(d *draft) { d.payload["typ"] = "" }, ErrClaims},
		{"newer-claim-typ-null", func(d *draft) { d.payload["typ"] = nil }, ErrClaims},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := newer()
			row.change(d)
			checkRefused(t, d.token(t), row.want)
		})
	}
}

func TestVerifyRefusesPorts(t *testing.T) {
	for _, side := range []string{"downstream", "upstream"} {
		for name, change := range map[string]func(metadata map[string]any){
			"missing":       func(m map[string]any) { delete(m, side) },
			"null":          func(m map[string]any) { m[side] = nil },
			"empty":         func(m map[string]any) { m[side] = map[string]any{} },
			"number":        func(m map[string]any) { m[side] = 443 },
			"port-zero":     func(m map[string]any) { m[side] = map[string]any{"port": 0} },
			"port-negative": func(m map[string]any) { m[side] = map[string]any{"port": -1} },
			"port-65536":    func(m map[string]any) { m[side] = map[string]any{"port": 65536} },
			"port-fraction": func(m map[string]any) { m[side] = map[string]any{"port": 443.5} },
			"port-quoted":   func(m map[string]any) { m[side] = map[string]any{"port": "443"} },
			"port-null":     func(m map[string]any) { m[side] = map[string]any{"port": nil} },
		} {
			t.Run(side+"/"+name, func(t *testing.T) {
				d := newer()
				change(d.object("resource", "gateway_metadata"))
				checkRefused(t, d.token(t), ErrClaims)
			})
		}
	}
}

// Each row is the allowed twin of a refused one.
func TestVerifyAccepts(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*draft)
	}{
		{"both-type-markers", func(d *draft) { d.header["typ"], d.payload["typ"] = "GAT", "GAT" }},
		{"aud-among-others", func(d *draft) { d.payload["aud"] = []any{"other", "acme"} }},
		{"iat-now", func(d *draft) { d.payload["iat"] = now.Unix() }},
		{"nbf-now", func(d *draft) { d.payload["nbf"] = now.Unix() }},
		{"no-iat-no-nbf-no-jti", func(d *draft) {
			delete(d.payload, "iat")
			delete(d.payload, "nbf")
			delete(d.payload, "jti")
		}},
		{"exp-next-second", func(d *draft) { d.payload["exp"] = now.Unix() + 1 }},
		{"exp-fraction", func(d *draft) { d.payload["exp"] = float64(now.Unix()) + 1.5 }},
		{"exp-exponent", func(d *draft) { d.payloadJSON = replace(fmt.Sprintf(`"exp":%d`, now.Unix()+300), `"exp":2.0e11`) }},
		{"exp-year-9999", func(d *draft) { d.payload["exp"] = 253402300799 }},
		{"rnw-past", func(d *draft) { d.payload["rnw"] = now.Unix() - 1 }},
		{"device-absent", func(d *draft) { delete(d.payload, "device") }},
		{"device-null", func(d *draft) { d.payload["device"] = nil }},
		{"groups-absent", func(d *draft) { delete(d.object("user"), "groups") }},
		{"groups-null", func(d *draft) { d.object("user")["groups"] = nil }},
		{"unknown-members", func(d *draft) { d.payload["email"] = map[string]any{"x": []any{nil}} }},
		{"unknown-header-members", func(d *draft) { d.header["jku"] = "https://evil.example/keys" }},
		{"white-space-in-json", func(d *draft) { d.payloadJSON = func(s string) string { return " \n" + s + "\t" } }},
		{"username-256-octets", func(d *draft) { d.object("user")["username"] = strings.Repeat("a", 256) }},
		{"username-inner-space", func(d *draft) { d.object("user")["username"] = "Ann de Vries" }},
		{"username-other-script", func(d *draft) { d.object("user")["username"] = "アン" }},
		{"group-systematic", func(d *draft) { d.object("user")["groups"] = []any{"systematic", "a system:b"} }},
	} {
		for _, generation := range generations {
			t.Run(generation.name+"/"+row.name, func(t *testing.T) {
				d := generation.good()
				row.change(d)
				if _, err := newVerifier().Verify(t.Context(), d.token(t)); err != nil {
					t.Fatalf("Verify = %v", err)
				}
			})
		}
	}
}

func TestVerifyKeyOnAnotherCurve(t *testing.T) {
	key := newKey(elliptic.P384())
	v := NewVerifier(keyMap{"k1": &key.PublicKey}, VerifierConfig{Issuer: "https://issuer.example.com", Audience: "acme", Now: clock})
	d := newer()
	d.sign = func(in string) []byte {
		digest := sha256.Sum256([]byte(in))
		return signDigest(key, digest[:], 48)
	}
	if _, err := v.Verify(t.Context(), d.token(t)); !errors.Is(err, ErrUnknownKey) {
		t.Fatalf("Verify with a P-384 key = %v, want %v", err, ErrUnknownKey)
	}
}

// A token over the limit must be refused for its size, not for what is in it.
func TestVerifyTokenSize(t *testing.T) {
	v := newVerifier()
	fits := newer()
	fits.payload["pad"] = ""
	room := maxToken - len(fits.token(t))
	fits.payload["pad"] = strings.Repeat("x", room/4*3-3)
	if _, err := v.Verify(t.Context(), fits.token(t)); err != nil {
		t.Fatalf("Verify(token of %d octets) = %v", len(fits.token(t)), err)
	}
	fits.payload["pad"] = strings.Repeat("x", room/4*3+3)
	_, err := v.Verify(t.Context(), fits.token(t))
	if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "octets") {
		t.Fatalf("Verify(token of %d octets) = %v, want %v for its size", len(fits.token(t)), err, ErrMalformed)
	}
}

func TestNewVerifierWithoutIssuerOrAudience(t *testing.T) {
	for _, cfg := range []VerifierConfig{{Audience: "acme"}, {Issuer: "https://issuer.example.com"}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("NewVerifier(%+v) did not panic", cfg)
				}
			}()
			NewVerifier(keyMap{}, cfg)
		}()
	}
}

func TestBearerToken(t *testing.T) {
	for _, good := range []string{"Bearer abc", "bearer abc", "BEARER abc"} {
		if token, err := BearerToken(good); token != "abc" || err != nil {
			t.Errorf("BearerToken(%q) = %q, %v, want abc", good, token, err)
		}
	}
	for _, bad := range []string{"", "abc", "Bearer", "Bearer ", "Bearer  abc", " Bearer abc", "Bearer abc ", "Bearer a b", "Basic abc", "Bearer\tabc"} {
		if token, err := BearerToken(bad); token != "" || !errors.Is(err, ErrCredentials) {
			t.Errorf("BearerToken(%q) = %q, %v, want %v", bad, token, err, ErrCredentials)
		}
	}
}

// switchableKeys are Keys that a test takes away and gives back.
type switchableKeys struct {
	mu   sync.Mutex
	keys keyMap
	err  error
}

func (s *switchableKeys) set(keys keyMap, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.err = keys, err
}

func (s *switchableKeys) Key(ctx context.Context, kid string) (*ecdsa.PublicKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	return s.keys.Key(ctx, kid)
}

func TestVerifyRemembers(t *testing.T) {
	at := now
	keys := &switchableKeys{keys: keyMap{"k1": &issuerKey.PublicKey}}
	v := NewVerifier(keys, VerifierConfig{Issuer: "https://issuer.example.com", Audience: "acme", Now: func() time.Time { return at }})
	token := newer().token(t)
	first, err := v.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := v.Verify(t.Context(), token); again != first || err != nil {
		t.Errorf("second Verify = %p, %v, want the grant %p of the first", again, err, first)
	}

	other := newKey(elliptic.P256())
	for _, step := range []struct {
		name string
		keys keyMap
		err  error
		want error
	}{
		{"key-withdrawn", keyMap{"k2": &issuerKey.PublicKey}, nil, ErrUnknownKey},
		{"key-replaced-under-its-kid", keyMap{"k1": &other.PublicKey}, nil, ErrSignature},
		{"keys-stale", nil, ErrKeysUnavailable, ErrKeysUnavailable},
		{"key-back", keyMap{"k1": &issuerKey.PublicKey}, nil, nil},
	} {
		keys.set(step.keys, step.err)
		grant, err := v.Verify(t.Context(), token)
		if !errors.Is(err, step.want) || (grant == nil) != (err != nil) {
			t.Errorf("%s: Verify = %v, %v, want %v", step.name, grant, err, step.want)
		}
	}

	at = now.Add(300*time.Second - 1)
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Errorf("Verify just before exp = %v", err)
	}
	at = now.Add(300 * time.Second)
	if grant, err := v.Verify(t.Context(), token); grant != nil || !errors.Is(err, ErrExpired) {
		t.Errorf("Verify at exp = %v, %v, want %v", grant, err, ErrExpired)
	}
}

// A refusal because of a key must not outlive the reason.
func TestVerifyForgetsRefusals(t *testing.T) {
	keys := &switchableKeys{keys: keyMap{}}
	v := NewVerifier(keys, VerifierConfig{Issuer: "https://issuer.example.com", Audience: "acme", Now: clock})
	token := older().token(t)
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, ErrUnknownKey) {
		t.Fatalf("Verify = %v, want %v", err, ErrUnknownKey)
	}
	keys.set(keyMap{"k1": &issuerKey.PublicKey}, nil)
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Fatalf("Verify with the key there = %v", err)
	}
}

// An expired token must not make anybody ask the issuer for its key.
func TestVerifyExpiredAsksNoKeys(t *testing.T) {
	asked := 0
	v := NewVerifier(keysFunc(func() { asked++ }), VerifierConfig{Issuer: "https://issuer.example.com", Audience: "acme", Now: clock})
	d := newer()
	d.payload["exp"] = now.Unix() - 1
	if _, err := v.Verify(t.Context(), d.token(t)); !errors.Is(err, ErrExpired) || asked != 0 {
		t.Fatalf("Verify = %v with %d calls of Key, want %v and none", err, asked, ErrExpired)
	}
}

type keysFunc func()

func (f keysFunc) Key(context.Context, string) (*ecdsa.PublicKey, error) {
	f()
	return nil, ErrUnknownKey
}

func TestVerifyConcurrently(t *testing.T) {
	v := NewVerifier(keyMap{"k1": &issuerKey.PublicKey}, VerifierConfig{
		Issuer: "https://issuer.example.com", Audience: "acme", CacheSize: 4, Now: clock,
	})
	tokens := make([]string, 10)
	for i := range tokens {
		d := newer()
		d.object("user")["username"] = fmt.Sprintf("user-%d", i)
		if i%3 == 0 {
			d.payload["aud"] = "other"
		}
		tokens[i] = d.token(t)
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for n := range 40 {
				i := (g + n) % len(tokens)
				grant, err := v.Verify(t.Context(), tokens[i])
				if i%3 == 0 {
					if grant != nil || !errors.Is(err, ErrAudience) {
						t.Errorf("Verify(bad token %d) = %v, %v", i, grant, err)
					}
				} else if err != nil || grant.Identity.User != fmt.Sprintf("user-%d", i) {
					t.Errorf("Verify(token %d) = %v, %v", i, grant, err)
				}
			}
		})
	}
	wg.Wait()
}

// S and n-S are both good signatures: the twin is another token with the same
// content, and neither is taken for the other.
func TestVerifySignatureTwin(t *testing.T) {
	v := newVerifier()
	token := older().token(t)
	cut := strings.LastIndex(token, ".") + 1
	signature, err := base64.RawURLEncoding.DecodeString(token[cut:])
	if err != nil {
		t.Fatal(err)
	}
	s := new(big.Int).SetBytes(signature[32:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(signature[32:])
	first, err := v.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	twin, err := v.Verify(t.Context(), token[:cut]+base64.RawURLEncoding.EncodeToString(signature))
	if err != nil {
		t.Fatal(err)
	}
	if first == twin || !reflect.DeepEqual(first.Identity, twin.Identity) {
		t.Errorf("twin granted %+v, the token %+v", twin.Identity, first.Identity)
	}
}
