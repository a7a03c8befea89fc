package conn

import (
	"strings"
	"testing"
	"time"
)

func TestBodyUpload(t *testing.T) {
	const chunked = "Transfer-Encoding: chunked"
	tests := []struct {
		name, field string
		body        []string // as the client sends it, the first part with the head
		want        string   // as the API server hears it
	}{
		{"length-with-head", "Content-Length: 5", []string{"hello"}, "hello"},
		{"length-apart", "Content-Length: 5", []string{"", "hello"}, "hello"},
		{"length-in-octets", "Content-Length: 5", []string{"h", "e", "l", "l", "o"}, "hello"},
		{"length-zero", "Content-Length: 0", []string{""}, ""},
		{"chunked-with-head", chunked, []string{"5\r\nhello\r\n0\r\n\r\n"}, "5\r\nhello\r\n0\r\n\r\n"},
		{"chunked-apart", chunked, []string{"", "5\r\nhello\r\n0\r\n\r\n"}, "5\r\nhello\r\n0\r\n\r\n"},
		{"chunked-in-pieces", chunked, []string{"5", "\r", "\nhel", "lo\r\n0", "\r\n\r", "\n"}, "5\r\nhello\r\n0\r\n\r\n"},
		{"trailer-with-head", chunked, []string{"1\r\nx\r\n0\r\nX-Sum: 1\r\n\r\n"}, "1\r\nx\r\n0\r\n\r\n"},
		{"trailer-in-pieces", chunked, []string{"", "1\r\nx\r\n0\r", "\nX-S", "um: 1\r\nX", "-T: 2\r", "\n\r", "\n"}, "1\r\nx\r\n0\r\n\r\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			conversation(t, func(s *site) {
				c := s.connect()
				c.says(request("PUT /x", test.field) + test.body[0])
				c.says(test.body[1:]...)
				up := s.accepts()
				up.hears(forwarded(1, "PUT /x", test.field), test.want)
				up.says(noContent)
				c.hears(noContent)
				s.wantPool(1, 0)
				// The next request begins where the body has ended.
				c.says(request("GET /y"))
				up.hears(forwarded(2, "GET /y"))
				up.says(noContent)
				c.hears(noContent)
				s.wantTold(
					told{id: "c1-1", method: "PUT", path: "/x", protocol: "http1", status: 204,
						up: int64(len(forwarded(1, "PUT /x", test.field)) + len(test.want)), down: int64(len(noContent))},
					told{id: "c1-2", method: "GET", path: "/y", protocol: "http1", status: 204,
						up: int64(len(forwarded(2, "GET /y"))), down: int64(len(noContent))})
			})
		})
	}
}

func TestBodyUploadOfManyBuffers(t *testing.T) {
	part := strings.Repeat("0123456789abcdef", 1<<10)
	const parts = 20
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("PUT /x", "Content-Length: 327680"))
		up := s.accepts()
		up.hears(forwarded(1, "PUT /x", "Content-Length: 327680"))
		for i := range parts {
			if i == parts-1 {
				c.says(part + request("GET /y")) // pipelined in the same segment
			} else {
				c.says(part)
			}
			up.hears(part)
		}
		up.says(noContent)
		c.hears(noContent)
		up.hears(forwarded(2, "GET /y"))
		up.says(noContent)
		c.hears(noContent)
	})
}

// A long-running request keeps its head in memory of its own while its body goes
// through other buffers.
func TestBodyUploadBehindLargeHead(t *testing.T) {
	large := "X-Large: " + strings.Repeat("x", 3000)
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("POST "+application, large, "Transfer-Encoding: chunked", "User-Agent: me")+"3\r\nab", "c\r\n", "0\r\n\r\n")
		up := s.accepts()
		up.hears(forwarded(1, "POST "+application, large, "Transfer-Encoding: chunked", "User-Agent: me"), "3\r\nabc\r\n0\r\n\r\n")
		after(time.Second)
		c.says(request("GET /next"))
		up.says(noContent)
		c.hears(noContent)
		up.hears(forwarded(2, "GET /next"))
		s.wantTold(told{id: "c1-1", method: "POST", path: application, protocol: "http1", status: 204, down: int64(len(noContent)),
			up: int64(len(forwarded(1, "POST "+application, large, "Transfer-Encoding: chunked", "User-Agent: me")) + len("3\r\nabc\r\n0\r\n\r\n"))})
	})
}

