package gateway

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/spliceway/spliceway/authn"
	"github.com/spliceway/spliceway/tlsmux"
)

// refused is a CONNECT that must be refused. What is not set is as in a good one.
type refused struct {
	reason string // the body, the metric's label and the word in the audit log
	status int
	edit   func(*authn.Claims)
	token  func(*bed) string
	proof  func(good string) string
	target string
	proven bool // token and proof are good, so that the audit line says whose they are
}

// byHand makes a token that authn.Claims can't be brought to make.
func byHand(method jwt.SigningMethod, key func(*bed) any, member, value string) func(*bed) string {
	return func(b *bed) string {
		text, err := json.Marshal(b.claims())
		if err != nil {
			b.t.Fatal(err)
		}
		claims := jwt.MapClaims{}
		if err := json.Unmarshal(text, &claims); err != nil {
			b.t.Fatal(err)
		}
		claims["ver"], claims[member] = "1", value
		token := jwt.NewWithClaims(method, claims)
		token.Header["typ"], token.Header["kid"] = "GAT", "k1"
		signed, err := token.SignedString(key(b))
		if err != nil {
			b.t.Fatal(err)
		}
		return signed
	}
}

// signedBy makes a good token but for its kid or its key.
func signedBy(kid string, key func(*bed) *ecdsa.PrivateKey) func(*bed) string {
	return func(b *bed) string {
		token, err := b.claims().Sign(kid, key(b))
		if err != nil {
			b.t.Fatal(err)
		}
		return token
	}
}

func theSigner(b *bed) *ecdsa.PrivateKey { return b.signer }
func aStranger(b *bed) *ecdsa.PrivateKey { return newKey(b.t) }

func inFuture() *jwt.NumericDate { return jwt.NewNumericDate(time.Now().Add(time.Hour)) }
func inPast() *jwt.NumericDate   { return jwt.NewNumericDate(time.Now().Add(-time.Hour)) }

var refusedConnects = []refused{
	{reason: "malformed", status: 401, token: func(*bed) string { return "not.a.token" }},
	{reason: "algorithm", status: 401, token: byHand(jwt.SigningMethodHS256, func(*bed) any { return []byte("k") }, "ver", "1")},
	{reason: "type", status: 401, token: byHand(jwt.SigningMethodES256, func(b *bed) any { return b.signer }, "ver", "2")},
	{reason: "key", status: 401, token: signedBy("k9", theSigner)},
	{reason: "signature", status: 401, token: signedBy("k1", aStranger)},
	{reason: "expired", status: 401, edit: func(c *authn.Claims) { c.ExpiresAt = inPast() }},
	{reason: "not-yet-valid", status: 401, edit: func(c *authn.Claims) { c.NotBefore = inFuture() }},
	{reason: "issuer", status: 401, edit: func(c *authn.Claims) { c.Issuer = "https://elsewhere.test" }},
	{reason: "audience", status: 401, edit: func(c *authn.Claims) { c.Audience = jwt.ClaimStrings{"others"} }},
	{reason: "claims", status: 401, edit: func(c *authn.Claims) { c.User.Username = " " }},
	{reason: "system-identity", status: 401, edit: func(c *authn.Claims) { c.User.Groups = []string{"system:masters"} }},
	{reason: "resource", status: 401, edit: func(c *authn.Claims) { c.Resource.Type = "SSH" }},
	{reason: "proof", status: 401, proof: func(good string) string { return good[:20] + "AAAA" + good[24:] }},
	{reason: "target", status: 400, target: "elsewhere.test:443", proven: true},
	{reason: "no-cluster", status: 400, edit: func(c *authn.Claims) { c.Resource.Address, c.Resource.Aliases = "10.9.9.9", nil },
		target: "10.9.9.9:443", proven: true},
}

