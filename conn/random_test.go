package conn

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestRandomConversations lets a client that pipelines talk with an API server,
// both of net/http, in pieces of random size with random pauses, many of them as
// long as it takes the watch of the client to begin. Whatever the timing, each
// request has to arrive once and get its own answer.
func TestRandomConversations(t *testing.T) {
	const conversations = 300
	for seed := range uint64(conversations) {
		conversation(t, func(s *site) {
			r := &random{t: t, seed: seed, Rand: rand.New(rand.NewPCG(seed, 0))}
			s.server = r.server
			c := s.connect()
			var octets []byte
			for range 1 + r.IntN(12) {
				octets = r.appendRequest(octets)
			}
			s.background.Go(func() { r.send(c, octets, rand.New(rand.NewPCG(seed, 1))) })
			r.receive(c)
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// TestRandomEndings breaks such conversations off somewhere, from any side. What
// the client has got until then has to be right, and everything given back: see
// wantNothingLeft.
func TestRandomEndings(t *testing.T) {
	const conversations = 500
	for seed := range uint64(conversations) {
		conversation(t, func(s *site) {
			r := &random{t: t, seed: seed, Rand: rand.New(rand.NewPCG(seed, 0)), broken: true}
			s.server = r.server
			c := s.connect()
			var octets []byte
			for range 1 + r.IntN(12) {
				octets = r.appendRequest(octets)
			}
			end := r.ending(s, c)
			time.AfterFunc(time.Duration(r.IntN(3000))*time.Millisecond, end)
			s.background.Go(func() { r.send(c, octets, rand.New(rand.NewPCG(seed, 1))) })
			r.receive(c)
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// ending returns what breaks off a conversation.
func (r *random) ending(s *site, c *client) func() {
	endings := []func(){
		func() { c.Close() },
		func() { c.CloseWrite() },
		func() { c.Reset() },
		func() { c.cancel(ErrTokenExpired) },
		func() { c.conn.Drain(); time.AfterFunc(5*time.Minute, func() { c.Close() }) },
		func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			for _, p := range s.peers {
				p.Reset()
			}
			time.AfterFunc(5*time.Minute, func() { c.Close() })
		},
	}
	return endings[r.IntN(len(endings))]
}

// random is one random conversation.
type random struct {
	t    *testing.T
	seed uint64
	*rand.Rand
	asked  []asked
	broken bool // it is broken off: what is missing is no error
}

// asked is one request and what is to be answered.
type asked struct {
	method string
	body   string // of the request
	answer string // body of the response
}

// appendRequest makes one more request.
func (r *random) appendRequest(dst []byte) []byte {
	methods := []string{"GET", "GET", "HEAD", "PUT", "POST", "DELETE"}
	paths := []string{"/x", "/api/v1/pods?watch=true", application}
	a := asked{method: methods[r.IntN(len(methods))], answer: r.text()}
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: a\r\nX-Number: %d\r\n", a.method, paths[r.IntN(len(paths))], len(r.asked))
	if r.IntN(4) == 0 {
		head += "X-Pad: " + strings.Repeat("p", r.IntN(3000)) + "\r\n"
	}
	body := ""
	if a.method != "GET" && a.method != "HEAD" {
		a.body = r.text()
		head, body = r.framed(head, a.body)
	}
	r.asked = append(r.asked, a)
	return append(dst, head+"\r\n"+body...)
}

// text is a body.
func (r *random) text() string {
	sizes := []int{1, 10, 1000, 5000, 70000}
	return strings.Repeat(strconv.Itoa(r.IntN(10)), r.IntN(sizes[r.IntN(len(sizes))]))
}

// framed frames a body, either way.
func (r *random) framed(head, body string) (withField, framed string) {
	if r.IntN(2) == 0 {
		return head + fmt.Sprintf("Content-Length: %d\r\n", len(body)), body
	}
	var b strings.Builder
	for rest := body; len(rest) > 0; {
		n := 1 + r.IntN(len(rest))
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, rest[:n])
		rest = rest[n:]
	}
	b.WriteString("0\r\n")
	if r.IntN(4) == 0 {
		b.WriteString("X-Trailer: t\r\n")
	}
	return head + "Transfer-Encoding: chunked\r\n", b.String() + "\r\n"
}

// send is the client's goroutine that writes; it also serves the API server. It
// ends when all is written.
func (r *random) send(c io.Writer, octets []byte, dice *rand.Rand) {
	pauses := []time.Duration{0, 0, 0, time.Millisecond, watchDelay - 1, watchDelay, watchDelay + 1, time.Second}
	sizes := []int{1, 20, 500, 5000, 50000}
	for len(octets) > 0 {
		time.Sleep(pauses[dice.IntN(len(pauses))])
		n := min(len(octets), 1+dice.IntN(sizes[dice.IntN(len(sizes))]))
		if _, err := c.Write(octets[:n]); err != nil {
			if !r.broken {
				r.t.Errorf("writing: %v", err)
			}
			return
		}
		octets = octets[n:]
	}
}

// receive is the client's side that reads.
func (r *random) receive(c io.Reader) {
	from := bufio.NewReader(c)
	for i, a := range r.asked {
		resp, err := http.ReadResponse(from, &http.Request{Method: a.method})
		for err == nil && resp.StatusCode < 200 {
			resp, err = http.ReadResponse(from, &http.Request{Method: a.method})
		}
		if err != nil {
			if !r.broken {
				r.t.Errorf("response %d: %v", i, err)
			}
			return
		}
		body, err := io.ReadAll(resp.Body)
		if r.broken && (err != nil || resp.StatusCode >= 400) {
			return
		}
		want := a.answer
		if a.method == "HEAD" {
			want = ""
		}
		if err != nil || string(body) != want || resp.StatusCode != 200 || resp.Header.Get("X-Number") != strconv.Itoa(i) {
			r.t.Errorf("response %d is %d for %q with %d octets, %v; want 200 with %d", i, resp.StatusCode, resp.Header.Get("X-Number"),
				len(body), err, len(want))
			return
		}
	}
}

// server is the API server on one connection.
func (r *random) server(c net.Conn) {
	defer c.Close()
	from := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(from)
		if err != nil {
			return // the gateway has closed
		}
		body, err := io.ReadAll(req.Body)
		if r.broken && err != nil {
			return
		}
		number, _ := strconv.Atoi(req.Header.Get("X-Number"))
		if want := r.asked[number].body; err != nil || string(body) != want || len(req.Trailer) > 0 {
			r.t.Errorf("request %d has %d octets, %v, trailer %v; want %d", number, len(body), err, req.Trailer, len(want))
			return
		}
		if !r.respond(c, number) {
			return
		}
	}
}

// respond answers a request. It reports whether the connection goes on.
func (r *random) respond(c io.Writer, number int) bool {
	dice := rand.New(rand.NewPCG(r.seed, uint64(number)+2))
	framer := &random{Rand: dice} // its own, for connections are many
	a := r.asked[number]
	var all bytes.Buffer
	if dice.IntN(5) == 0 {
		all.WriteString("HTTP/1.1 103 Early Hints\r\n\r\n")
	}
	head, body := framer.framed(fmt.Sprintf("HTTP/1.1 200 OK\r\nX-Number: %d\r\n", number), a.answer)
	goesOn := dice.IntN(6) > 0
	if !goesOn {
		head += "Connection: close\r\n"
	}
	all.WriteString(head + "\r\n")
	if a.method != "HEAD" {
		all.WriteString(body)
	}
	r.send(c, all.Bytes(), dice)
	return goesOn
}
