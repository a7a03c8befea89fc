package conn

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// pooled makes one request, so that the pool has a connection, and returns the
// API server's end of it.
func pooled(s *site, c *client) *peer {
	s.t.Helper()
	c.says(request("GET /warm"))
	up := s.accepts()
	up.says(noContent)
	c.hears(noContent)
	up.heard()
	s.wantPool(1, 0)
	s.wantReasons("")
	return up
}

const closedBefore = "the API server closed the connection before it had answered"

func TestRetryStaleConnection(t *testing.T) {
	tests := []struct {
		name    string
		request string
		sent    string // what the API server hears, both times
		again   bool
	}{
		{"get", request("GET /x"), forwarded(2, "GET /x"), true},
		{"head", request("HEAD /x"), forwarded(2, "HEAD /x"), true},
		{"options", request("OPTIONS /x"), forwarded(2, "OPTIONS /x"), true},
		{"put-with-its-head", request("PUT /x", "Content-Length: 2") + "{}", forwarded(2, "PUT /x", "Content-Length: 2") + "{}", true},
		{"delete-with-its-head", request("DELETE /x", "Content-Length: 2") + "{}", forwarded(2, "DELETE /x", "Content-Length: 2") + "{}", true},
		{"post", request("POST /x"), forwarded(2, "POST /x"), false},
		{"patch", request("PATCH /x", "Content-Length: 2") + "{}", forwarded(2, "PATCH /x", "Content-Length: 2") + "{}", false},
		{"put-without-its-body", request("PUT /x", "Content-Length: 2") + "{", forwarded(2, "PUT /x", "Content-Length: 2") + "{", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			conversation(t, func(s *site) {
				c := s.connect()
				up := pooled(s, c)
				c.says(test.request)
				up.hears(test.sent)
				up.Close()
				if !test.again {
					refused := refusal("502 Bad Gateway", "InternalError", closedBefore)
					if strings.HasPrefix(test.name, "put-without") {
						refused = refusal("502 Bad Gateway", "InternalError", closedBefore, "Connection: close")
					}
					c.hears(refused)
					s.acceptsNone()
					s.wantReasons("upstream upstream-closed")
					return
				}
				up = s.accepts()
				up.hears(test.sent)
				up.says(noContent)
				c.hears(noContent)
				s.wantReasons("")
				s.wantRetries(retryStale)
			})
		})
	}
}

// wantRetries wants Retried to have been called with these reasons so far.
func (s *site) wantRetries(want ...string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := strings.Join(s.retries, " "); got != strings.Join(want, " ") {
		s.t.Errorf("requests were repeated for %q, want %q", got, want)
	}
}

func TestRetryStaleConnectionThatWasReset(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		pooled(s, c).Reset()
		c.says(request("GET /x"))
		up := s.accepts()
		up.hears(forwarded(2, "GET /x"))
		up.says(noContent)
		c.hears(noContent)
	})
}

func TestRetryOnceOnly(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		up := pooled(s, c)
		c.says(request("GET /x"))
		up.Close()
		s.accepts().Close()
		c.hears(refusal("502 Bad Gateway", "InternalError", closedBefore))
		s.acceptsNone()
		c.says(request("GET /x"))
		s.accepts().hears(forwarded(3, "GET /x"))
	})
}

func TestRetryNotOnFreshConnection(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("GET /x"))
		s.accepts().Close()
		c.hears(refusal("502 Bad Gateway", "InternalError", closedBefore))
		s.acceptsNone()
		s.wantRetries()
	})
}

// One octet of an answer, even of an interim one, and the request has been seen.
func TestRetryNotAfterFirstOctet(t *testing.T) {
	for _, octets := range []string{"H", "HTTP/1.1 103 Early Hints\r\n\r\n"} {
		conversation(t, func(s *site) {
			c := s.connect()
			up := pooled(s, c)
			c.says(request("GET /x"))
			up.says(octets)
			up.Close()
			if got := c.heard(); !strings.HasSuffix(got, refusal("502 Bad Gateway", "InternalError", closedBefore)) {
				t.Errorf("after %q the client hears %q, want a refusal", octets, got)
			}
			s.acceptsNone()
		})
	}
}

