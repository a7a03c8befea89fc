package conn

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/httpparse"
	"github.com/spliceway/spliceway/internal/testnet"
)

// endings are the states in which a connection can be ended from outside. begin
// leads a client there and returns the API server's end, nil if there is none.
var endings = []struct {
	name  string
	begin func(s *site, c *client) *peer
	// What the client and the API server have heard when it is over, if they were
	// aborted. With nothing pending an idle client is told in order.
	requests []string // how they end when they are aborted
}{
	{"idle", func(*site, *client) *peer { return nil }, nil},
	{"idle-again", func(s *site, c *client) *peer { pooled(s, c); return nil }, nil},
	{"head", func(s *site, c *client) *peer {
		c.says("GET /x HT")
		return nil
	}, []string{"aborted"}},
	{"dialing", func(s *site, c *client) *peer {
		s.dialing(time.Minute)
		c.says(request("GET /x"))
		return nil
	}, []string{"aborted"}},
	{"waiting", func(s *site, c *client) *peer {
		c.says(request("GET /x"))
		return s.accepts()
	}, []string{"aborted"}},
	{"watching", func(s *site, c *client) *peer {
		c.says(request("GET /x"))
		after(time.Second)
		return s.accepts()
	}, []string{"aborted"}},
	{"uploading", func(s *site, c *client) *peer {
		c.says(request("PUT /x", "Content-Length: 10"), "he")
		return s.accepts()
	}, []string{"aborted"}},
	{"uploading-to-one-who-does-not-read", func(s *site, c *client) *peer {
		c.says(request("PUT /x", "Content-Length: 1000000"))
		for range 5 {
			c.says(strings.Repeat("x", 25000))
		}
		return s.accepts()
	}, []string{"aborted"}},
	{"downloading", func(s *site, c *client) *peer {
		c.says(request("GET /x"))
		up := s.accepts()
		up.says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", "he")
		return up
	}, []string{"aborted"}},
	{"downloading-to-one-who-does-not-read", func(s *site, c *client) *peer {
		c.says(request("GET /x"))
		up := s.accepts()
		up.says("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
		for range 5 {
			up.says(strings.Repeat("x", 25000))
		}
		return up
	}, []string{"aborted"}},
	{"streaming", upgraded, []string{"aborted"}},
	{"streaming-half", func(s *site, c *client) *peer {
		up := upgraded(s, c)
		c.CloseWrite()
		return up
	}, []string{"aborted"}},
}

// Cancelling the context ends a connection at once, whatever it is doing.
func TestEndAtOnce(t *testing.T) {
	causes := []struct {
		cause  error
		reason string
	}{
		{ErrTokenExpired, "token-expired"},
		{ErrShutdown, "shutdown"},
		{errors.New("revoked"), "shutdown"},
	}
	for _, state := range endings {
		for _, cause := range causes {
			t.Run(state.name+"/"+cause.reason, func(t *testing.T) {
				conversation(t, func(s *site) {
					c := s.connect()
					up := state.begin(s, c)
					start := time.Now()
					c.cancel(cause.cause)
					c.wantEnd(cause.reason, "")
					if took := time.Since(start); took > 0 {
						t.Errorf("it took %v", took)
					}
					c.heard()
					c.hearsEndOrReset()
					if up != nil {
						up.heard()
						up.hearsEndOrReset()
					}
					s.wantPool(s.pool.Stats().Idle, 0)
					want := []string{}
					for range state.requests {
						want = append(want, cause.reason)
					}
					s.wantReasons(want...)
				})
			})
		}
	}
}

// hearsEndOrReset wants the connection to be over.
func (p *peer) hearsEndOrReset() {
	p.t.Helper()
	if err := p.readError(); err == nil || strings.Contains(err.Error(), "timeout") {
		p.t.Fatalf("the %s hears %v, want the end", p.name, err)
	}
}

func TestEndBeforeItBegins(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.cancel(ErrTokenExpired)
		c.wantEnd("token-expired", "")
	})
}

// What the client has sent ahead is not begun any more.
func TestEndWithRequestsAhead(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("GET /x") + request("GET /y"))
		s.accepts()
		c.cancel(ErrTokenExpired)
		c.wantEnd("token-expired", "")
		s.wantReasons("token-expired")
	})
}

// Nothing is sent any more behind the end, also when there was no connection to the
// API server yet that it could have closed.
func TestEndBeforeItIsSent(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		up := pooled(s, c)
		s.config.Admit = func(*Caller, []byte, *httpparse.Request, *audit.RequestInfo) (Reservation, *Error) {
			c.cancel(ErrTokenExpired)
			time.Sleep(time.Second) // until that has come through
			return nil, nil
		}
		c.says(request("GET /x"))
		after(time.Second)
		c.wantEnd("token-expired", "")
		up.hearsEnd()
		s.wantReasons("token-expired")
	})
}

func TestDrainIdle(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		pooled(s, c)
		c.conn.Drain()
		c.hearsEnd()
		c.wantEnd("drained", "")
		s.wantReasons()
	})
}

func TestDrainTwice(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.conn.Drain()
		c.conn.Drain()
		c.wantEnd("drained", "")
		c.conn.Drain()
	})
}

