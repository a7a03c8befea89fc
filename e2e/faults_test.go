package e2e

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spliceway/spliceway/e2e/stack"
)

// TestAPIServerRestarts kills the API server and starts it again. It isn't
// parallel: all other tests need the API server.
func TestAPIServerRestarts(t *testing.T) {
	issuer := newScriptedIssuer(t, ann, time.Hour)
	s := newStack(t, issuer.use)
	k := kubectlThrough(t, s, ann)
	watch := k.start(t, "get", "configmaps", "-w")
	defer watch.stop()
	wantContains(t, "get before", k.run(t, "get", "pods"), "demo")

	if err := run.cluster.KillAPIServer(); err != nil {
		t.Fatal(err)
	}
	restarted := false
	restart := func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := run.cluster.StartAPIServer(ctx); err != nil {
			t.Fatal(err)
		}
		restarted = true
	}
	defer func() {
		if !restarted { // whatever has failed, the other tests go on
			restart()
		}
	}()
	watch.wait() // must end: its stream was cut
	wantContains(t, "get while it is down", k.fails(t, "get", "pods"), "Error from server (InternalError): gateway: cannot connect to the API server")
	wantContains(t, "exec while it is down", k.fails(t, "exec", "demo", "--", "true"), "gateway: cannot connect to the API server")
	waitForEvent(t, s, "request", "status", "502", "blame", "upstream", "reason", "upstream-unreachable")
	if metric(t, s, "spliceway_upstream_errors_total", `reason="upstream-unreachable"`) == 0 {
		t.Error("spliceway_upstream_errors_total doesn't count it")
	}

	restart()
	name := uniqueName("after-restart")
	k.feed(t, configMap(name, "one"), "create", "-f", "-") // not idempotent: nothing may be left of the old connections
	wantContains(t, "delete after", k.run(t, "delete", "configmap", name), "deleted")
	wantEqual(t, "exec after", k.run(t, "exec", "demo", "--", "echo", "hello"), "hello\n")
}

// TestTokenExpires lets a token end under a watch. The connect helper has got
// the next one by then.
func TestTokenExpires(t *testing.T) {
	t.Parallel()
	const lifetime = 6 * time.Second
	issuer := newScriptedIssuer(t, ann, lifetime)
	s := newStack(t, issuer.use)
	k := kubectlThrough(t, s, ann)
	start := time.Now()
	watch := k.start(t, "get", "configmaps", "-w")
	watch.wait()
	if took := time.Since(start); took < lifetime/2 || took > lifetime+5*time.Second {
		t.Errorf("the watch ended after %s, want %s at most", took, lifetime)
	}
	waitForEvent(t, s, "connection.closed", "reason", "token-expired")
	wantContains(t, "the next command", k.run(t, "get", "pods"), "demo")
	if n := issuer.issued.Load(); n < 2 {
		t.Errorf("%d tokens were issued, want 2 or more", n)
	}
}