func TestRetryNotAfterTimeout(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		up := pooled(s, c)
		c.says(request("GET /x"))
		up.hears(forwarded(2, "GET /x"))
		after(2 * time.Minute)
		c.hears(refusal("504 Gateway Timeout", "Timeout", "the API server did not answer in time"))
		s.acceptsNone()
		s.wantReasons("upstream upstream-timeout")
	})
}

// An upgrade can't be repeated, so it is never sent on a pooled connection.
func TestRetryNotForUpgrade(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		old := pooled(s, c)
		c.says(spdyRequest)
		s.accepts().hears(spdyForwarded(2))
		old.hearsNothing()
		s.wantPool(1, 1)
	})
}

const unauthorized = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 3\r\n\r\nno\n"

const badCredential = "the API server does not accept the gateway's own credential; tell your administrator"

func TestRetryFreshCredential(t *testing.T) {
	conversation(t, func(s *site) {
		s.token.next = "renewed"
		c := s.connect()
		c.says(request("POST /x", "Content-Length: 2") + "{}")
		up := s.accepts()
		up.hears(forwarded(1, "POST /x", "Content-Length: 2"), "{}")
		up.says(unauthorized)
		up.hearsEnd()
		up = s.accepts()
		again := strings.Replace(forwarded(1, "POST /x", "Content-Length: 2"), "Bearer gateway", "Bearer renewed", 1)
		up.hears(again, "{}")
		up.says(response("201 Created", "{}"))
		c.hears(response("201 Created", "{}"))
		s.wantRetries(retryCredential)
		s.wantTold(told{id: "c1-1", method: "POST", path: "/x", protocol: "http1", status: 201,
			up: int64(2*len(again) + 4), down: int64(len(response("201 Created", "{}")))})
	})
}

func TestRetryCredentialRefusedTwice(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("GET /x"))
		s.accepts().says(unauthorized)
		s.accepts().says(unauthorized)
		c.hears(refusal("502 Bad Gateway", "InternalError", badCredential))
		s.acceptsNone()
		s.wantReasons("gateway credential-refused")
		s.wantPool(0, 0)
	})
}

func TestRetryCredentialUnreadable(t *testing.T) {
	conversation(t, func(s *site) {
		s.token.err = errors.New("no such file")
		c := s.connect()
		c.says(request("GET /x"))
		s.accepts().says(unauthorized)
		c.hears(refusal("502 Bad Gateway", "InternalError", badCredential))
		s.acceptsNone()
	})
}

// What is left of the body is not there any more to be sent again.
func TestRetryCredentialNotInMidBody(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("POST /x", "Content-Length: 4")+"ab", "cd")
		up := s.accepts()
		up.hears(forwarded(1, "POST /x", "Content-Length: 4"), "abcd")
		up.says(unauthorized)
		c.hears(refusal("502 Bad Gateway", "InternalError", badCredential))
		s.acceptsNone()
		if s.token.refreshes != 0 {
			t.Errorf("the credential was refreshed %d times for nothing", s.token.refreshes)
		}
	})
}

// Behind a proxy path it is an application that asks its own user to log in.
func TestRetryNotForApplications(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("GET /api/v1/namespaces/a/pods/b/proxy/x"))
		s.accepts().says(unauthorized)
		c.hears(unauthorized)
		s.acceptsNone()
	})
}

func TestRetryNotForClientThatIsGone(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		up := pooled(s, c)
		c.says(request("GET /x"))
		after(time.Second)
		up.hears(forwarded(2, "GET /x"))
		c.Close()
		up.hearsEnd()
		s.acceptsNone()
		s.wantRetries()
		s.wantReasons("client client-closed")
	})
}

// The client goes while the second connection is being opened: there was nothing
// to close then, but it must not be forgotten.
func TestRetryClientGoesMeanwhile(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		up := pooled(s, c)
		c.says(request("GET /api/v1/pods?watch=1"))
		after(time.Second)
		s.dialing(200 * time.Millisecond)
		up.Close()
		after(100 * time.Millisecond)
		c.Close()
		after(200 * time.Millisecond)
		c.wantEnd("client-closed", "client")
		s.accepts().hearsEnd()
	})
}
