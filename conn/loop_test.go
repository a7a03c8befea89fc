package conn

import (
	"strings"
	"testing"
	"time"
)

const noContent = "HTTP/1.1 204 No Content\r\n\r\n"

func TestLoopKeepAlive(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("GET /version"))
		up := s.accepts()
		up.hears(forwarded(1, "GET /version"))
		up.says(response("200 OK", "{}", "Content-Type: application/json"))
		c.hears(response("200 OK", "{}", "Content-Type: application/json"))
		s.wantPool(1, 0)

		c.says(request("GET /api/v1/namespaces/default/pods", "Accept: application/json", "User-Agent: kubectl"))
		up.hears(forwarded(2, "GET /api/v1/namespaces/default/pods", "Accept: application/json", "User-Agent: kubectl"))
		up.says(response("404 Not Found", "no"))
		c.hears(response("404 Not Found", "no"))
		s.acceptsNone()

		c.Close()
		c.wantEnd("closed", "")
		if c.end.Requests != 2 {
			t.Errorf("%d requests, want 2", c.end.Requests)
		}
		up.hearsNothing() // it stays in the pool
	})
}

func TestLoopAnswersWithoutBody(t *testing.T) {
	tests := []struct{ name, request, response string }{
		{"head", "HEAD /version", "HTTP/1.1 200 OK\r\nContent-Length: 264\r\n\r\n"},
		{"head-chunked", "HEAD /version", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{"no-content", "GET /version", noContent},
		{"not-modified", "GET /version", "HTTP/1.1 304 Not Modified\r\nContent-Length: 264\r\n\r\n"},
		{"empty", "GET /version", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			conversation(t, func(s *site) {
				c := s.connect()
				var up *peer
				for n := 1; n <= 2; n++ { // the second proves that nothing was waited for
					c.says(request(test.request))
					if n == 1 {
						up = s.accepts()
					}
					up.hears(forwarded(n, test.request))
					up.says(test.response)
					c.hears(test.response)
				}
				s.acceptsNone()
			})
		})
	}
}

func TestLoopInterimResponses(t *testing.T) {
	const hints = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("GET /x"))
		up := s.accepts()
		up.hears(forwarded(1, "GET /x"))
		up.says(hints)
		c.hears(hints)
		up.says(hints+hints, response("200 OK", "{}"))
		c.hears(hints, hints, response("200 OK", "{}"))
		s.wantPool(1, 0)

		c.says(request("GET /x"))
		up.heard()
		up.says(strings.Repeat(hints, maxInterim+1) + noContent)
		c.hears(strings.Repeat(hints, maxInterim),
			refusal("502 Bad Gateway", "InternalError", "the API server's response is not valid HTTP/1.1"))
		up.hearsEnd()
	})
}

func TestLoopPipelining(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("GET /a")+request("POST /b", "Content-Length: 3")+"xyz"+request("GET /c"),
			request("GET /d")[:9], request("GET /d")[9:])
		up := s.accepts()
		up.hears(forwarded(1, "GET /a")) // and nothing of the next before the answer
		up.says(response("200 OK", "a"))
		c.hears(response("200 OK", "a"))
		up.hears(forwarded(2, "POST /b", "Content-Length: 3"), "xyz")
		up.says(response("200 OK", "b"))
		up.hears(forwarded(3, "GET /c"))
		up.says(response("200 OK", "c"))
		up.hears(forwarded(4, "GET /d"))
		up.says(response("200 OK", "d"))
		c.hears(response("200 OK", "b"), response("200 OK", "c"), response("200 OK", "d"))
		s.acceptsNone()
	})
}

// The watch of a slow request reads what the client sends meanwhile; it must not
// be lost however long it waits and however much it is.
func TestLoopPipeliningDuringWatch(t *testing.T) {
	watch := "GET /api/v1/pods?watch=true"
	long := "X-Long: " + strings.Repeat("x", 1500)
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request(watch, long))
		up := s.accepts()
		up.hears(forwarded(1, watch, long))
		after(time.Second)
		c.says(request("GET /a")[:20])
		up.says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		c.hears("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
		c.says(request("GET /a")[20:] + request("GET /b"))
		up.hearsNothing()
		up.says("0\r\n\r\n")
		c.hears("0\r\n\r\n")
		up.hears(forwarded(2, "GET /a"))
		up.says(response("200 OK", "a"))
		up.hears(forwarded(3, "GET /b"))
		up.says(response("200 OK", "b"))
		c.hears(response("200 OK", "a"), response("200 OK", "b"))
	})
}

