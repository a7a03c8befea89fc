package fuzz

import (
	"path/filepath"
	"testing"

	"github.com/spliceway/spliceway/authn"
	"github.com/spliceway/spliceway/httpparse"
	"github.com/spliceway/spliceway/spdy"
	"github.com/spliceway/spliceway/ws"
)

// TestSeedsAreAccepted wants enough of the seeds to be accepted: whoever refuses
// everything never differs from anybody.
func TestSeedsAreAccepted(t *testing.T) {
	verifier := newVerifier()
	for _, row := range []struct {
		target   string
		fewest   int
		accepted func(t *testing.T, s seed) bool
	}{
		{"FuzzRequest", 150, func(_ *testing.T, s seed) bool {
			_, err := httpparse.ParseRequest(s[1].([]byte), limitsOf(s[0].(bool)), new(httpparse.Request))
			return err == nil
		}},
		{"FuzzMessages", 110, func(_ *testing.T, s seed) bool { return len(readRequests(s[0].([]byte)).messages) > 0 }},
		{"FuzzRewrite", 60, func(_ *testing.T, s seed) bool { return len(readRequests(s[1].([]byte)).messages) > 0 }},
		{"FuzzResponse", 45, func(t *testing.T, s seed) bool {
			return readResponses(answeredRequest(t, s[0].(uint8)), s[2].([]byte)).ended
		}},
		{"FuzzChunked", 60, func(t *testing.T, s seed) bool { return decodeChunks(t, false, 0, s[2].([]byte)).done }},
		{"FuzzConnect", 110, func(_ *testing.T, s seed) bool {
			_, err := httpparse.ParseConnect(s[1].([]byte), limitsOf(s[0].(bool)), new(httpparse.Request))
			return err == nil
		}},
		{"FuzzClaims", 15, func(t *testing.T, s seed) bool {
			_, err := verifier.Verify(t.Context(), signed(map[bool]string{true: olderHeader, false: newerHeader}[s[0].(bool)], s[1].(string)))
			return err == nil
		}},
		{"FuzzTarget", 20, func(_ *testing.T, s seed) bool {
			grant := &authn.Grant{Resource: authn.Resource{Address: s[0].(string), DownstreamPort: int(s[2].(uint16))}}
			_, err := grant.MatchTarget(s[3].(string))
			return err == nil
		}},
		{"FuzzConfig", 20, func(t *testing.T, s seed) bool {
			_, err := load(t, filepath.Join(t.TempDir(), "config.yaml"), s[0].(string))
			return err == nil
		}},
		{"FuzzSPDY", 28, func(t *testing.T, s seed) bool {
			mode := map[bool]spdy.Mode{true: spdy.PortForward, false: spdy.Exec}[s[0].(bool)]
			d := readTurns(t, mode, inTurns(s[1].([]byte), s[2].([]byte), s[3].([]byte)), mostOfTurn)
			return d.err == nil && d.ends == [2]error{}
		}},
		{"FuzzWebSocket", 45, func(t *testing.T, s seed) bool {
			from := map[bool]ws.Peer{true: ws.Server, false: ws.Client}[s[0].(bool)]
			d := ws.NewDecoder(from, subprotocols[s[1].(uint8)], &ws.Options{Ports: int(s[2].(uint8))})
			return readFrames(t, d, s[4].([]byte)).end == nil && d.End() == nil
		}},
	} {
		n := 0
		for _, s := range targets[row.target](t) {
			if row.accepted(t, s) {
				n++
			}
		}
		t.Logf("%s: %d seeds are accepted", row.target, n)
		if n < row.fewest {
			t.Errorf("%s: %d seeds are accepted, want %d or more", row.target, n, row.fewest)
		}
	}
}
