package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spliceway/spliceway/internal/testnet"
)

// refusalStatus is what kubectl reads of a refusal.
type refusalStatus struct {
	Kind, Status, Message, Reason string
	Code                          int
}

// wantStatus wants an answer to be a metav1.Status with a sentence.
func wantStatus(t *testing.T, a answer, code int, sentence string) {
	t.Helper()
	var s refusalStatus
	if err := json.Unmarshal([]byte(a.body), &s); err != nil {
		t.Fatalf("answer %+v: %v", a, err)
	}
	if a.status != code || s.Code != code || s.Kind != "Status" || s.Status != "Failure" || !strings.Contains(s.Message, sentence) {
		t.Errorf("answer %d %+v, want a Status with %d and %q", a.status, s, code, sentence)
	}
}

// However many users find out that an API server is down, the operator is told
// once, and once that it is back.
func TestUpstreamUnreachable(t *testing.T) {
	wrongCA := func(b *bed) { b.write("api-ca.crt", string(b.ca.PEM())) }
	for _, row := range []struct {
		name, word, sentence string
		breakIt              func(*bed) (url string)
	}{
		{"down", "refused", "it refused the connection", func(b *bed) string { return "https://" + freeAddress(b.t) }},
		{"unknown-authority", "authority", "its certificate is not trusted by the gateway", func(b *bed) string { wrongCA(b); return b.api.URL }},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBed(t)
			url := row.breakIt(b)
			b.prepare(settings{"clusters": "[" + clusterAt(url, "prod", prodAddress, prodAlias, "") + "]"})
			b.run()
			for range 3 {
				a := b.open().ask("/api/v1/pods")
				wantStatus(t, a, http.StatusBadGateway, row.sentence)
				if strings.Contains(a.body, strings.TrimPrefix(url, "https://")) {
					t.Errorf("the user is told the address of the API server: %s", a.body)
				}
			}
			logged := b.log.one(t, "level", "error")
			wantFields(t, logged, "cluster", "prod", "upstream_addr", strings.TrimPrefix(url, "https://"))
			requests := b.audit.wait(t, 3, where("event", "request", "reason", "upstream-unreachable", "blame", "upstream"))
			if requests[0]["status"] != 502.0 {
				t.Errorf("status = %v, want 502", requests[0]["status"])
			}
			b.wantMetric(`upstream_errors_total{cluster="prod",reason="upstream-unreachable"}`, 3)
			if n := b.metric(fmt.Sprintf(`upstream_dials_total{cluster="prod",result=%q}`, row.word)); n < 3 {
				t.Errorf("%v dials with result %s, want three of users at least", n, row.word)
			}
		})
	}
}

// The gateway's own credential is refused: no user can help it, so it is no 401.
func TestUpstreamRefusesCredential(t *testing.T) {
	b := start(t, nil)
	b.api.take("another")
	wantStatus(t, b.open().ask("/api/v1/pods"), http.StatusBadGateway, "credential")
	wantFields(t, b.audit.one(t, "event", "request"), "blame", "gateway", "reason", "credential-refused")
	b.wantMetric(`refusals_total{reason="credential-refused"}`, 1)
}

// A gateway that is not ready gets no traffic: it must find out by itself that
// the API server is back.
func TestReadyAgain(t *testing.T) {
	b := start(t, nil)
	b.api.CloseClientConnections()
	b.api.Listener.Close()
	wantStatus(t, b.open().ask("/api/v1/pods"), http.StatusBadGateway, "it refused the connection")
	status, body := b.get("/readyz")
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "no API server can be reached") || !strings.Contains(body, "check that") {
		t.Errorf("GET /readyz without API server = %d %q, want 503 and what to check", status, body)
	}
	b.log.one(t, "message", "API server is not reachable")

	back := b.api.again(t)
	defer back.Close()
	b.log.one(t, "message", "API server is reachable again")
	if status, body := b.get("/readyz"); status != http.StatusOK {
		t.Errorf("GET /readyz with the API server back = %d %q, want 200", status, body)
	}
	b.open().mustAsk("/api")
}

// One API server of several that is down keeps nobody else from working.
func TestReadyWithOneDown(t *testing.T) {
	b := newBed(t)
	b.prepare(settings{"clusters": "[" + b.cluster("prod", prodAddress, prodAlias, "") + ", " +
		clusterAt("https://"+freeAddress(t), "gone", "10.0.0.2", "other.test", "") + "]"})
	b.run()
	b.log.one(t, "level", "error", "cluster", "gone") // the probe at the start
	if status, body := b.get("/readyz"); status != http.StatusOK || body != "ready\n" {
		t.Errorf("GET /readyz = %d %q, want 200", status, body)
	}
	b.open().mustAsk("/api")
}

func TestReadyWithoutKeys(t *testing.T) {
	url := "http://" + freeAddress(t) + "/keys"
	b := start(t, settings{"authn": fmt.Sprintf(`{issuer: %q, audience: %s, jwksURL: %q}`, tokenIssuer, testAudience, url)})
	status, body := b.get("/readyz")
	if status != http.StatusServiceUnavailable || !strings.Contains(body, "no token can be verified") || !strings.Contains(body, url) {
		t.Errorf("GET /readyz without keys = %d %q, want 503 and the URL", status, body)
	}
	if status, body := b.get("/healthz"); status != http.StatusOK || body != "ok\n" {
		t.Errorf("GET /healthz = %d %q, want 200 while the process runs", status, body)
	}
	logged := b.log.one(t, "level", "error")
	wantFields(t, logged, "source", url)
}

