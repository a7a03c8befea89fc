package doctor

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/spliceway/spliceway/connect"
	"github.com/spliceway/spliceway/internal/testnet"
)

// wantSkipped wants these steps to be skipped and all others to be ok.
func wantSkipped(t *testing.T, steps []Step, skipped ...string) {
	t.Helper()
	for _, s := range steps {
		want := OK
		for _, name := range skipped {
			if s.Name == name {
				want = Skipped
			}
		}
		if s.Result != want {
			t.Errorf("%s is %s: %s; want %s", s.Name, s.Result, s.Text, want)
		}
	}
}

func TestServer(t *testing.T) {
	steps := newBed(t).server()
	wantSkipped(t, steps)
	if len(steps) != 14 {
		t.Errorf("%d steps: %+v", len(steps), steps)
	}
}

// Each set-up is broken in one place and found by that one, and nothing behind it is judged.
func TestServerFindsTheCause(t *testing.T) {
	for _, row := range []struct {
		name, step, cause, do string
		breakIt               func(b *bed)
	}{
		{"clock-skew", "clock", "behind that of the issuer", "set the clock", func(b *bed) {
			b.issuerClock = time.Hour
			b.claims.IssuedAt = jwt.NewNumericDate(time.Now().Add(time.Hour))
		}},
		{"token-from-the-future", "token", "the token is not valid yet", "compare the clocks", func(b *bed) {
			b.claims.IssuedAt = jwt.NewNumericDate(time.Now().Add(time.Hour))
		}},
		{"wrong-audience", "token", "the token is for another audience", "set authn.audience", func(b *bed) {
			b.claims.Audience = jwt.ClaimStrings{"others"}
		}},
		{"token-for-another-cluster", "target", "no configured cluster matches", "this address or alias", func(b *bed) {
			b.claims.Resource.Address = "10.9.9.9"
		}},
		{"upstream-ca-wrong", "API server TLS", "not signed by an authority in", "put the CA of the API server there", func(b *bed) {
			b.write("ca2.crt", string(testnet.NewCA(b.t).PEM()))
			b.settings["clusters"] = `[{name: prod, address: 10.0.0.1, server: "` + b.apiURL + `", certificateAuthorityFile: ca2.crt, bearerTokenFile: token}]`
		}},
		{"credential-refused", "credential", "does not accept the gateway's credential", "renew bearerTokenFile", func(b *bed) { b.credential = "another" }},
		{"no-right-to-impersonate", "impersonation", `may not impersonate user "ann@example.com"`, "ClusterRole with the verb impersonate", func(b *bed) { b.impersonate = false }},
		{"upgrade-stripped", "upgrade to WebSocket", "something on the way strips it", "pass Connection: Upgrade", func(b *bed) { b.apiURL = b.stripping() }},
		{"store-full", "recordings", "less than recordings.minFree", "make room", func(b *bed) {
			b.settings["recordings"] = `{dir: rec, mode: strict, minFree: 1048576GiB}`
		}},
		{"store-unwritable", "configuration", "cannot be written to", "correct it", func(b *bed) {
			b.settings["recordings"] = `{dir: nowhere/rec, mode: strict}`
		}},
		{"certificate-for-another-name", "certificate", "no certificate of tls is for prod.test", "have a certificate made", func(b *bed) {
			b.ca.WriteFiles(b.t, b.dir, "gw.test", "10.0.0.1")
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBed(t)
			row.breakIt(b)
			steps := b.server()
			cause := Cause(steps)
			if cause == nil || cause.Name != row.step || !strings.Contains(cause.Text, row.cause) || !strings.Contains(cause.Do, row.do) {
				t.Fatalf("the cause is %+v, want %s with %q and %q", cause, row.step, row.cause, row.do)
			}
			behind := false
			for _, s := range steps {
				if behind && s.Result != NotReached {
					t.Errorf("%s behind the cause is %s", s.Name, s.Result)
				}
				behind = behind || s.Result == Failed
			}
			var text bytes.Buffer
			if err := Write(&text, steps); err != nil || strings.Contains(text.String(), apiToken) || strings.Contains(text.String(), "eyJ") {
				t.Errorf("Write = %v; a secret is in\n%s", err, &text)
			}
			t.Logf("\n%s", &text)
		})
	}
}

// gateway listens as one, as far as its outer TLS, and returns its port.
func gateway(t *testing.T, certificate tls.Certificate) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { // until l is closed
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.Copy(io.Discard, c) // and with it the handshake
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-ended })
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestClientFindsTheCause(t *testing.T) {
	ca, past := testnet.NewCA(t), time.Now().Add(-time.Hour)
	authority := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(authority, ca.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for _, row := range []struct{ name, gateway, step, cause, do string }{
		{"wrong-dns-name", "gateway.invalid:8443", "gateway name", "gateway.invalid", "the DNS of this machine"},
		{"port-closed", closed.Addr().String(), "gateway port", "nothing listens on", "that the port is right"},
		{"certificate-expired", "127.0.0.1:" + gateway(t, ca.IssueValid(t, past.Add(-time.Hour), past, "127.0.0.1")), "gateway TLS", "expired on", "renew it"},
		{"certificate-of-another-ca", "127.0.0.1:" + gateway(t, testnet.NewCA(t).Issue(t, "127.0.0.1")), "gateway TLS", "not trusted here", "--gateway-ca"},
		{"certificate-for-another-name", "127.0.0.1:" + gateway(t, ca.Issue(t, "gw.test")), "gateway TLS", "is for gw.test, not for 127.0.0.1", "use a name that it has"},
		{"not-a-url", "https://gw.test/", "gateway name", "is not host:port", "--help"},
	} {
		t.Run(row.name, func(t *testing.T) {
			steps := Client(t.Context(), ClientOptions{Connect: connect.Options{Gateway: row.gateway, GatewayCAFile: authority}})
			cause := Cause(steps)
			if cause == nil || cause.Name != row.step || !strings.Contains(cause.Text, row.cause) || !strings.Contains(cause.Do, row.do) {
				t.Fatalf("the cause is %+v, want %s with %q and %q", cause, row.step, row.cause, row.do)
			}
		})
	}
	good := "127.0.0.1:" + gateway(t, ca.Issue(t, "127.0.0.1"))
	steps := Client(t.Context(), ClientOptions{Connect: connect.Options{Gateway: good, GatewayCAFile: authority}})
	wantSkipped(t, steps, "clock", "token", "proof and target", "cluster TLS", "API server", "identity", "upgrade to WebSocket", "upgrade to SPDY")
}
