package issuer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/MicahParks/jwkset"

	"github.com/spliceway/spliceway/authn"
)

// publishedKeys is authn.Keys over /keys, read by another implementation of RFC 7517 than ours.
type publishedKeys struct{ f *fixture }

func (p publishedKeys) Key(_ context.Context, kid string) (*ecdsa.PublicKey, error) {
	_, _, body := p.f.send(request{method: "GET", path: PathKeys})
	var set jwkset.JWKSMarshal
	if err := json.Unmarshal([]byte(body), &set); err != nil {
		return nil, err
	}
	for _, marshal := range set.Keys {
		key, err := jwkset.NewJWKFromMarshal(marshal, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
		if err != nil {
			return nil, err
		}
		if key.Marshal().KID == kid {
			return key.Key().(*ecdsa.PublicKey), nil
		}
	}
	return nil, fmt.Errorf("%w: %s", authn.ErrUnknownKey, kid)
}

func (f *fixture) verify(token string) (*authn.Grant, error) {
	verifier := authn.NewVerifier(publishedKeys{f}, authn.VerifierConfig{Issuer: "https://issuer.example.com", Audience: "acme"})
	return verifier.Verify(context.Background(), token)
}

func TestTokenIsAcceptedByGateway(t *testing.T) {
	f := start(t)
	alice := request{user: "alice@example.com", password: alicePassword}
	aliceIdentity := authn.Identity{User: "alice@example.com", Groups: []string{"dev", "ops"}, Subject: "u-1"}
	robotIdentity := authn.Identity{User: "robot", Groups: []string{"deployer", "s-1"}, Subject: "s-1", Service: true}
	tests := []struct {
		name     string
		who      request
		curve    elliptic.Curve
		resource string
		target   string
		identity authn.Identity
		ports    [2]int
	}{
		{"password", alice, elliptic.P256(), "prod", "10.0.0.1:6443", aliceIdentity, [2]int{}},
		{"user-secret", request{bearer: f.aliceSecret}, elliptic.P256(), "prod", "prod.int:443", aliceIdentity, [2]int{}},
		{"service-secret", request{bearer: f.robotSecret}, elliptic.P256(), "secret-lab", "lab.example.com:443", robotIdentity, [2]int{}},
		{"p384-key", alice, elliptic.P384(), "prod", "10.0.0.1:443", aliceIdentity, [2]int{}},
		{"p521-key", alice, elliptic.P521(), "prod", "10.0.0.1:443", aliceIdentity, [2]int{}},
		{"by-address", alice, elliptic.P256(), "10.0.0.1", "10.0.0.1:443", aliceIdentity, [2]int{}},
		{"by-alias-any-case", alice, elliptic.P256(), "Cluster-A.int", "cluster-a.int:443", aliceIdentity, [2]int{}},
		{"with-port", alice, elliptic.P256(), "EDGE", "edge.int:443", aliceIdentity, [2]int{443, 6443}},
		{"wildcard", alice, elliptic.P256(), "pods", "one.pods.example.com:443", aliceIdentity, [2]int{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			key := newClientKey(t, tt.curve)
			answer := f.mintAs(tt.who, key, tt.resource)
			grant, err := f.verify(answer.Token)
			if err != nil {
				t.Fatalf("Verify = %v, want a grant", err)
			}
			got := grant.Identity
			got.Device = ""
			if fmt.Sprint(got) != fmt.Sprint(tt.identity) {
				t.Errorf("identity = %+v, want %+v", got, tt.identity)
			}
			if ports := [2]int{grant.Resource.DownstreamPort, grant.Resource.UpstreamPort}; ports != tt.ports {
				t.Errorf("ports = %v, want %v", ports, tt.ports)
			}
			if _, err := grant.MatchTarget(tt.target); err != nil {
				t.Errorf("MatchTarget(%q) = %v, want nil", tt.target, err)
			}
			ekm := make([]byte, authn.ExporterLength)
			rand.Read(ekm)
			proof, err := authn.Proof(key, ekm)
			if err != nil {
				t.Fatal(err)
			}
			if err := grant.VerifyProof(ekm, proof); err != nil {
				t.Errorf("VerifyProof = %v, want nil: the token is not bound to the client's key", err)
			}
			if !grant.Expires.Equal(answer.ExpiresAt) || !grant.RenewAt.Equal(answer.RenewAt) {
				t.Errorf("the token says %v and %v, the answer %+v", grant.Expires, grant.RenewAt, answer)
			}
		})
	}
}

// TestTokenOnTheWire reads the token as the protocol describes it, without our own types.
func TestTokenOnTheWire(t *testing.T) {
	f := start(t)
	before := time.Now().Unix()
	for _, resource := range []string{"prod", "edge"} {
		answer := f.mintAs(request{user: "bob", password: bobPassword}, newClientKey(t, elliptic.P256()), "edge")
		if resource == "prod" {
			answer = f.mustMint(newClientKey(t, elliptic.P256()), "prod")
		}
		header, payload := decodePart(t, answer.Token, 0), decodePart(t, answer.Token, 1)
		if header["typ"] != "GAT" || header["alg"] != "ES256" || payload["typ"] != "GAT" || payload["ver"] != "1" {
			t.Errorf("%s: header %v, payload typ %v ver %v", resource, header, payload["typ"], payload["ver"])
		}
		iat, rnw, exp := payload["iat"].(float64), payload["rnw"].(float64), payload["exp"].(float64)
		if int64(iat) > before || exp < float64(before)+3600 || exp-rnw < 1199 || exp-rnw > 1201 {
			t.Errorf("%s: iat %.0f rnw %.0f exp %.0f, started at %d", resource, iat, rnw, exp, before)
		}
		if _, isList := payload["user"].(map[string]any)["groups"].([]any); !isList {
			t.Errorf("%s: groups = %v, want a list", resource, payload["user"])
		}
		_, hasMetadata := payload["resource"].(map[string]any)["gateway_metadata"]
		if hasMetadata != (resource == "edge") {
			t.Errorf("%s: gateway_metadata present: %v", resource, hasMetadata)
		}
	}
}

func decodePart(t *testing.T, token string, i int) map[string]any {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(raw, &object); err != nil {
		t.Fatal(err)
	}
	return object
}

func TestResourcesAreTheCallersOwn(t *testing.T) {
	f := start(t)
	tests := []struct {
		name string
		who  request
		want []string
	}{
		{"several", request{bearer: f.aliceSecret}, []string{"prod", "edge", "pods"}},
		{"one", request{user: "bob", password: bobPassword}, []string{"edge"}},
		{"star", request{bearer: f.robotSecret}, []string{"prod", "edge", "pods", "secret-lab"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.who.method, tt.who.path = "GET", PathResources
			status, header, body := f.send(tt.who)
			var list ResourceList
			if err := json.Unmarshal([]byte(body), &list); err != nil || status != http.StatusOK {
				t.Fatalf("GET /resources = %d %s, %v", status, body, err)
			}
			var names []string
			for _, r := range list.Resources {
				names = append(names, r.Name)
			}
			if !slices.Equal(names, tt.want) {
				t.Errorf("resources = %v, want %v", names, tt.want)
			}
			if header.Get("Cache-Control") != "no-store" {
				t.Errorf("Cache-Control = %q, want no-store", header.Get("Cache-Control"))
			}
		})
	}
}

func TestLogNamesTokenAndKeepsItSecret(t *testing.T) {
	f := start(t)
	answer := f.mustMint(newClientKey(t, elliptic.P256()), "prod")
	f.send(request{method: "GET", path: PathResources, user: "alice@example.com", password: "not this one"})
	log := f.log.String()
	for _, want := range []string{
		`"user":"alice@example.com","resource":"prod","kid":"` + f.server.keys.Get().signer().kid + `","expires_at":"`,
		`"status":401,"reason":"the user or the password is wrong"`,
	} {
		if strings.Count(log, want) != 1 {
			t.Errorf("the log has %q %d times, want once:\n%s", want, strings.Count(log, want), log)
		}
	}
	for _, secret := range []string{answer.Token, strings.Split(answer.Token, ".")[2], alicePassword, "not this one"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log has a secret: %q", secret)
		}
	}
}