func TestAuthenticateRefuses(t *testing.T) {
	b := start(t, nil)
	for i, row := range refusedConnects {
		t.Run(row.reason, func(t *testing.T) {
			b.t = t
			b.wantRefused(row)
			if n := len(b.audit.find(func(event) bool { return true })); n != i+1 {
				t.Errorf("%d lines in the audit log after %d refusals:\n%s", n, i+1, b.audit)
			}
		})
	}
	b.t = t
	if n := len(b.api.requests()); n != 0 {
		t.Errorf("the API server got %d requests", n)
	}
	b.wantMetric(`authentications_total{result="ok"}`, 0)
}

// wantRefused makes the CONNECT of a row and wants what the client, the auditor
// and the operator are told of it.
func (b *bed) wantRefused(row refused) {
	b.t.Helper()
	o := b.dial("")
	token, proof, target := "", o.proof(), prodTarget
	if row.token != nil {
		token = row.token(b)
	} else {
		token = b.token(func(c *authn.Claims) {
			if row.edit != nil {
				row.edit(c)
			}
		})
	}
	if row.proof != nil {
		proof = row.proof(proof)
	}
	if row.target != "" {
		target = row.target
	}
	a := o.send(connectHead(target, token, proof))
	if a.status != row.status || a.body != row.reason+"\n" {
		b.t.Errorf("CONNECT = %d %q, want %d %q", a.status, a.body, row.status, row.reason)
	}
	line := b.audit.one(b.t, "event", "connection.refused", "reason", row.reason)
	wantFields(b.t, line, "phase", "authn", "target", target, "client_id", "laptop-7", "cluster", "")
	if line["status"] != float64(row.status) || line.text("error") == "" || line.text("remote_addr") == "" {
		b.t.Errorf("audit line %v lacks status, error or remote_addr", line)
	}
	user, subject, grant := "", "", ""
	if row.proven {
		user, subject, grant = "ann@example.com", "u-1", "r-1"
	}
	wantFields(b.t, line, "user", user, "subject", subject, "grant", grant)
	b.wantMetric(fmt.Sprintf(`authentications_total{result=%q}`, row.reason), 1)
}

// Every word that authn has for a refusal is one that a row above brings about,
// or a test below.
func TestAuthenticateRefusesForEveryReason(t *testing.T) {
	elsewhere := []string{"credentials", "keys-unavailable", "internal"}
	for _, reason := range authn.Reasons() {
		if !slices.ContainsFunc(refusedConnects, func(r refused) bool { return r.reason == reason }) && !slices.Contains(elsewhere, reason) {
			t.Errorf("nothing tests the refusal %q", reason)
		}
	}
}

