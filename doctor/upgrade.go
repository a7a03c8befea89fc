package doctor

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
)

// probePath is a command in a pod that is not there: to ask for it does no harm.
const probePath = "/api/v1/namespaces/default/pods/spliceway-doctor.invalid/exec?command=true&stdout=true"

const doUpgrade = "have every proxy and load balancer on the way pass Connection: Upgrade and Upgrade on, or go round it; " +
	"exec, attach and port-forward need it"

// webSocket asks for an upgrade to WebSocket. Where the credential is a bearer token it travels in the handshake, from
// which an API server takes it only if the upgrade has come through.
func (s *apiServer) webSocket(ctx context.Context) (string, error) {
	r := request(http.MethodGet, probePath, nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-WebSocket-Version", "13")
	r.Header.Set("Sec-WebSocket-Key", "c3BsaWNld2F5LWRvY3Rvcg==")
	protocols, inside := "v5.channel.k8s.io", false
	if s.authorization != nil {
		if token, ok := strings.CutPrefix(s.authorization(), "Bearer "); ok {
			inside = true
			protocols = "base64url.bearer.authorization.k8s.io." + base64.RawURLEncoding.EncodeToString([]byte(token)) + ", " + protocols
		}
	}
	r.Header.Set("Sec-WebSocket-Protocol", protocols)
	a, err := s.ask(ctx, r, !inside)
	if err != nil {
		return "", err
	}
	if inside && (a.status == http.StatusUnauthorized || strings.Contains(a.message(), "system:anonymous")) {
		return "", faultf(doUpgrade, "the Upgrade field does not reach the API server: something on the way strips it (WebSocket)")
	}
	return s.judgeUpgrade(a, "WebSocket")
}

// spdy asks for an upgrade to SPDY/3.1.
func (s *apiServer) spdy(ctx context.Context) (string, error) {
	r := request(http.MethodPost, probePath, nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "SPDY/3.1")
	r.Header.Set("X-Stream-Protocol-Version", "v4.channel.k8s.io")
	a, err := s.ask(ctx, r, true)
	if err != nil {
		return "", err
	}
	return s.judgeUpgrade(a, "SPDY")
}

// judgeUpgrade: a refusal of the API server's own is what is expected.
func (s *apiServer) judgeUpgrade(a *answer, protocol string) (string, error) {
	says := a.message()
	switch {
	case a.status == http.StatusSwitchingProtocols:
		return "is agreed to", nil
	case a.status == http.StatusBadRequest && strings.Contains(strings.ToLower(says), "upgrade"):
		return "", faultf(doUpgrade, "the Upgrade field does not reach the API server: something on the way strips it (%s)", protocol)
	case (a.status == http.StatusForbidden || a.status == http.StatusNotFound) && strings.Contains(string(a.body), `"Status"`):
		return "arrives; the API server refuses a pod that is not there, as it should", nil
	}
	if known := Explain(says); known != nil {
		return "", &fault{known.Cause, known.Do}
	}
	return "", faultf("look for what is between the gateway and the API server: this is not what API servers answer",
		"an upgrade to %s is answered with %d: %s", protocol, a.status, says)
}
