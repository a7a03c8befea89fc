package conn

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/httpparse"
)

// saying is a dial error with a sentence for the user.
type saying struct{ exhausted bool }

func (saying) Error() string     { return "x509: certificate signed by unknown authority" }
func (saying) Sentence() string  { return "the API server's certificate is not the configured one" }
func (s saying) Exhausted() bool { return s.exhausted }

// What kubectl prints well depends on the request: discovery loses the message of
// a Status, everything else wants one.
func TestRefusalForm(t *testing.T) {
	const sentence = "the API server's certificate is not the configured one"
	status := refusal("502 Bad Gateway", "InternalError", sentence)
	text := fmt.Sprintf("HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n\r\ngateway: %s", len("gateway: "+sentence), sentence)
	head := func(s string) string { h, _, _ := strings.Cut(s, "\r\n\r\n"); return h + "\r\n\r\n" }
	tests := []struct{ line, want string }{
		{"GET /api", text},
		{"GET /api/v1", text},
		{"GET /apis", text},
		{"GET /apis/apps/v1", text},
		{"GET /version", text},
		{"GET /openapi/v3/apis/apps/v1", text},
		{"HEAD /version", head(text)},
		{"GET /api/v1/namespaces", status},
		{"GET /apis/apps/v1/deployments", status},
		{"POST /api/v1", status},
		{"GET /", status},
		{"GET /healthz", status},
		{"HEAD /api/v1/nodes", head(status)},
	}
	conversation(t, func(s *site) {
		s.dialErr = fmt.Errorf("dialing: %w", saying{})
		c := s.connect()
		for _, test := range tests {
			c.says(request(test.line))
			c.hears(test.want)
		}
		c.wantServed()
	})
}

// refusedHead is what a client says instead of a good head.
type refusedHead struct{ name, says, want string }

// reason is the word that is told.
func (r *refusedHead) reason() string {
	if s := statusOf(r.want); s == 414 || s == 431 {
		return ReasonHeadTooLarge
	}
	return "malformed"
}

func TestRefusalOfHead(t *testing.T) {
	const malformed = "the request is not valid HTTP/1.1: "
	tests := []refusedHead{
		{"bare-lf", "GET / HTTP/1.1\nHost: a\n\n", refusal("400 Bad Request", "BadRequest", malformed+"line feed without carriage return", "Connection: close")},
		{"both-framings", request("PUT /", "Content-Length: 1", "Transfer-Encoding: chunked"),
			refusal("400 Bad Request", "BadRequest", malformed+"both content-length and transfer-encoding", "Connection: close")},
		{"trace", "TRACE ", refusal("405 Method Not Allowed", "MethodNotAllowed", malformed+"method not allowed", "Connection: close")},
		{"unknown-method", "BREW ", refusal("501 Not Implemented", "BadRequest", malformed+"unknown method", "Connection: close")},
		{"http2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", refusal("505 HTTP Version Not Supported", "BadRequest", malformed+"version is not HTTP/1.1", "Connection: close")},
		{"long-line", "GET /" + strings.Repeat("a", 17000) + "\r\n", refusal("414 Request URI Too Long", "BadRequest", malformed+"line too long", "Connection: close")},
		{"long-line-without-end", "GET /" + strings.Repeat("a", defaultLine-4), refusal("414 Request URI Too Long", "BadRequest", malformed+"line too long", "Connection: close")},
		{"large-head", "GET / HTTP/1.1\r\n" + strings.Repeat("A: "+strings.Repeat("b", 1000)+"\r\n", 33),
			refusal("431 Request Header Fields Too Large", "BadRequest", malformed+"head too large", "Connection: close")},
		{"many-fields", "GET / HTTP/1.1\r\n" + strings.Repeat("A: b\r\n", 129), refusal("431 Request Header Fields Too Large", "BadRequest", malformed+"too many fields", "Connection: close")},
		{"expectation", request("PUT /", "Expect: miracles", "Content-Length: 1"), refusal("417 Expectation Failed", "BadRequest", malformed+"unknown expectation", "Connection: close")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			conversation(t, func(s *site) {
				c := s.connect()
				pooled(s, c)
				c.says(test.says)
				c.hears(test.want)
				c.hearsEnd()
				s.wantTold(told{id: "c1-2", protocol: "http1", status: statusOf(test.want), down: int64(len(test.want)), blame: "client", reason: test.reason()})
				after(time.Second)
				c.wantEnd(test.reason(), "client")
				s.acceptsNone()
				s.wantPool(1, 0)
			})
		})
	}
}

func statusOf(response string) (code int) {
	fmt.Sscanf(response, "HTTP/1.1 %d", &code)
	return code
}

// A client that sends only part of a head and goes is not answered.
func TestRefusalOfNobody(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says("GET / HTTP/1.1\r\n")
		c.CloseWrite()
		c.hearsEnd()
		c.wantEnd("client-closed", "client")
		s.wantReasons("client client-closed")
	})
}

