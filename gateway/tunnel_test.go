package gateway

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spliceway/spliceway/authn"
)

// wantFields wants a line to have these fields: name, value, name, value.
func wantFields(t *testing.T, e event, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if got := e.text(pairs[i]); got != pairs[i+1] {
			t.Errorf("%s = %q, want %q, in %v", pairs[i], got, pairs[i+1], e)
		}
	}
}

// wantHeader wants a field to have come with exactly these values.
func wantHeader(t *testing.T, r *http.Request, name string, want ...string) {
	t.Helper()
	if got := r.Header.Values(name); !slices.Equal(got, want) {
		t.Errorf("the API server got %s = %q, want %q", name, got, want)
	}
}

// forged is what a client sends that would like to be somebody else.
var forged = []string{
	"Authorization: Bearer stolen", "Impersonate-User: root", "Impersonate-Group: system:masters",
	"impersonate-uid: 0", "Impersonate-Extra-Scopes: all", "X-Remote-User: root", "X-Forwarded-For: 198.51.100.1",
	"Forwarded: for=198.51.100.1", "X-Real-Ip: 198.51.100.1", "Audit-ID: mine",
}

func TestTunnelRequest(t *testing.T) {
	b := start(t, nil)
	n := b.open()
	n.mustAsk("/api/v1/namespaces/default/pods/web", append(forged, "User-Agent: kubectl/v1.36")...)
	opened := b.audit.one(t, "event", "connection.opened")
	request := b.audit.one(t, "event", "request")

	r := b.api.only(t)
	wantHeader(t, r, "Authorization", "Bearer "+apiToken)
	wantHeader(t, r, "Impersonate-User", "ann@example.com")
	wantHeader(t, r, "Impersonate-Group", "dev", "on call")
	wantHeader(t, r, "X-Forwarded-For", "127.0.0.1")
	wantHeader(t, r, "Audit-Id", request.text("request_id"))
	wantHeader(t, r, "User-Agent", "kubectl/v1.36")
	for name := range r.Header {
		switch {
		case name == "Impersonate-User" || name == "Impersonate-Group" || name == "X-Forwarded-For":
		case strings.HasPrefix(name, "Impersonate-") || strings.HasPrefix(name, "X-") || name == "Forwarded":
			t.Errorf("the API server got %s, which only the client can have sent", name)
		}
	}

	wantFields(t, opened, "user", "ann@example.com", "subject", "u-1", "device", "d-1", "cluster", "prod",
		"target", prodTarget, "grant", "r-1", "client_id", "laptop-7")
	if groups := opened["groups"]; len(groups.([]any)) != 2 {
		t.Errorf("groups = %v, want both", groups)
	}
	wantFields(t, request, "conn_id", opened.text("conn_id"), "user", "ann@example.com", "cluster", "prod",
		"method", "GET", "verb", "get", "resource", "pods", "name", "web", "namespace", "default",
		"audit_id", request.text("request_id"), "user_agent", "kubectl/v1.36", "reason", "")
	if request["status"] != 200.0 {
		t.Errorf("status = %v, want 200", request["status"])
	}

	n.Close()
	closed := b.audit.one(t, "event", "connection.closed")
	wantFields(t, closed, "conn_id", opened.text("conn_id"), "user", "ann@example.com", "reason", "closed", "blame", "")
	if closed["requests"] != 1.0 {
		t.Errorf("requests = %v, want 1", closed["requests"])
	}
	for _, secret := range []string{apiToken, "stolen", b.token()[:20]} {
		if strings.Contains(b.audit.String()+b.log.String(), secret) {
			t.Errorf("a log has the secret %q", secret)
		}
	}
}

func TestTunnelImpersonateExtra(t *testing.T) {
	for name, on := range map[string]bool{"off": false, "on": true} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			more := ""
			if on {
				more = ", impersonateExtra: true"
			}
			b.prepare(settings{"clusters": "[" + b.cluster("prod", prodAddress, prodAlias, more) + "]"})
			b.run()
			b.open().mustAsk("/api", forged...)
			var want []string
			if on {
				want = []string{b.audit.one(t, "event", "connection.opened").text("conn_id")}
			}
			wantHeader(t, b.api.only(t), "Impersonate-Extra-Spliceway-Connection-Id", want...)
			wantHeader(t, b.api.only(t), "Impersonate-Extra-Scopes")
		})
	}
}

