package conn

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spliceway/spliceway/limit"
)

// Requests that wait for a connection get one when the one before them is done.
func TestGateLetsRequestsWait(t *testing.T) {
	conversation(t, func(s *site) {
		s.config.Gate = limit.NewGate(limit.GateConfig{Most: 2, Queue: 1, Wait: time.Minute})
		first, second, third, fourth := s.connect(), s.connect(), s.connect(), s.connect()
		first.says(request("GET /1"))
		one := s.accepts()
		second.says(request("GET /2"))
		two := s.accepts()
		third.says(request("GET /3"))
		s.acceptsNone()
		const busy = "too many requests wait for this cluster's API server; try again later"
		fourth.says(request("GET /4"))
		fourth.hears(refusal("503 Service Unavailable", "ServiceUnavailable", busy))
		one.says(noContent)
		first.hears(noContent)
		one.says(noContent) // to the third
		third.hears(noContent)
		two.says(noContent)
		second.hears(noContent)
		fourth.says(request("GET /4"))
		two.says(noContent)
		fourth.hears(noContent)
		if stats := s.config.Gate.Stats(); stats != (limit.GateStats{}) {
			t.Errorf("gate at the end: %+v, want nobody", stats)
		}
	})
}

// queued has two requests in use of a gate that has no more, and nobody waiting.
func queued(s *site) (busy [2]*client, up [2]*peer) {
	s.config.Gate = limit.NewGate(limit.GateConfig{Most: 2, Queue: 4, Wait: time.Minute})
	for i := range busy {
		busy[i] = s.connect()
		busy[i].says(request(fmt.Sprintf("GET /%d", i+1)))
		up[i] = s.accepts()
		up[i].hears(forwardedFor(fmt.Sprintf("c%d", i+1), 1, fmt.Sprintf("GET /%d", i+1)))
	}
	return busy, up
}

// wantWaiting wants so many to wait at the gate.
func (s *site) wantWaiting(want int) {
	s.t.Helper()
	synctest.Wait()
	if stats := s.config.Gate.Stats(); stats.Waiting[limit.Short] != want {
		s.t.Errorf("gate: %+v, want %d waiting", stats, want)
	}
}

// A client that goes away while its request waits does not have the API server asked
// for it, and is in nobody's way.
func TestGateForgetsWhoIsGone(t *testing.T) {
	for name, octets := range map[string]string{
		"whole":     request("GET /gone"),
		"half-body": request("PUT /gone", "Content-Length: 10") + "half",
	} {
		t.Run(name, func(t *testing.T) {
			conversation(t, func(s *site) {
				busy, up := queued(s)
				gone, stays := s.connect(), s.connect()
				gone.says(octets)
				synctest.Wait()
				stays.says(request("GET /stays"))
				s.wantWaiting(2)
				gone.Close()
				after(2*watchDelay + 1)
				s.wantWaiting(1)
				gone.wantEnd(reasonClientClosed, "client")
				s.wantReasons("client " + reasonClientClosed)
				up[0].says(noContent)
				busy[0].hears(noContent)
				up[0].hears(forwardedFor("c4", 1, "GET /stays"))
				up[0].says(noContent)
				stays.hears(noContent)
				up[1].says(noContent)
				busy[1].hears(noContent)
			})
		})
	}
}

// One that goes away just as its turn comes gives back the place that it may have
// taken.
func TestGateTurnOfWhoIsGone(t *testing.T) {
	conversation(t, func(s *site) {
		_, up := queued(s)
		gone := s.connect()
		gone.says(request("GET /gone"))
		after(2*watchDelay + 1) // it is watched
		up[0].says(noContent)
		gone.Close()
		after(2*watchDelay + 1) // it is watched anew if it was sent
		gone.wantEnd(reasonClientClosed, "client")
		up[1].says(noContent)
		synctest.Wait()
		if stats := s.config.Gate.Stats(); stats != (limit.GateStats{}) {
			t.Errorf("gate: %+v, want nobody", stats)
		}
	})
}

// What a client sends while its request waits is not lost: the rest of a body, the
// next request.
func TestGateKeepsWhatIsSentMeanwhile(t *testing.T) {
	conversation(t, func(s *site) {
		busy, up := queued(s)
		body, ahead := s.connect(), s.connect()
		const large = 3 * smallBuffer // does not fit in with the head
		body.says(request("PUT /body", fmt.Sprintf("Content-Length: %d", large)))
		synctest.Wait()
		ahead.says(request("GET /first"))
		s.wantWaiting(2)
		after(2*watchDelay + 1)
		rest := strings.Repeat("x", large)
		body.says(rest)
		ahead.says(request("GET /second"))
		after(time.Second)
		s.wantWaiting(2)
		for i, want := range []string{
			forwardedFor("c3", 1, "PUT /body", fmt.Sprintf("Content-Length: %d", large)) + rest,
			forwardedFor("c4", 1, "GET /first"),
		} {
			up[i].says(noContent)
			busy[i].hears(noContent)
			up[i].hears(want)
		}
		up[0].says(noContent)
		body.hears(noContent)
		up[1].says(noContent)
		ahead.hears(noContent)
		up[1].hears(forwardedFor("c4", 2, "GET /second"))
		up[1].says(noContent)
		ahead.hears(noContent)
	})
}

// A gateway that has run out of files says that it is its own fault.
func TestGatewayExhausted(t *testing.T) {
	conversation(t, func(s *site) {
		s.dialErr = fmt.Errorf("dialing: %w", saying{exhausted: true})
		c := s.connect()
		c.says(request("GET /x"))
		c.hears(refusal("503 Service Unavailable", "ServiceUnavailable", saying{}.Sentence()))
		s.wantReasons("gateway gateway-exhausted")
	})
}
