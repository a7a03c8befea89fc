package conn

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spliceway/spliceway/audit"
)

// What kubectl sends for exec, as far as it matters here.
var spdyRequest = request("POST /api/v1/namespaces/a/pods/b/exec?command=sh", "Connection: Upgrade", "Upgrade: SPDY/3.1",
	"X-Stream-Protocol-Version: v4.channel.k8s.io")

// spdyForwarded is what the API server hears of it.
func spdyForwarded(n int) string {
	head := forwarded(n, "POST /api/v1/namespaces/a/pods/b/exec?command=sh", "X-Stream-Protocol-Version: v4.channel.k8s.io")
	return head[:len(head)-2] + "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
}

const (
	spdyAgreed   = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\nConnection: Upgrade\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n"
	spdySwitched = "HTTP/1.1 101 Switching Protocols\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
)

// upgraded agrees on a stream.
func upgraded(s *site, c *client) *peer {
	s.t.Helper()
	c.says(spdyRequest)
	up := s.accepts()
	up.hears(spdyForwarded(1))
	up.says(spdyAgreed)
	c.hears(spdySwitched)
	return up
}

// streamEnd is what Done is told of the stream when so many octets have passed.
func streamEnd(up, down int, blame, reason string) told {
	return told{id: "c1-1", method: "POST", path: "/api/v1/namespaces/a/pods/b/exec", protocol: "spdy", status: 101,
		up: int64(len(spdyForwarded(1)) + up), down: int64(len(spdySwitched) + down), blame: blame, reason: reason}
}

func TestStreamBothWays(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		up := upgraded(s, c)
		c.says("ping")
		up.hears("ping")
		up.says("pong")
		c.hears("pong")
		large := strings.Repeat("0123456789abcdef", 3<<10)
		c.says(large)
		up.hears(large)
		up.says(large)
		c.hears(large)
		s.wantPool(0, 1)
		c.CloseWrite()
		up.hearsEnd()
		up.Close()
		c.hearsEnd()
		c.wantEnd("closed", "")
		s.wantTold(streamEnd(4+len(large), 4+len(large), "", ""))
		s.wantPool(0, 0)
	})
}

func TestStreamEarlyOctets(t *testing.T) {
	for _, wait := range []time.Duration{0, time.Second} { // before and after the watch of the client begins
		conversation(t, func(s *site) {
			c := s.connect()
			c.says(spdyRequest + "early ")
			up := s.accepts()
			up.hears(spdyForwarded(1)) // and not a word of what may never be wanted
			after(wait)
			c.says("bird")
			up.hearsNothing()
			up.says(spdyAgreed + "worm")
			up.hears("early bird")
			c.hears(spdySwitched, "worm")
		})
	}
}

func TestStreamEarlyOctetsOfManyBuffers(t *testing.T) {
	early := strings.Repeat("0123456789abcdef", 3<<10)
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(spdyRequest + early)
		up := s.accepts()
		up.heard()
		after(time.Second)
		up.says(spdyAgreed)
		up.hears(early)
	})
}

// Each way through a stream ends by itself. A step is who does what; the other
// side has to notice what is written behind it, and the stream has to end so.
func TestStreamHalfClose(t *testing.T) {
	const (
		finish = "finishes"
		closes = "closes"
		resets = "resets"
		waits  = "waits"
	)
	tests := []struct {
		name          string
		first, second string // "client finishes" and so on
		blame, reason string
	}{
		{"client-then-server", "client finishes", "server finishes", "", ""},
		{"server-then-client", "server finishes", "client finishes", "", ""},
		{"client-then-server-closes", "client finishes", "server closes", "", ""},
		{"server-closes-then-client-closes", "server closes", "client closes", "", ""},
		{"client-closes-then-server-closes", "client closes", "server closes", "", ""},
		{"client-then-server-resets", "client finishes", "server resets", audit.BlameUpstream, "upstream-closed"},
		{"server-then-client-resets", "server finishes", "client resets", audit.BlameClient, "client-closed"},
		{"client-resets", "client resets", "", audit.BlameClient, "client-closed"},
		{"server-resets", "server resets", "", audit.BlameUpstream, "upstream-closed"},
		{"server-then-client-waits", "server finishes", "client waits", "", ""},
		{"client-then-server-waits", "client finishes", "server waits", audit.BlameUpstream, "idle"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			conversation(t, func(s *site) {
				c := s.connect()
				up := upgraded(s, c)
				for _, step := range []string{test.first, test.second} {
					who, does, _ := strings.Cut(step, " ")
					actor, other := c.peer, up
					if who == "server" {
						actor, other = up, c.peer
					}
					switch does {
					case finish:
						actor.CloseWrite()
						other.hearsEnd()
						if step == test.first { // the other way goes on
							other.says("still here")
							actor.hears("still here")
						}
					case closes:
						actor.Close()
						if step == test.first {
							other.hearsEnd()
						}
					case resets:
						actor.Reset()
					case waits:
						after(4 * time.Hour)
					}
				}
				c.wantEnd(first(test.reason, "closed"), test.blame)
				s.wantReasons(strings.TrimSpace(test.blame + " " + test.reason))
				s.wantPool(0, 0)
			})
		})
	}
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// A client that was told the end may say its last words, but not wait for hours.
func TestStreamClientLingersBehindEnd(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		up := upgraded(s, c)
		up.CloseWrite()
		c.hearsEnd()
		for range 4 {
			after(partingTime / 5)
			c.says("x")
			up.hears("x")
		}
		c.wantServed()
		after(partingTime / 4) // and to go on talking does not help
		up.hearsEnd()
		c.wantEnd("closed", "")
		s.wantReasons("")
	})
}