// What is not a CONNECT with credentials is refused by tlsmux, and told all the
// same.
func TestAuthenticateNotAsked(t *testing.T) {
	b := start(t, nil)
	for _, row := range []struct {
		name, head, result string
		status             int
	}{
		{"no-credentials", "CONNECT prod.test:443 HTTP/1.1\r\nHost: prod.test:443\r\n\r\n", "refused", 407},
		{"get", "GET /api HTTP/1.1\r\nHost: prod.test\r\n\r\n", "refused", 405},
		{"two-hosts", "CONNECT prod.test:443 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "malformed", 400},
	} {
		t.Run(row.name, func(t *testing.T) {
			before := len(b.audit.find(where("event", "connection.refused")))
			if a := b.dial("").send(row.head); a.status != row.status {
				t.Errorf("%q = %d, want %d", row.head, a.status, row.status)
			}
			lines := b.audit.wait(t, before+1, where("event", "connection.refused"))
			wantFields(t, lines[before], "phase", "connect", "reason", row.result)
			if lines[before]["status"] != float64(row.status) {
				t.Errorf("status = %v, want %d", lines[before]["status"], row.status)
			}
		})
	}
	b.wantMetric(`connections_total{phase="connect",result="refused"}`, 2)
	b.wantMetric(`connections_total{phase="connect",result="malformed"}`, 1)
}

// A token whose address means one cluster and whose alias means another is
// nobody's to interpret.
func TestAuthenticateAmbiguous(t *testing.T) {
	b := newBed(t)
	b.prepare(settings{"clusters": "[" + b.cluster("prod", prodAddress, prodAlias, "") + ", " +
		b.cluster("other", "10.0.0.2", "other.test", "") + "]"})
	b.run()
	o := b.dial("")
	token := b.token(func(c *authn.Claims) { c.Resource.Aliases = []string{"other.test"} })
	if a := o.send(connectHead("other.test:443", token, o.proof())); a.status != 400 || a.body != "no-cluster\n" {
		t.Errorf("CONNECT = %d %q, want 400 no-cluster", a.status, a.body)
	}
	line := b.audit.one(t, "event", "connection.refused")
	wantFields(t, line, "reason", "no-cluster", "user", "ann@example.com", "cluster", "")
	for _, name := range []string{"prod", "other"} {
		if !strings.Contains(line.text("error"), name) {
			t.Errorf("error = %q, want it to name both clusters", line.text("error"))
		}
	}
}

// A system identity that the configuration names is let in.
func TestAuthenticateAllowedSystemIdentity(t *testing.T) {
	b := start(t, settings{"authn": fmt.Sprintf(`{issuer: %q, audience: %s, jwksFile: keys.json, allowSystemIdentities: ["system:masters"]}`,
		tokenIssuer, testAudience)})
	b.open(func(c *authn.Claims) { c.User.Groups = []string{"system:masters"} }).mustAsk("/api")
	wantHeader(t, b.api.only(t), "Impersonate-Group", "system:masters")
}

// The proof of one connection is worth nothing on another.
func TestAuthenticateReplayedProof(t *testing.T) {
	b := start(t, nil)
	first, second := b.dial(""), b.dial("")
	head := connectHead(prodTarget, b.token(), first.proof())
	if a := second.send(head); a.status != 401 || a.body != "proof\n" {
		t.Errorf("CONNECT with the proof of another connection = %d %q, want 401 proof", a.status, a.body)
	}
	if a := first.send(head); a.status != 200 {
		t.Errorf("CONNECT with its own proof = %d %q, want 200", a.status, a.body)
	}
}

// While the issuer is away nobody can be judged. One line tells of it, however
// the phase ends.
func TestAuthenticateWithoutKeys(t *testing.T) {
	b := newBed(t)
	b.prepare(settings{"authn": fmt.Sprintf(`{issuer: %q, audience: %s, jwksURL: "http://%s/keys"}`, tokenIssuer, testAudience, freeAddress(t))})
	b.run()
	b.wantRefused(refused{reason: "keys-unavailable", status: 503})

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.gateway.authenticate(ended, &tlsmux.Connect{Attempt: &tlsmux.Attempt{}, Token: b.token()})
	b.gateway.observe(&tlsmux.Attempt{}, tlsmux.Outcome{Phase: tlsmux.PhaseAuthn, Result: tlsmux.ResultTimeout, Status: 503, Err: err})
	if n := len(b.audit.find(where("event", "connection.refused"))); n != 2 {
		t.Errorf("%d refusals in the audit log, want 2:\n%s", n, b.audit)
	}
}

// A connection that can't export keying material can't be spoken to about a
// proof: it is closed without an answer.
func TestAuthenticateWithoutExporter(t *testing.T) {
	b := start(t, nil)
	_, err := b.gateway.authenticate(t.Context(), &tlsmux.Connect{
		Attempt: &tlsmux.Attempt{Target: prodTarget}, Token: b.token(),
		ExportKeyingMaterial: func(string, []byte, int) ([]byte, error) { return nil, io.ErrNoProgress },
	})
	var refusal *tlsmux.Refusal
	if !errors.As(err, &refusal) || refusal.Status != 0 {
		t.Errorf("authenticate = %v, want a refusal without a status", err)
	}
	wantFields(t, b.audit.one(t, "event", "connection.refused"), "reason", "internal", "user", "")
	b.wantMetric(`authentications_total{result="internal"}`, 1)
}