func TestTunnelService(t *testing.T) {
	b := start(t, nil)
	n := b.open(func(c *authn.Claims) {
		c.User, c.Device = nil, nil
		c.Service = &authn.ServiceClaim{ID: "s-1", Name: "deployer", Key: authn.ServiceKeyClaim{ID: "deployer-2026"}}
	})
	n.mustAsk("/api")
	wantHeader(t, b.api.only(t), "Impersonate-User", "deployer-2026")
	wantHeader(t, b.api.only(t), "Impersonate-Group", "deployer", "s-1")
	opened := b.audit.one(t, "event", "connection.opened")
	wantFields(t, opened, "user", "deployer-2026", "subject", "s-1", "device", "")
	if opened["service"] != true {
		t.Errorf("service = %v, want true", opened["service"])
	}
}

func TestTunnelBehindLoadBalancer(t *testing.T) {
	b := start(t, settings{"proxyProtocol": `{trustedCIDRs: [127.0.0.0/8]}`})
	n := b.openWith("PROXY TCP4 203.0.113.7 192.0.2.1 5555 443\r\n", prodTarget, b.token())
	n.mustAsk("/api")
	wantHeader(t, b.api.only(t), "X-Forwarded-For", "203.0.113.7")
	for _, name := range []string{"connection.opened", "request"} {
		wantFields(t, b.audit.one(t, "event", name), "remote_addr", "203.0.113.7:5555")
	}
}

// Two clusters of one address, as two resources behind one service name have
// it, are told apart by the name that the client asks for.
func TestTunnelClusterByAlias(t *testing.T) {
	b := newBed(t)
	other := newAPIServer(t)
	b.write("other-ca.crt", string(other.ca.PEM()))
	second := strings.Replace(clusterAt(other.URL, "other", prodAddress, "other.test", ""), "api-ca", "other-ca", 1)
	b.prepare(settings{"clusters": "[" + b.cluster("prod", prodAddress, prodAlias, "") + ", " + second + "]"})
	b.run()
	both := func(c *authn.Claims) { c.Resource.Aliases = []string{prodAlias, "other.test"} }
	b.open(both).mustAsk("/api/prod")
	b.openWith("", "other.test:443", b.token(both)).mustAsk("/api/other")
	if got := b.api.only(t).URL.Path; got != "/api/prod" {
		t.Errorf("the API server of prod got %s", got)
	}
	if got := other.only(t).URL.Path; got != "/api/other" {
		t.Errorf("the API server of other got %s", got)
	}
	requests := b.audit.wait(t, 2, where("event", "request"))
	wantFields(t, requests[0], "cluster", "prod", "path", "/api/prod")
	wantFields(t, requests[1], "cluster", "other", "path", "/api/other")
}

func TestTunnelTokenExpires(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	b.api.on("/apis/stream", echo)
	soon := func(c *authn.Claims) { c.ExpiresAt.Time = c.IssuedAt.Add(62_000_000_000) } // in 1 to 2 s: the claim has whole seconds
	idle, stream := b.open(soon), b.open(soon)
	stream.startStream("/apis/stream")
	stream.wantEcho("still there")
	idle.wantEnd()
	io.Copy(io.Discard, stream.r) // until it ends
	for _, closed := range b.audit.wait(t, 2, where("event", "connection.closed")) {
		wantFields(t, closed, "reason", "token-expired", "blame", "")
	}
	wantFields(t, b.audit.one(t, "event", "request"), "reason", "token-expired")
	b.wantMetric(`requests_aborted_total{cluster="prod",reason="token-expired"}`, 1)
	b.wantMetric(`refusals_total{reason="token-expired"}`, 0)
}

// A machine that has slept finds tokens ended of which no timer knows yet.
func TestTunnelTokenExpiredWhileAsleep(t *testing.T) {
	t.Parallel()
	b := start(t, nil)
	tunnel := b.open(func(c *authn.Claims) { c.ExpiresAt.Time = c.IssuedAt.Add(2 * time.Hour) })
	tunnel.mustAsk("/api")
	b.gateway.tunnels.expire(time.Now().Add(time.Hour))
	tunnel.mustAsk("/api")
	b.gateway.tunnels.expire(time.Now().Add(2 * time.Hour))
	tunnel.wantEnd()
	wantFields(t, b.audit.wait(t, 1, where("event", "connection.closed"))[0], "reason", "token-expired")
}