// A refusal is written and read although the client sends on and on, and does not
// cost more than a second.
func TestRefusalLingers(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says("GET / HTTP/1.0\r\n")
		c.heard()
		for range 3 {
			after(300 * time.Millisecond)
			c.says(strings.Repeat("x", 1000))
		}
		c.wantServed()
		after(100 * time.Millisecond)
		c.wantEnd("malformed", "client")
	})
	conversation(t, func(s *site) {
		c := s.connect()
		c.says("GET / HTTP/1.0\r\n")
		for range lingerOctets / 50000 {
			c.says(strings.Repeat("x", 50000))
		}
		c.wantServed()
		c.says(strings.Repeat("x", 50000))
		c.wantEnd("malformed", "client")
	})
}

// A last response gets read as well, although the client has sent more than will be
// looked at, or may have.
func TestResponseLingers(t *testing.T) {
	closing := request("PUT /x", "Connection: close", "Content-Length: 2")
	for _, row := range []struct {
		name    string
		says    []string
		lingers bool
	}{
		{"nothing-more", []string{closing + "{}"}, false},
		{"more-with-it", []string{closing + "{}more"}, true},
		{"more-behind-a-body", []string{closing, "{}more"}, true},
		{"no-body", []string{closing}, true},
		{"refused-upgrade", []string{spdyRequest}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			conversation(t, func(s *site) {
				c := s.connect()
				c.says(row.says...)
				s.accepts().says("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
				c.hears("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
				if row.lingers {
					c.wantServed()
					after(lingerTime)
				}
				c.wantEnd("closed", "")
			})
		})
	}
}

// The WebSocket library of kubectl reads no more than 1024 octets of a refusal.
func TestRefusalIsShort(t *testing.T) {
	longest := strings.Repeat("x", 64) // httpparse's reasons are constants below that
	errs := []*Error{
		malformed(&httpparse.Error{Status: 431, Reason: longest}), malformed(errors.New("any")), badResponse(errInterimFlood),
		unreachable(errors.New("any")), credentialError(errCredential),
	}
	for code := 400; code < 600; code++ {
		errs = append(errs, &Error{Status: code, Say: "one sentence"})
	}
	for _, err := range errs {
		response := appendRefusal(nil, err, false, true, false)
		if len(response) >= 1024 {
			t.Errorf("the refusal of %v has %d octets", err, len(response))
		}
		_, body, _ := strings.Cut(string(response), "\r\n\r\n")
		var s status
		if err := json.Unmarshal([]byte(body), &s); err != nil || s.Reason == "" || s.Message == "" || s.Status != "Failure" {
			t.Errorf("the refusal's body %q is %+v, %v", body, s, err)
		}
	}
}

func TestRefusalOfBadResponse(t *testing.T) {
	const bad = "the API server's response is not valid HTTP/1.1"
	for _, says := range []string{
		"HTTP/1.0 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
		"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
		"SSH-2.0-OpenSSH_9.6\r\n",
	} {
		conversation(t, func(s *site) {
			c := s.connect()
			c.says(request("GET /x"))
			up := s.accepts()
			up.heard()
			up.says(says)
			c.hears(refusal("502 Bad Gateway", "InternalError", bad))
			up.hearsEnd()
			s.wantReasons("upstream bad-response")
			s.wantPool(0, 0)
			c.says(request("GET /x"))
			s.accepts().says(noContent)
			c.hears(noContent)
		})
	}
}

func TestAdmitRefuses(t *testing.T) {
	conversation(t, func(s *site) {
		s.config.Admit = func(_ *Caller, _ []byte, r *httpparse.Request, info *audit.RequestInfo) (Reservation, *Error) {
			if string(info.Name) == "forbidden" && string(r.Method) == "GET" {
				return nil, &Error{Blame: audit.BlameClient, Status: 403, Reason: "unwanted", Say: "not this one"}
			}
			return nil, nil
		}
		c := s.connect()
		c.says(request("GET /api/v1/nodes/forbidden"))
		c.hears(refusal("403 Forbidden", "Forbidden", "not this one", "Connection: close"))
		s.acceptsNone()
		s.wantReasons("client unwanted")
	})
}

// released is a Reservation that counts.
type released int

func (r *released) Release() { *r++ }

// What is reserved for a stream is the tap's, or is released when there is none.
func TestReservation(t *testing.T) {
	for _, test := range []struct {
		name, says string
		want       released
	}{
		{"agreed", spdyAgreed, 0},
		{"refused", noContent, 1},
		{"broken", "SSH-2.0-OpenSSH_9.6\r\n", 1},
		{"unanswered", "", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			conversation(t, func(s *site) {
				var got released
				taken := false
				s.config.Admit = func(_ *Caller, id []byte, _ *httpparse.Request, _ *audit.RequestInfo) (Reservation, *Error) {
					if string(id) != "c1-1" {
						t.Errorf("the id is %q, want c1-1", id)
					}
					return &got, nil
				}
				s.config.Tap = func(u *Upgrade) (Tap, error) {
					taken = u.Reservation == &got
					return untapped{}, nil
				}
				c := s.connect()
				c.says(spdyRequest)
				up := s.accepts()
				up.heard()
				up.says(test.says)
				up.Close()
				c.heard()
				c.Close()
				<-c.ended
				if got != test.want || taken != (test.want == 0) {
					t.Errorf("released %d times, given to the tap: %v; want %d", got, taken, test.want)
				}
			})
		})
	}
}