// A response that is complete before its request ends the connection, for the
// rest of the body could be anything.
func TestBodyEarlySuccess(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("PUT /x", "Content-Length: 100"), "some")
		up := s.accepts()
		up.heard()
		up.says(noContent)
		c.hears(noContent)
		c.says(request("GET /smuggled"))
		up.hearsEnd()
		after(time.Second)
		c.hearsEnd()
		c.wantEnd("closed", "")
		s.acceptsNone()
		s.wantReasons("")
	})
}

func TestBodyDownload(t *testing.T) {
	const (
		length  = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
		chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	)
	tests := []struct {
		name string
		says []string
		want string
	}{
		{"length-at-once", []string{length + "hello"}, length + "hello"},
		{"length-in-pieces", []string{length[:10], length[10:], "h", "ello"}, length + "hello"},
		{"chunked-at-once", []string{chunked + "5\r\nhello\r\n0\r\n\r\n"}, chunked + "5\r\nhello\r\n0\r\n\r\n"},
		{"chunked-in-pieces", []string{chunked, "5\r\nhe", "llo\r", "\n0\r\n\r", "\n"}, chunked + "5\r\nhello\r\n0\r\n\r\n"},
		{"trailer-at-once", []string{chunked + "1\r\nx\r\n0\r\nA: b\r\n\r\n"}, chunked + "1\r\nx\r\n0\r\n\r\n"},
		{"trailer-in-pieces", []string{chunked, "1\r\nx\r\n0\r", "\nA", ": b\r\n", "C: d\r\n\r\n"}, chunked + "1\r\nx\r\n0\r\n\r\n"},
		{"after-interim", []string{"HTTP/1.1 103 E\r\n\r\n" + length + "he", "llo"}, "HTTP/1.1 103 E\r\n\r\n" + length + "hello"},
		{"hop-by-hop", []string{"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=5\r\nConnection: Keep-Alive, X-Hop\r\nX-Hop: 1\r\nContent-Length: 5\r\n\r\nhe", "llo"},
			length + "hello"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			conversation(t, func(s *site) {
				c := s.connect()
				c.says(request("GET /x"))
				up := s.accepts()
				up.hears(forwarded(1, "GET /x"))
				up.says(test.says...)
				c.hears(test.want)
				s.wantPool(1, 0)
				s.wantTold(told{id: "c1-1", method: "GET", path: "/x", protocol: "http1", status: 200,
					up: int64(len(forwarded(1, "GET /x"))), down: int64(len(test.want))})
			})
		})
	}
}

func TestBodyUntilClose(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("GET /x"))
		up := s.accepts()
		up.says("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nsome")
		c.hears("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nsome")
		up.says(" more")
		c.hears(" more")
		up.Close()
		c.hearsEnd()
		c.wantEnd("closed", "")
		s.wantPool(0, 0)
		s.wantReasons("")
	})
}

// A download that stops short must not look complete.
func TestBodyDownloadCutShort(t *testing.T) {
	tests := []struct{ name, says, reason string }{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "upstream upstream-closed"},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "upstream upstream-closed"},
		{"chunked-malformed", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nx\r\n", "upstream bad-response"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			conversation(t, func(s *site) {
				c := s.connect()
				c.says(request("GET /x"))
				up := s.accepts()
				head, body, _ := strings.Cut(test.says, "\r\n\r\n")
				up.says(head+"\r\n\r\n", body)
				up.Close()
				if got := c.heard(); !strings.HasPrefix(test.says, got) {
					t.Errorf("the client hears %q, want the beginning of %q", got, test.says)
				}
				c.hearsEnd()
				c.wantEnd(strings.Fields(test.reason)[1], "upstream")
				s.wantReasons(test.reason)
				s.wantPool(0, 0)
			})
		})
	}
}

func TestBodyEarlyRefusal(t *testing.T) {
	const tooLarge = "HTTP/1.1 413 Request Entity Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno\n"
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("POST /x", "Content-Length: 5000000"), strings.Repeat("x", 3000))
		up := s.accepts()
		up.heard()
		up.says(tooLarge)
		up.Close()
		c.hears("HTTP/1.1 413 Request Entity Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno\n")
		c.says(strings.Repeat("x", 3000)) // the client may go on for a while
		after(2 * time.Second)
		c.hearsEnd()
		c.wantEnd("closed", "")
		s.wantReasons("")
		s.wantPool(0, 0)
	})
}