// TestCredentialRotation replaces the gateway's own token by a bad one and by
// a good one.
func TestCredentialRotation(t *testing.T) {
	t.Parallel()
	issuer := newScriptedIssuer(t, ann, time.Hour)
	tokenFile := filepath.Join(t.TempDir(), "token")
	replace := func(token string) { // as an atomic writer does
		if err := os.WriteFile(tokenFile+".new", []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tokenFile+".new", tokenFile); err != nil {
			t.Fatal(err)
		}
	}
	token := func() string {
		token, err := run.cluster.GatewayToken(t.Context(), 10*time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	replace(token())
	s := newStack(t, func(c *stack.Config) {
		issuer.use(c)
		c.Token = tokenFile
	})
	k := kubectlThrough(t, s, ann)
	wantContains(t, "get with the first token", k.run(t, "get", "pods"), "demo")

	// The file is read again within seconds.
	replace("not-a-token")
	var stderr string
	if !eventuallyWithin(30*time.Second, func() bool {
		var code int
		_, stderr, code = k.try(t, "", "get", "pods")
		return code != 0
	}) {
		t.Fatal("a bad token in the file changes nothing")
	}
	wantContains(t, "get with a bad token", stderr, "the API server does not accept the gateway's own credential")
	if strings.Contains(stderr, "You must be logged in") {
		t.Error("the gateway's 401 is shown as the user's")
	}
	waitForEvent(t, s, "request", "status", "502", "blame", "gateway")

	// The API server's 401 makes the gateway look at the file at once.
	replace(token())
	wantContains(t, "get with the next token", k.run(t, "get", "pods"), "demo")
	wantEqual(t, "exec with the next token", k.run(t, "exec", "demo", "--", "echo", "hello"), "hello\n")
}

// TestUpstreamCertificateWrong has an API server that another authority vouches for.
func TestUpstreamCertificateWrong(t *testing.T) {
	t.Parallel()
	issuer := newScriptedIssuer(t, ann, time.Hour)
	s := newStack(t, func(c *stack.Config) {
		issuer.use(c)
		c.CAFile = issuer.caFile
	})
	k := kubectlThrough(t, s, ann)
	wantContains(t, "get", k.fails(t, "get", "--raw", "/api/v1/namespaces/default/pods"), "gateway: cannot connect to the API server")
	event := waitForEvent(t, s, "request", "status", "502", "blame", "upstream")
	wantContains(t, "error of the audit line", event.Text("error"), "x509: certificate signed by unknown authority")
	response, err := http.Get(s.MetricsURL + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	wantEqual(t, "status of /readyz", response.StatusCode, http.StatusServiceUnavailable)
}

// TestRefusalMessages refuses a user's connection in several ways.
// kubectl is to print what was wrong.
func TestRefusalMessages(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		reason string // of the gateway
		spoil  func(*scriptedIssuer) func(claims object)
	}{
		{"expired", "expired", func(*scriptedIssuer) func(object) {
			return func(claims object) { claims["exp"] = time.Now().Add(-time.Minute).Unix() }
		}},
		{"other-audience", "audience", func(*scriptedIssuer) func(object) {
			return func(claims object) { claims["aud"] = "elsewhere" }
		}},
		{"system-user", "system-identity", func(*scriptedIssuer) func(object) {
			return func(claims object) {
				claims["user"] = object{"id": "1", "username": "system:admin", "groups": []string{}}
			}
		}},
		{"other-key", "proof", func(i *scriptedIssuer) func(object) {
			return func(claims object) { claims["cpk"] = i.claims(t, ann, &i.key.PublicKey, time.Hour)["cpk"] }
		}},
		{"other-target", "target", func(*scriptedIssuer) func(object) {
			return func(claims object) {
				claims["resource"] = object{"id": "r", "type": "KUBERNETES", "address": "elsewhere.spliceway.test"}
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			issuer := newScriptedIssuer(t, ann, time.Hour)
			issuer.spoil = test.spoil(issuer)
			s := newStack(t, issuer.use)
			k := kubectlThrough(t, s, ann)
			for _, flavour := range flavours {
				k := k.with(flavour.env...)
				k.program = run.programs[flavour.program]
				wantContains(t, flavour.name+" get", k.fails(t, "get", "pods"), test.reason)
				wantContains(t, flavour.name+" exec", k.fails(t, "exec", "demo", "--", "true"), test.reason)
			}
			waitForEvent(t, s, "connection.refused", "reason", test.reason)
		})
	}
}

// TestGatewayDown has kubectl say that it isn't the cluster that fails.
func TestGatewayDown(t *testing.T) {
	t.Parallel()
	issuer := newScriptedIssuer(t, ann, time.Hour)
	s := newStack(t, issuer.use)
	k := kubectlThrough(t, s, ann)
	s.Gateway.Kill()
	wantContains(t, "get", k.fails(t, "get", "pods"), "the gateway")
}

// TestIssuerDown needs no issuer for a token that was given out before, and
// says so when it needs one.
func TestIssuerDown(t *testing.T) {
	t.Parallel()
	issuer := newScriptedIssuer(t, ann, time.Hour)
	s := newStack(t, issuer.use)
	k, late := kubectlThrough(t, s, ann), kubectlThrough(t, s, vic)
	wantContains(t, "get before", k.run(t, "get", "pods"), "demo")
	issuer.server.Close()
	wantContains(t, "get with a token at hand", k.run(t, "get", "pods"), "demo")
	wantContains(t, "get without a token", late.fails(t, "get", "pods"), "issuer")
}

// eventuallyWithin calls ok until it says true, for at most d.
func eventuallyWithin(d time.Duration, ok func() bool) bool {
	for deadline := time.Now().Add(d); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if ok() {
			return true
		}
	}
	return false
}