// More than a buffer full of pipelined watches, which keep what was read in
// memory of their own: that must not grow, and nothing may be lost on its way
// back to a pooled buffer.
func TestLoopPipeliningBeyondBuffer(t *testing.T) {
	watch, pad := "GET /api/v1/pods?watch=true", "X-Pad: "+strings.Repeat("x", 700)
	const count = 70
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("POST /slow", "Content-Length: 1"), "x"+strings.Repeat(request(watch, pad), count))
		up := s.accepts()
		up.hears(forwarded(1, "POST /slow", "Content-Length: 1"), "x")
		for n := 2; n < count+2; n++ {
			after(time.Second)
			up.says(noContent)
			c.hears(noContent)
			up.hears(forwarded(n, watch, pad))
			if size := len(c.conn.in.b); size > bufferSize {
				t.Fatalf("request %d: the client's buffer has %d octets", n, size)
			}
		}
	})
}

func TestLoopCloseByClient(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("GET /version", "Connection: close"))
		up := s.accepts()
		up.hears(forwarded(1, "GET /version"))
		up.says(noContent)
		c.hears("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
		c.hearsEnd()
		c.wantEnd("closed", "")
		s.wantPool(1, 0)
	})
}

func TestLoopCloseByClientRefused(t *testing.T) {
	conversation(t, func(s *site) {
		s.dialErr = errNoIdentity
		c := s.connect()
		c.says(request("GET /", "Connection: close"))
		c.hears(refusal("502 Bad Gateway", "InternalError",
			"the API server can't be reached", "Connection: close"))
		c.hearsEnd()
		c.wantEnd("closed", "")
	})
}

func TestLoopCloseByServer(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("GET /version"))
		s.accepts().says("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
		c.hears(response("200 OK", "{}")) // the client's connection goes on
		s.wantPool(0, 0)
		c.says(request("GET /version"))
		up := s.accepts()
		up.hears(forwarded(2, "GET /version"))
		up.says(noContent)
		c.hears(noContent)
	})
}

func TestLoopHeadInPieces(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		long := "X-Long: " + strings.Repeat("y", 12000)
		head := request("GET /version", "Cookie: a=b", long, long)
		for len(head) > 3000 {
			c.says(head[:3000])
			head = head[3000:]
		}
		for i := range len(head) - 1 {
			c.says(head[i : i+1])
		}
		s.acceptsNone()
		c.says(head[len(head)-1:])
		s.accepts().hears(forwarded(1, "GET /version", "Cookie: a=b", long, long))
	})
}

// What is left behind a response must not answer the next request.
func TestLoopSurplusOctets(t *testing.T) {
	for _, surplus := range []string{"x", response("200 OK", "evil")} {
		conversation(t, func(s *site) {
			c := s.connect()
			c.says(request("GET /a"))
			up := s.accepts()
			up.says(response("200 OK", "a") + surplus)
			c.hears(response("200 OK", "a"))
			up.heard()
			up.hearsEnd()
			s.wantPool(0, 0)

			c.says(request("GET /b"))
			up = s.accepts()
			up.hears(forwarded(2, "GET /b"))
			c.hearsNothing()
			up.says(response("200 OK", "b"))
			c.hears(response("200 OK", "b"))
			s.wantPool(1, 0)
		})
	}
}

func TestLoopTwoClientsShareConnections(t *testing.T) {
	conversation(t, func(s *site) {
		c1, c2 := s.connect(), s.connect()
		c1.says(request("GET /1"))
		up := s.accepts()
		up.hears(forwarded(1, "GET /1"))
		up.says(noContent)
		c1.hears(noContent)
		c2.says(request("GET /2"))
		up.hears(forwardedFor("c2", 1, "GET /2"))
		c1.says(request("GET /3"))
		up3 := s.accepts()
		up3.hears(forwarded(2, "GET /3"))
		s.wantPool(0, 2)
		up.says(noContent)
		up3.says(noContent)
		s.wantPool(2, 0)
		c2.hears(noContent)
		c1.hears(noContent)
	})
}
