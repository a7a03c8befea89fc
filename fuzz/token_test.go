package fuzz

import (
	"slices"
	"strings"
	"testing"

	"github.com/spliceway/spliceway/authn"
)

// goodTokens are all tokens of this issuer that have to be accepted: no other one
// can be made without its key.
func goodTokens() map[string]string {
	good := make(map[string]string) // to their user
	for _, c := range []struct{ header, payload, user string }{
		{olderHeader, olderPayload(), "ann@example.com"},
		{newerHeader, newerPayload(), "Ann Other"},
		{newerHeader, servicePayload(), "deployer-2026"},
	} {
		t := signed(c.header, c.payload)
		input := t[:strings.LastIndexByte(t, '.')]
		good[t] = c.user
		good[input+"."+sign(issuerKey, []byte(input)).twin().jose()] = c.user
	}
	return good
}

// badTokens are signed by the issuer, and yet nobody's.
func badTokens() []string {
	return []string{
		signed(`{"alg":"none","kid":"k1","typ":"GAT"}`, olderPayload()),
		signed(`{"alg":"HS256","kid":"k1","typ":"GAT"}`, olderPayload()),
		signed(`{"alg":"ES256","kid":"k2","typ":"GAT"}`, olderPayload()),
		signed(`{"alg":"ES256","typ":"GAT"}`, olderPayload()),
		signed(`{"alg":"ES256","kid":"k1","typ":"GAT","crit":["exp"],"exp":1}`, olderPayload()),
		signed(`{"alg":"ES256","kid":"k1","kid":"k1","typ":"GAT"}`, olderPayload()),
		signed(newerHeader, olderPayload()),
		signed(olderHeader, `{}`),
		signed(olderHeader, ``),
	}
}

// FuzzToken verifies tokens as they arrive.
func FuzzToken(f *testing.F) {
	addSeeds(f)
	good, verifier := goodTokens(), newVerifier()
	f.Fuzz(func(t *testing.T, authorization string) {
		token, err := authn.BearerToken(authorization)
		if err != nil {
			if authn.Status(err) != 407 {
				t.Fatalf("BearerToken(%q) = %v", authorization, err)
			}
			return
		}
		if scheme := strings.TrimSuffix(authorization, " "+token); !strings.EqualFold(scheme, "bearer") || strings.Contains(token, " ") {
			t.Fatalf("BearerToken(%q) = %q", authorization, token)
		}
		grant, err := verifier.Verify(t.Context(), token)
		user, isGood := good[token]
		switch {
		case isGood && (err != nil || grant.Identity.User != user || grant.KeyID != "k1"):
			t.Fatalf("Verify(%q) = %v, %v, want %s", token, grant, err, user)
		case isGood:
			if again, err := verifier.Verify(t.Context(), token); again != grant {
				t.Fatalf("Verify(%q) = %p, then %p, %v", token, grant, again, err)
			}
		default:
			checkRefusal(t, token, grant, err)
		}
	})
}

// checkRefusal wants a refusal without a grant, with a word for it, and without
// the token in its text.
func checkRefusal(t *testing.T, token string, grant *authn.Grant, err error) {
	t.Helper()
	reason := authn.Reason(err)
	if grant != nil || err == nil || reason == "internal" || !slices.Contains(authn.Reasons(), reason) {
		t.Fatalf("Verify(%q) = %v, %v, of class %q", token, grant, err, reason)
	}
	if status := authn.Status(err); status != 401 {
		t.Fatalf("Verify(%q) = %v with the status %d", token, err, status)
	}
	if len(token) > 40 && strings.Contains(err.Error(), token[len(token)/2:]) {
		t.Fatalf("the refusal of %q shows it: %v", token, err)
	}
}

func tokenSeeds(testing.TB) (seeds []seed) {
	for t := range goodTokens() {
		seeds = append(seeds, seed{"Bearer " + t}, seed{"bEARER " + t[:len(t)-1]}, seed{"Bearer " + t + "="}, seed{"Bearer  " + t})
	}
	for _, t := range badTokens() {
		seeds = append(seeds, seed{"Bearer " + t})
	}
	return append(seeds, seed{""}, seed{"Bearer"}, seed{"Bearer "}, seed{"Basic YTpi"}, seed{"Bearer a.b.c"}, seed{"Bearer .."})
}