// The API server refuses and closes while the gateway is writing to it: the
// answer is not to be lost.
func TestBodyEarlyRefusalWhileWriting(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("POST /x", "Content-Length: 5000000"))
		up := s.accepts()
		for range 4 {
			c.says(strings.Repeat("x", 30000)) // more than fits between the gateway and the API server
		}
		up.says(response("413 Request Entity Too Large", "no"))
		c.hears("HTTP/1.1 413 Request Entity Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
		after(2 * time.Second)
		c.hearsEnd()
		s.wantPool(0, 0)
	})
}

// The API server is gone while the last octets of a body are written to it. All of the
// body has come, so that the connection goes on: behind the body, and with nothing of it,
// which could well look like a request.
func TestBodyLostAtItsEnd(t *testing.T) {
	for name, test := range map[string]struct{ said, want string }{
		"without-answer": {"", refusal("502 Bad Gateway", "InternalError", "the API server closed the connection before it had answered")},
		"answered":       {response("200 OK", "early"), response("200 OK", "early")},
	} {
		t.Run(name, func(t *testing.T) {
			conversation(t, func(s *site) {
				c := s.connect()
				c.says(request("POST /x", "Content-Length: 90000"))
				up := s.accepts()
				smuggled := strings.Repeat(request("DELETE /y"), 30000/len(request("DELETE /y"))+1)[:30000]
				c.says(smuggled, smuggled, smuggled) // more than fits between the gateway and the API server
				after(time.Second)
				up.says(test.said)
				up.Close()
				c.hears(test.want)
				c.says(request("GET /z"))
				next := s.accepts()
				next.hears(forwarded(2, "GET /z"))
				next.says(noContent)
				c.hears(noContent)
			})
		})
	}
}

func TestBodyExpectContinue(t *testing.T) {
	const goOn = "HTTP/1.1 100 Continue\r\n\r\n"
	head := request("PUT /x", "Content-Length: 5", "Expect: 100-continue")
	sent := forwarded(1, "PUT /x", "Content-Length: 5")
	sent = sent[:len(sent)-2] + "Expect: 100-continue\r\n\r\n"
	t.Run("continued", func(t *testing.T) {
		conversation(t, func(s *site) {
			c := s.connect()
			c.says(head)
			up := s.accepts()
			up.hears(sent)
			up.says(goOn)
			c.hears(goOn)
			c.says("hello")
			up.hears("hello")
			up.says(noContent)
			c.hears(noContent)
			s.wantPool(1, 0)
			c.wantServed()
		})
	})
	t.Run("not-waited-for", func(t *testing.T) {
		conversation(t, func(s *site) {
			c := s.connect()
			c.says(head + "hello")
			up := s.accepts()
			up.hears(sent, "hello")
			up.says(goOn + noContent)
			c.hears(goOn, noContent)
			s.wantPool(1, 0)
		})
	})
	t.Run("refused", func(t *testing.T) {
		conversation(t, func(s *site) {
			c := s.connect()
			c.says(head)
			up := s.accepts()
			up.hears(sent)
			up.says(response("413 Request Entity Too Large", "no"))
			c.hears("HTTP/1.1 413 Request Entity Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
			c.says("hello")
			up.hearsEnd()
			after(2 * time.Second)
			c.hearsEnd()
			s.wantPool(0, 0)
		})
	})
}

func TestBodyMalformed(t *testing.T) {
	const message = "the request is not valid HTTP/1.1: chunk size is not a number"
	for _, body := range [][]string{{"x\r\n"}, {"", "x\r\n"}} {
		conversation(t, func(s *site) {
			c := s.connect()
			c.says(request("PUT /x", "Transfer-Encoding: chunked") + body[0])
			c.says(body[1:]...)
			c.hears(refusal("400 Bad Request", "BadRequest", message, "Connection: close"))
			c.says("more, that is not looked at")
			c.hearsEnd()
			s.wantReasons("client malformed")
			after(2 * time.Second)
			c.wantEnd("malformed", "client")
			s.wantPool(0, 0)
		})
	}
}

func TestBodyClientVanishes(t *testing.T) {
	conversation(t, func(s *site) {
		c := s.connect()
		c.says(request("PUT /x", "Content-Length: 5"), "he")
		up := s.accepts()
		up.hears(forwarded(1, "PUT /x", "Content-Length: 5"), "he")
		c.Close()
		up.hearsEnd()
		c.wantEnd("client-closed", "client")
		s.wantReasons("client client-closed")
	})
}