// Files are replaced while users work. Nobody notices.
func TestReload(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	var users sync.WaitGroup
	var rounds atomic.Int64
	tokens, stop := make(chan string, 1), make(chan struct{})
	tokens <- b.token()
	for range 3 {
		users.Go(func() { b.traffic(stop, tokens, &rounds) })
	}
	for _, rotate := range []func(){b.rotateCertificate, b.rotateCredential, func() { b.rotateSigningKey(tokens) }} {
		rotate()
		after := rounds.Load()
		b.until("tunnels have come and gone after a rotation", func() bool { return rounds.Load() > after+3 })
	}
	close(stop)
	users.Wait()
	if refused := b.audit.find(where("event", "connection.refused")); len(refused) != 0 {
		t.Errorf("connections were refused: %v", refused)
	}
	for _, e := range b.audit.find(where("event", "request")) {
		if e["status"] != 200.0 {
			t.Errorf("a request failed: %v", e)
		}
	}
	b.wantMetric(`reload_total{file="certificate",result="ok"}`, 1)
	b.wantMetric(`reload_total{file="token",result="ok"}`, 1)
}

// traffic opens tunnels and asks through each, until stop.
func (b *bed) traffic(stop <-chan struct{}, tokens chan string, rounds *atomic.Int64) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		token := <-tokens
		tokens <- token
		n := b.openWith("", prodTarget, token)
		for range 5 {
			n.mustAsk("/api/v1/pods")
		}
		n.Close()
		rounds.Add(1)
	}
}

func (b *bed) rotateCertificate() {
	b.t.Helper()
	fresh := b.ca.Issue(b.t, gatewayName, prodAlias)
	testnet.WritePair(b.t, fresh, b.dir+"/tls.crt", b.dir+"/tls.key")
	b.log.one(b.t, "message", "reloaded", "kind", "certificate", "file", b.dir+"/tls.crt")
	o := b.dial("")
	if got := o.ConnectionState().PeerCertificates[0]; !got.Equal(fresh.Leaf) {
		b.t.Error("the old certificate is shown after the reload")
	}
	o.Close()
}

// rotateCredential has the API server take the new token only, at the very moment
// at which it is written: the gateway reads it when it is told 401.
func (b *bed) rotateCredential() {
	b.t.Helper()
	b.write("token", "second-credential\n")
	b.api.take("second-credential")
	b.log.one(b.t, "message", "reloaded", "kind", "token", "cluster", "prod")
}

// rotateSigningKey publishes a second key next to the first, and signs with it
// when the gateway has it.
func (b *bed) rotateSigningKey(tokens chan string) {
	b.t.Helper()
	second := newKey(b.t)
	b.write("keys.json", jwks(b.t, "k2", second, jwk(b.t, "k1", b.signer)))
	b.until("the gateway has the second key", func() bool {
		_, err := b.gateway.current.Load().keys.Key(b.t.Context(), "k2")
		return err == nil
	})
	token, err := b.claims().Sign("k2", second)
	if err != nil {
		b.t.Fatal(err)
	}
	<-tokens
	tokens <- token
	n := b.openWith("", prodTarget, token)
	n.mustAsk("/api")
	n.Close()
}

// A file that can't be used is told of once, and what was there before stays.
func TestReloadBadFile(t *testing.T) {
	b := start(t, nil)
	b.write("tls.crt", "not a certificate")
	b.write("token", "two\nlines\n")
	b.write("keys.json", "{}")
	b.write("api-ca.crt", "not an authority")
	for _, match := range []func(event) bool{
		where("level", "error", "kind", "certificate", "file", b.dir+"/tls.crt"),
		where("level", "error", "kind", "token", "cluster", "prod"),
		where("level", "error", "kind", "upstream-tls", "cluster", "prod"),
		where("level", "error", "source", b.dir+"/keys.json"),
	} {
		b.log.wait(t, 1, match)
	}
	time.Sleep(5 * b.gateway.every) // for repetitions, which must not come
	if n := len(b.log.find(where("level", "error"))); n != 4 {
		t.Errorf("%d errors in the log, want one for each file:\n%s", n, b.log)
	}
	b.open().mustAsk("/api")
	if status, _ := b.get("/readyz"); status != http.StatusOK {
		t.Errorf("GET /readyz = %d, want 200: all is as it was", status)
	}
	b.wantMetric(`reload_total{file="signing-keys",result="error"}`, 1)
}

// Connections that were made under other authorities are not used any more.
func TestReloadAuthorities(t *testing.T) {
	b := start(t, nil)
	b.open().mustAsk("/api")
	b.audit.one(t, "event", "request")
	pool := b.gateway.current.Load().backends["prod"].pool
	b.until("the connection is back in the pool", func() bool { return pool.Stats().Idle == 1 })
	b.write("api-ca.crt", string(b.api.ca.PEM())+string(testnet.NewCA(t).PEM()))
	b.log.one(t, "message", "reloaded", "kind", "upstream-tls", "cluster", "prod")
	if stats := pool.Stats(); stats.Idle != 0 {
		t.Errorf("the pool has %+v after the reload, want it empty", stats)
	}
	b.open().mustAsk("/api")
}
