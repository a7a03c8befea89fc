package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// TestAuditOfRequests looks for what commands leave in the gateway's audit log
// and, by its Audit-Id, in that of the API server.
func TestAuditOfRequests(t *testing.T) {
	t.Parallel()
	if direct() {
		t.Skip("E2E_DIRECT leaves the gateway out")
	}
	k := kubectlAs(t, ann)
	pod := runPod(t, k, "audited", "sleep 300")
	k.run(t, "wait", "--for=condition=Ready", "pod/"+pod, "--timeout=20s")
	for _, flavour := range flavours {
		t.Run(flavour.name, func(t *testing.T) {
			k := k.with(flavour.env...)
			k.program = run.programs[flavour.program]
			k.feed(t, strings.Repeat("octets ", 1000), "exec", "-i", pod, "--", "cat")
			event := waitForEvent(t, shared.stack, "request", "name", pod, "subresource", "exec", "protocol", flavour.protocol)
			for field, want := range map[string]string{
				"user": ann.Name, "cluster": "testcluster", "namespace": "default", "resource": "pods",
				"apiGroup": "", "apiVersion": "v1", "status": "101", "blame": "", "error": "",
			} {
				wantEqual(t, field, event.Text(field), want)
			}
			for _, field := range []string{"bytes_up", "bytes_down"} {
				if n, _ := event[field].(float64); n < 7000 {
					t.Errorf("%s: got %v, want 7000 or more", field, event[field])
				}
			}
		})
	}
	event := waitForEvent(t, shared.stack, "request", "name", pod, "verb", "get", "status", "200", "subresource", "")
	wantEqual(t, "path", event.Text("path"), "/api/v1/namespaces/default/pods/"+pod)
	upstream := upstreamEvent(t, event.Text("audit_id"))
	wantEqual(t, "impersonated user", upstream.ImpersonatedUser.Username, ann.Name)
	wantEqual(t, "user of the gateway", upstream.User.Username, run.cluster.GatewayAccount)
	if connection := waitForEvent(t, shared.stack, "connection.opened", "conn_id", event.Text("conn_id")); connection != nil {
		wantEqual(t, "user of the connection", connection.Text("user"), ann.Name)
		wantEqual(t, "groups of the connection", connection.Text("groups"), "[developers on-call]")
	}
}

// apiServerEvent is as much as we need of an audit event of the API server.
type apiServerEvent struct {
	AuditID          string
	User             struct{ Username string }
	ImpersonatedUser struct{ Username string }
}

// upstreamEvent finds an event of the API server's audit log.
func upstreamEvent(t *testing.T, id string) (found apiServerEvent) {
	t.Helper()
	if !eventually(func() bool {
		data, err := os.ReadFile(run.cluster.AuditLog)
		if err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewReader(bytes.NewReader(data)); ; {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				return false
			}
			if bytes.Contains(line, []byte(id)) && json.Unmarshal(line, &found) == nil && found.AuditID == id {
				return true
			}
		}
	}) {
		t.Fatalf("the API server's audit log has no event %q", id)
	}
	return found
}

// TestMetrics looks for what a few commands leave on /metrics.
func TestMetrics(t *testing.T) {
	t.Parallel()
	issuer := newScriptedIssuer(t, ann, time.Hour)
	s := newStack(t, issuer.use)
	k := kubectlThrough(t, s, ann)
	k.run(t, "get", "pods")
	k.fails(t, "get", "nodes")
	for _, flavour := range flavours[:2] {
		k.with(flavour.env...).run(t, "exec", "demo", "--", "true")
	}
	for _, test := range []struct {
		name   string
		labels []string
		atMost float64 // and at least 1
	}{
		{"spliceway_build_info", nil, 1},
		{"spliceway_authentications_total", []string{`result="ok"`}, 100},
		{"spliceway_requests_total", []string{`cluster="testcluster"`, `verb="list"`, `code="200"`}, 1},
		{"spliceway_requests_total", []string{`verb="list"`, `code="403"`}, 1},
		{"spliceway_requests_total", []string{`code="101"`}, 2},
		{"spliceway_streams_total", []string{`protocol="websocket"`}, 1},
		{"spliceway_streams_total", []string{`protocol="spdy"`}, 1},
		{"spliceway_upstream_dials_total", []string{`result="ok"`}, 10},
		{"spliceway_forwarded_bytes_total", []string{`direction="down"`}, 1e8},
		{"spliceway_certificate_expiry_timestamp_seconds", nil, 1e12},
	} {
		var got float64
		if !eventually(func() bool {
			got = metric(t, s, test.name, test.labels...)
			return got >= 1 && got <= test.atMost
		}) {
			t.Errorf("%s%q: got %v, want 1 to %v", test.name, test.labels, got, test.atMost)
		}
	}
}