// Nor may one go on whose words the API server does not take any more.
func TestStreamClientTalksBehindEnd(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		up := upgraded(s, c)
		up.CloseWrite()
		c.hearsEnd()
		for range 5 {
			c.says(strings.Repeat("x", 25000))
		}
		after(partingTime + lingerTime)
		c.wantEnd("idle", audit.BlameUpstream)
	})
}

// An API server that has said how the session ended has only to end the stream.
func TestStreamFinished(t *testing.T) {
	conversation(t, func(s *site) {
		tap := &speaker{}
		s.speaks(tap)
		c := s.connect()
		up := upgraded(s, c)
		tap.upgrade.Finish()
		for range 3 {
			after(partingTime / 2)
			up.says("late output")
			c.hears("late output")
		}
		c.wantServed()
		after(partingTime)
		c.hearsEnd()
		c.CloseWrite()
		c.wantEnd("closed", "")
		tap.upgrade.Finish()
		s.wantReasons("")
	})
}

// Either direction may be silent for as long as it likes while the other moves.
func TestStreamIdleTogether(t *testing.T) {
	for _, talker := range []string{"client", "server"} {
		conversation(t, func(s *site) {
			c := s.connect()
			up := upgraded(s, c)
			actor, other := c.peer, up
			if talker == "server" {
				actor, other = up, c.peer
			}
			for range 20 {
				after(time.Hour)
				actor.says("x")
				other.hears("x")
			}
			after(170 * time.Minute)
			c.wantServed()
			after(70 * time.Minute)
			c.wantEnd("idle", c.end.Blame)
			up.hearsEnd()
			c.hearsEnd()
		})
	}
}

func TestStreamPeerDoesNotRead(t *testing.T) {
	for _, reader := range []string{"client", "server"} {
		conversation(t, func(s *site) {
			c := s.connect()
			up := upgraded(s, c)
			talker := c.peer
			if reader == "client" {
				talker = up
			}
			for range 5 {
				talker.says(strings.Repeat("x", 25000))
			}
			after(2 * time.Hour)
			c.wantServed()
			after(2 * time.Hour)
			blame := audit.BlameClient
			if reader == "server" {
				blame = audit.BlameUpstream
			}
			c.wantEnd("idle", blame)
			s.wantPool(0, 0)
		})
	}
}

func TestStreamRefusedByServer(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(spdyRequest + request("GET /not-a-request")) // octets of the stream, whatever they look like
		up := s.accepts()
		after(time.Second)
		up.hears(spdyForwarded(1))
		up.says(response("403 Forbidden", "no"))
		c.hears("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
		c.hearsEnd()
		after(time.Second)
		c.wantEnd("closed", "")
		up.hearsNothing()
		s.acceptsNone()
		s.wantPool(1, 0)
		s.wantReasons("")
	})
}

func TestStreamWithoutServer(t *testing.T) {
	conversation(t, func(s *site) {
		s.dialErr = errors.New("no route to host")
		c := s.connect()
		c.says(spdyRequest + request("GET /not-a-request"))
		c.hears(refusal("502 Bad Gateway", "InternalError", "the API server can't be reached", "Connection: close"))
		c.hearsEnd()
		after(time.Second)
		c.wantEnd("closed", "")
		s.wantReasons("upstream upstream-unreachable")
	})
}

func TestStreamAnotherProtocol(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(spdyRequest)
		up := s.accepts()
		up.says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
		c.hears(refusal("502 Bad Gateway", "InternalError", "the API server's response is not valid HTTP/1.1", "Connection: close"))
		up.heard()
		up.hearsEnd()
	})
}

func TestStreamClientVanishesBeforeAgreement(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(spdyRequest)
		up := s.accepts()
		up.hears(spdyForwarded(1))
		after(time.Second)
		c.Close()
		up.hearsEnd()
		c.wantEnd("client-closed", audit.BlameClient)
		s.wantReasons("client client-closed")
	})
}

// recorder is a Tap that writes down what it is told.
type recorder struct {
	upgrade *Upgrade
	fail    string // refuse octets that contain it

	mu     sync.Mutex
	up     string  // guarded by mu
	down   string  // guarded by mu
	closes []error // guarded by mu
}