// The request that is being served, or read, is served to its end and told that
// it is the last one.
func TestDrainLetsRequestEnd(t *testing.T) {
	const last = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
	tests := []struct {
		name   string
		before []string
		behind string
	}{
		{"in-head", []string{"GET /x HT"}, "TP/1.1\r\nHost: a\r\n\r\n"},
		{"in-body", []string{request("PUT /x", "Content-Length: 5"), "he"}, "llo"},
		{"in-wait", []string{request("GET /x")}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			conversation(t, func(s *site) {
				c := s.connect()
				c.says(test.before...)
				c.conn.Drain()
				after(5 * time.Second)
				c.wantServed()
				c.says(test.behind)
				up := s.accepts()
				up.says(noContent)
				c.hears(last)
				c.hearsEnd()
				c.wantEnd("drained", "")
				s.wantPool(1, 0)
				s.wantReasons("")
			})
		})
	}
}

// Once the head of the response has gone, it can't say any more that it is the
// last one. The connection ends behind it all the same.
func TestDrainInMidResponse(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("GET /x"))
		up := s.accepts()
		up.says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "he")
		c.conn.Drain()
		up.says("llo")
		c.hears(response("200 OK", "hello"))
		c.hearsEnd()
		c.wantEnd("drained", "")
	})
}

func TestDrainServesWhatWasPipelined(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("GET /x") + request("GET /y") + request("GET /z"))
		up := s.accepts()
		up.says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
		c.conn.Drain()
		up.says("hello", noContent)
		c.hears(response("200 OK", "hello"), "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
		c.hearsEnd()
		after(time.Second) // the third is left unread
		c.wantEnd("drained", "")
	})
}

func TestDrainRefused(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("GET /x"))
		up := s.accepts()
		c.conn.Drain()
		up.Close()
		c.hears(refusal("502 Bad Gateway", "InternalError", closedBefore, "Connection: close"))
		c.hearsEnd()
		c.wantEnd("drained", "")
	})
}

func TestDrainLetsStreamGoOn(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		up := upgraded(s, c)
		c.conn.Drain()
		after(time.Hour)
		c.says("x")
		up.hears("x")
		up.Close()
		c.hearsEnd()
		c.Close()
		c.wantEnd("drained", "")
	})
}

// drainingConn drains its Conn when octets have been read, before it is told of
// them.
type drainingConn struct {
	*testnet.PipeConn
	drain func()
}

func (d *drainingConn) Read(p []byte) (int, error) {
	n, err := d.PipeConn.Read(p)
	if n > 0 {
		d.drain()
	}
	return n, err
}

// A drain that meets a request must not make it look late.
func TestDrainMeetsRequest(t *testing.T) {
	conversation(t, func(s *site) {
		s.config.Timeouts = Timeouts{Idle: time.Minute, RequestHead: time.Minute, BodyIdle: time.Minute}
		theirs, ours := testnet.Pipe()
		d := &drainingConn{PipeConn: ours}
		c := s.serve(d, &peer{t: t, name: "client", PipeConn: theirs})
		d.drain = c.conn.Drain
		c.says("PUT /x HTTP/1.1\r\n", "Host: a\r\nContent-Length: 1\r\n\r\n")
		c.hearsNothing()
		c.says("x")
		s.accepts().says(noContent)
		c.hears("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
	})
}

// A client that is gone is noticed without a word of the API server.
func TestVanishNoticed(t *testing.T) {
	for _, line := range []string{"GET /x", "GET /api/v1/pods?watch=true"} {
		for _, how := range []string{"closes", "resets", "half-closes"} {
			for _, state := range []string{"before-response", "in-response"} {
				t.Run(strings.ReplaceAll(line, "/", "_")+"/"+how+"/"+state, func(t *testing.T) {
					conversation(t, func(s *site) {
						c := s.connect()
						c.says(request(line))
						up := s.accepts()
						up.heard()
						if state == "in-response" {
							up.says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
						}
						after(50 * time.Millisecond)
						switch how {
						case "closes":
							c.Close()
						case "resets":
							c.Reset()
						case "half-closes":
							c.CloseWrite()
						}
						after(time.Second)
						up.hearsEndOrReset()
						c.wantEnd("client-closed", audit.BlameClient)
						s.wantReasons("client client-closed")
						s.wantPool(0, 0)
					})
				})
			}
		}
	}
}

// The client goes just when the response is complete: the exchange was a good one.
func TestVanishBehindResponse(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("GET /x"))
		up := s.accepts()
		after(time.Second)
		up.says(noContent)
		c.hears(noContent)
		c.Close()
		c.wantEnd("closed", "")
		s.wantReasons("")
		s.wantPool(1, 0)
	})
}

// The client says that it goes while it is still reading the last of the response,
// and the connection to the API server is closed at once: it must not be kept as one
// that is idle.
func TestVanishBeforeEndOfResponse(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("GET /x"))
		up := s.accepts()
		body := strings.Repeat("x", 70<<10) // more than the pipe to the client holds, and a bit
		up.says(response("200 OK", body))
		after(time.Second)
		c.CloseWrite()
		synctest.Wait()
		c.hears(response("200 OK", body))
		c.wantEnd("closed", "")
		s.wantReasons("")
		s.wantPool(0, 0)
	})
}
