package conn

import (
	"strings"
	"testing"
	"time"
)

// Every wait of the gateway ends: here each phase stands still.

func TestSlowIdleClient(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		after(80 * time.Second)
		c.hearsNothing()
		after(40 * time.Second)
		c.hearsEnd()
		c.wantEnd("idle", "")
		s.wantReasons()
	})
}

func TestSlowHead(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		after(time.Minute)
		c.says("GET /x HTTP/1.1\r\n")
		for range 7 { // a field a second: each makes the parser look again
			after(time.Second)
			c.says("A: b\r\n")
			c.hearsNothing()
		}
		after(3 * time.Second)
		c.hears(refusal("408 Request Timeout", "Timeout", "the request did not arrive in time", "Connection: close"))
		c.hearsEnd()
		s.wantReasons("client head-timeout")
		after(time.Second)
		c.wantEnd("head-timeout", "client")
		s.acceptsNone()
	})
}

func TestSlowHeadBehindAnother(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("GET /x") + "GET /y")
		s.accepts().says(noContent)
		c.hears(noContent)
		after(10 * time.Second)
		c.hears(refusal("408 Request Timeout", "Timeout", "the request did not arrive in time", "Connection: close"))
	})
}

func TestSlowBody(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("PUT /x", "Content-Length: 100"))
		up := s.accepts()
		for range 10 { // progress is enough
			after(40 * time.Second)
			c.says("x")
		}
		c.hearsNothing()
		after(time.Minute)
		c.hears(refusal("408 Request Timeout", "Timeout", "the request did not arrive in time", "Connection: close"))
		up.heard()
		up.hearsEnd()
		s.wantReasons("client body-timeout")
		after(time.Second)
		c.wantEnd("body-timeout", "client")
	})
}

func TestSlowServer(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("GET /x"))
		up := s.accepts()
		up.hears(forwarded(1, "GET /x"))
		after(80 * time.Second)
		c.hearsNothing()
		after(40 * time.Second)
		c.hears(refusal("504 Gateway Timeout", "Timeout", "the API server did not answer in time"))
		up.hearsEnd()
		s.wantReasons("upstream upstream-timeout")
		c.wantServed() // the client is not to blame
	})
}

// The head of a response has one deadline, however many octets come before it.
func TestSlowServerInHead(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("GET /x"))
		up := s.accepts()
		for _, octet := range "HTT" {
			up.says(string(octet))
			after(40 * time.Second)
		}
		c.hears(refusal("504 Gateway Timeout", "Timeout", "the API server did not answer in time"))
		up.hears(forwarded(1, "GET /x"))
		up.hearsEnd()
		s.wantReasons("upstream upstream-timeout")
		c.wantServed()
	})
}

// The time of the API server begins when the request has come in.
func TestSlowServerAfterSlowBody(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("PUT /x", "Content-Length: 10"))
		up := s.accepts()
		for range 10 {
			after(40 * time.Second)
			c.says("x")
		}
		after(80 * time.Second)
		c.hearsNothing()
		after(160 * time.Second)
		c.hears(refusal("504 Gateway Timeout", "Timeout", "the API server did not answer in time"))
		up.hears(forwarded(1, "PUT /x", "Content-Length: 10"), "xxxxxxxxxx")
		up.hearsEnd()
	})
}

func TestSlowServerInMidBody(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("GET /x"))
		up := s.accepts()
		up.says("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
		for range 5 {
			after(40 * time.Second)
			up.says("x")
		}
		c.hears("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nxxxxx")
		after(time.Minute)
		c.hearsEnd()
		s.wantReasons("upstream upstream-timeout")
		c.wantEnd("upstream-timeout", "upstream")
	})
}

// A request that may last for hours may be sent as slowly as it is answered.
func TestSlowBodyOfLongRunning(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("PUT "+application, "Content-Length: 100"))
		up := s.accepts()
		for range 5 {
			after(2 * time.Hour)
			c.says("x")
		}
		c.hearsNothing()
		up.hears(forwarded(1, "PUT "+application, "Content-Length: 100"), "xxxxx")
		after(4 * time.Hour)
		c.hears(refusal("408 Request Timeout", "Timeout", "the request did not arrive in time", "Connection: close"))
	})
}

// application is the path of one behind the API server.
const application = "/api/v1/namespaces/a/pods/b/proxy/x"

func TestSlowServerDoesNotRead(t *testing.T) {
	tests := []struct {
		line string
		wait time.Duration
	}{{"PUT /x", time.Minute}, {"PUT " + application, 4 * time.Hour}}
	for _, test := range tests {
		conversation(t, func(s *site) {
			c := s.connect()
			c.says(request(test.line, "Content-Length: 1000000"))
			s.accepts()
			for range 5 {
				c.says(strings.Repeat("x", 25000))
			}
			after(test.wait / 2)
			c.hearsNothing()
			after(test.wait / 2)
			c.hears(refusal("504 Gateway Timeout", "Timeout", "the API server did not take the request in time", "Connection: close"))
			after(2 * time.Second)
			s.wantReasons("upstream upstream-timeout")
			c.wantEnd("closed", "")
		})
	}
}

func TestSlowClientDoesNotRead(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("GET /x"))
		up := s.accepts()
		up.says("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
		for range 5 {
			up.says(strings.Repeat("x", 25000))
		}
		c.wantServed()
		after(time.Minute)
		s.wantReasons("client client-stalled")
		c.wantEnd("client-stalled", "client")
		up.heard()
		up.hearsEnd()
	})
}

// A watch is silent for as long as nothing happens; only StreamIdle ends it.
func TestSlowWatch(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, line := range []string{"GET /api/v1/pods?watch=true", "GET /api/v1/namespaces/a/pods/b/log?follow=true"} {
		conversation(t, func(s *site) {
			c := s.connect()
			c.says(request(line))
			up := s.accepts()
			after(2 * time.Hour)
			up.says(head)
			c.hears(head)
			for range 3 {
				after(2 * time.Hour)
				up.says("1\r\nx\r\n")
				c.hears("1\r\nx\r\n")
			}
			c.wantServed()
			after(4 * time.Hour)
			c.hearsEnd()
			s.wantReasons("upstream upstream-timeout")
		})
	}
}

func TestSlowDial(t *testing.T) {
	conversation(t, func(s *site) {
		s.dialing(time.Hour)
		c := s.connect()
		c.says(request("GET /x"))
		c.hearsNothing()
		after(10 * time.Second)
		c.hears(refusal("502 Bad Gateway", "InternalError", "the API server can't be reached"))
		s.wantReasons("upstream upstream-unreachable")
		c.wantServed()
	})
}