func (r *recorder) Up(p []byte) error          { return r.take(&r.up, p) }
func (r *recorder) Down(p []byte) (int, error) { return len(p), r.take(&r.down, p) }
func (r *recorder) Insert() ([]byte, error)    { return nil, nil }

func (r *recorder) take(to *string, p []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != "" && strings.Contains(string(p), r.fail) {
		return errors.New("disk full")
	}
	*to += string(p)
	return nil
}

func (r *recorder) Close(cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closes = append(r.closes, cause)
}

// recorded makes the site record into r.
func (s *site) recorded(r *recorder) {
	s.config.Tap = func(u *Upgrade) (Tap, error) {
		r.upgrade = u
		return r, nil
	}
}

func (r *recorder) want(t *testing.T, up, down, closes string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.up != up || r.down != down || fmt.Sprint(r.closes) != closes {
		t.Errorf("the tap was told up %q, down %q, closed with %v; want %q, %q, %v", r.up, r.down, r.closes, up, down, closes)
	}
}

func TestStreamTap(t *testing.T) {
	conversation(t, func(s *site) {
		r := &recorder{}
		s.recorded(r)
		c := s.connect()
		c.says(spdyRequest + "early")
		up := s.accepts()
		r.want(t, "", "", "[]")
		up.says(spdyAgreed + "bird")
		c.hears(spdySwitched, "bird")
		c.says(" on")
		up.says(strings.Repeat(" y", 20000)) // overwrites every buffer that heads were in
		r.want(t, "early on", "bird"+strings.Repeat(" y", 20000), "[]")
		u := r.upgrade
		if got := string(u.Response.Subprotocol()); got != "v4.channel.k8s.io" || u.Response.Status != 101 {
			t.Errorf("the upgrade's response is %d with subprotocol %q, want 101 with v4.channel.k8s.io", u.Response.Status, got)
		}
		if got := string(u.Request.Header.Get("X-Stream-Protocol-Version")); got != "v4.channel.k8s.io" {
			t.Errorf("the upgrade's request offers %q, want v4.channel.k8s.io", got)
		}
		if string(u.Info.Name) != "b" || string(u.Info.Subresource) != "exec" || string(u.ID) != "c1-1" || u.Caller != c.conn.caller {
			t.Errorf("the upgrade is %s of %s with id %s, want exec of b with id c1-1", u.Info.Subresource, u.Info.Name, u.ID)
		}
		up.Close()
		c.Close()
		c.wantEnd("closed", "")
		r.want(t, "early on", "bird"+strings.Repeat(" y", 20000), "[<nil>]")
	})
}

func TestStreamTapRefuses(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		want   string
		reason string
	}{
		{"any-error", errors.New("disk full"),
			refusal("503 Service Unavailable", "ServiceUnavailable", "the session can't be recorded, so it was not started; tell your administrator", "Connection: close"),
			"recorder recorder"},
		{"own-words", fmt.Errorf("policy: %w", &Error{Blame: audit.BlameClient, Status: 403, Reason: "policy", Say: "no shells on Sundays"}),
			refusal("403 Forbidden", "Forbidden", "no shells on Sundays", "Connection: close"),
			"client policy"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			conversation(t, func(s *site) {
				s.config.Tap = func(*Upgrade) (Tap, error) { return nil, test.err }
				c := s.connect()
				c.says(spdyRequest + "early")
				up := s.accepts()
				up.says(spdyAgreed + "bird")
				c.hears(test.want)
				up.hears(spdyForwarded(1))
				up.hearsEnd()
				after(time.Second)
				c.hearsEnd()
				s.wantReasons(test.reason)
				s.wantPool(0, 0)
			})
		})
	}
}

// What the tap does not take is not delivered.
func TestStreamTapFails(t *testing.T) {
	for _, way := range []string{"up", "down"} {
		t.Run(way, func(t *testing.T) {
			conversation(t, func(s *site) {
				r := &recorder{fail: "secret"}
				s.recorded(r)
				c := s.connect()
				up := upgraded(s, c)
				talker, other := c.peer, up
				if way == "down" {
					talker, other = up, c.peer
				}
				talker.says("plain")
				other.hears("plain")
				talker.says("secret")
				other.hearsEnd()
				talker.hearsEnd()
				c.wantEnd("recorder", audit.BlameRecorder)
				s.wantReasons("recorder recorder")
				if len(r.closes) != 1 || !strings.Contains(fmt.Sprint(r.closes[0]), "disk full") {
					t.Errorf("the tap was closed with %v, want its own error once", r.closes)
				}
			})
		})
	}
}

func TestStreamTapLearnsCause(t *testing.T) {
	conversation(t, func(s *site) {
		r := &recorder{}
		s.recorded(r)
		c := s.connect()
		upgraded(s, c)
		c.cancel(ErrTokenExpired)
		c.wantEnd("token-expired", "")
		if len(r.closes) != 1 || !errors.Is(r.closes[0], ErrTokenExpired) {
			t.Errorf("the tap was closed with %v, want the cause", r.closes)
		}
		s.wantTold(streamEnd(0, 0, "", "token-expired"))
	})
}
