package gateway

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spliceway/spliceway/authn"
)

// isolationVariable asks for another number of requests than isolationRequests.
const (
	isolationVariable = "SPLICEWAY_ISOLATION_REQUESTS"
	isolationRequests = 3000
	isolationWorkers  = 8
)

// isolation is users whose requests share a pool. A request is marked with its user
// and a number; the API server answers with the user that it heard of and the
// number, and so does every line of every body.
type isolation struct {
	*bed
	total    int64
	next     atomic.Int64 // number of the last request
	answered atomic.Int64 // responses that were whole and right
	tunnels  atomic.Int64
	left     [3]atomic.Int64 // clients that left: in the request, behind it, in the response
	cut      [3]atomic.Int64 // API server's: before the response, in it, in the request
	served   atomic.Int64    // requests that the API server heard
}

// TestIsolation interleaves the requests of several users on shared connections,
// some of which end anywhere. What belongs to one never gets to another, and no
// request is without exactly one user.
func TestIsolation(t *testing.T) {
	t.Parallel()
	total := int64(isolationRequests)
	if text := os.Getenv(isolationVariable); text != "" {
		var err error
		if total, err = strconv.ParseInt(text, 10, 64); err != nil {
			t.Fatalf("%s: %v", isolationVariable, err)
		}
	}
	b := newBed(t)
	i := &isolation{bed: b, total: total}
	server := httptest.NewUnstartedServer(i)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{b.api.ca.Issue(t, apiName)}}
	server.StartTLS()
	t.Cleanup(server.Close)
	b.prepare(settings{
		"clusters": "[" + clusterAt(server.URL, "prod", prodAddress, prodAlias, "") + "]",
		"audit":    "{output: /dev/null}",
	})
	b.run()
	var workers sync.WaitGroup
	for n := range isolationWorkers {
		workers.Go(func() { i.work(fmt.Sprintf("user-%d", n%4), rand.New(rand.NewPCG(uint64(n), uint64(total)))) })
	}
	workers.Wait()
	pool := b.gateway.current.Load().backends["prod"].pool
	b.until("every request has ended", func() bool { return pool.Stats().Active == 0 && b.gateway.mux.Connections() == 0 })
	t.Logf("%d requests through %d tunnels; %d reached the API server, %d answered whole; %d clients left in the request, %d behind it,"+
		" %d in the response; the API server cut %d before the response, %d in it and %d in the request", total, i.tunnels.Load(), i.served.Load(),
		i.answered.Load(), i.left[0].Load(), i.left[1].Load(), i.left[2].Load(), i.cut[0].Load(), i.cut[1].Load(), i.cut[2].Load())
	if i.answered.Load() < total/2 || min(i.left[0].Load(), i.left[1].Load(), i.left[2].Load(), i.cut[0].Load(), i.cut[1].Load(), i.cut[2].Load()) == 0 {
		t.Error("that is not the mixture that the test is to be")
	}
}

// lineOf is what the bodies of a request and its response consist of.
func lineOf(user, number string) string { return user + " " + number + "\n" }

// ServeHTTP answers /USER/KIND/NUMBER/LINES.
func (i *isolation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.served.Add(1)
	part := strings.Split(r.URL.Path, "/")
	users := r.Header["Impersonate-User"]
	if len(users) != 1 || strings.TrimSpace(users[0]) == "" {
		i.t.Errorf("%s has the users %q, want exactly one", r.URL.Path, users)
		return
	}
	if users[0] != part[1] || !slices.Equal(r.Header["Impersonate-Group"], []string{"of " + part[1]}) {
		i.t.Errorf("%s has the user %q and the groups %q", r.URL.Path, users[0], r.Header["Impersonate-Group"])
	}
	switch part[2] {
	case "smuggled":
		i.t.Errorf("the body of a request of %s is taken for one", part[1])
	case "cut-body":
		io.CopyN(io.Discard, r.Body, rand.Int64N(100_000))
		panic(http.ErrAbortHandler)
	}
	lines, _ := strconv.Atoi(part[4])
	body, err := io.ReadAll(r.Body)
	whole := strings.Repeat(lineOf(part[1], part[3]), lines)
	if r.Method == http.MethodPost && (!strings.HasPrefix(whole, string(body)) || err == nil && len(body) != len(whole)) {
		i.t.Errorf("%s has the body %.100q, %v", r.URL.Path, body, err)
	}
	i.answer(w, part[2], lineOf(users[0], part[3]), lines)
}

// answer gives a response of some lines.
func (i *isolation) answer(w http.ResponseWriter, kind, line string, lines int) {
	if kind == "cut-before" {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("X-Saw", strings.TrimSpace(line))
	if lines%2 == 0 { // else chunked
		w.Header().Set("Content-Length", strconv.Itoa(lines*len(line)))
	}
	body := strings.Repeat(line, lines)
	switch kind {
	case "slow":
		for piece := range slices.Chunk([]byte(body), 1+len(body)/8) {
			w.Write(piece)
			http.NewResponseController(w).Flush()
			time.Sleep(time.Millisecond)
		}
	case "cut-in":
		io.WriteString(w, body[:len(body)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	default:
		io.WriteString(w, body)
	}
}

// work is one client after another, of the same user, until all requests are made.
func (i *isolation) work(user string, random *rand.Rand) {
	for i.next.Load() < i.total && !i.t.Failed() {
		n := i.open(func(c *authn.Claims) {
			c.User = &authn.UserClaim{ID: user, Username: user, Groups: []string{"of " + user}}
		})
		i.tunnels.Add(1)
		c := &isolated{isolation: i, tunnel: n, user: user, random: random}
		for range 100 {
			if !c.step() {
				break
			}
		}
		n.NetConn().(*outer).NetConn().Close() // without a farewell
	}
}

// isolated is one client.
type isolated struct {
	*isolation
	tunnel *tunnel
	user   string
	random *rand.Rand
}

// asked is a request that was made.
type asked struct {
	kind, number string
	lines        int
}

// request writes down a request, of which some are with a body.
func (c *isolated) request(kind string) (asked, string) {
	a := asked{kind: kind, number: strconv.FormatInt(c.next.Add(1), 10), lines: 2 + c.random.IntN(40)}
	if c.random.IntN(30) == 0 {
		a.lines *= 100 // more than a buffer
	}
	target := fmt.Sprintf("/%s/%s/%s/%d HTTP/1.1\r\nHost: k8s.test\r\nImpersonate-User: root\r\n", c.user, kind, a.number, a.lines)
	body := strings.Repeat(lineOf(c.user, a.number), a.lines)
	switch c.random.IntN(4) {
	case 0:
		return a, "POST " + target + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
	case 1:
		half := len(body) / 2
		return a, fmt.Sprintf("POST %sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n",
			target, half, body[:half], len(body)-half, body[half:])
	}
	return a, "GET " + target + "\r\n"
}

// step makes a request, or some at once, and wants the answers. It reports whether
// there can be another on this tunnel.
func (c *isolated) step() bool {
	if c.next.Load() >= c.total || c.t.Failed() {
		return false
	}
	c.tunnel.NetConn().(*outer).NetConn().SetDeadline(time.Now().Add(patience))
	switch n := c.random.IntN(100); {
	case n < 1: // leaves in the request
		_, text := c.request("whole")
		c.send(text[:1+c.random.IntN(len(text)-1)])
		c.left[0].Add(1)
		return false
	case n < 2: // leaves behind it
		_, text := c.request("slow")
		c.send(text)
		c.left[1].Add(1)
		return false
	case n < 3: // leaves in the response
		_, text := c.request("slow")
		c.send(text)
		io.CopyN(io.Discard, c.tunnel, int64(1+c.random.IntN(200)))
		c.left[2].Add(1)
		return false
	case n < 5:
		return c.cutBefore()
	case n < 6:
		return c.cutIn()
	case n < 7:
		return c.cutBody()
	case n < 9:
		a, text := c.request("slow")
		for piece := range slices.Chunk([]byte(text), 1+len(text)/8) {
			c.send(string(piece))
			time.Sleep(time.Millisecond)
		}
		return c.hears(a)
	case n < 16:
		return c.pipeline()
	}
	a, text := c.request("whole")
	c.send(text)
	return c.hears(a)
}

// pipeline makes several requests before it reads the first answer.
func (c *isolated) pipeline() bool {
	var all []asked
	var text strings.Builder
	for range 2 + c.random.IntN(4) {
		a, request := c.request("whole")
		all = append(all, a)
		text.WriteString(request)
	}
	sent := make(chan struct{})
	go func() { // ends with the tunnel: the gateway may wait for its answers to be read
		defer close(sent)
		c.send(text.String())
	}()
	for _, a := range all {
		if !c.hears(a) {
			return false
		}
	}
	<-sent
	return true
}

// cutBefore wants a 502 for a request that the API server does not answer.
func (c *isolated) cutBefore() bool {
	_, text := c.request("cut-before")
	c.send(text)
	return c.hearsCut(0)
}

// cutBody wants a 502 for a request whose body the API server does not read to its
// end. What it left is never a request, though it looks like many.
func (c *isolated) cutBody() bool {
	inner := fmt.Sprintf("DELETE /%s/smuggled/0/0 HTTP/1.1\r\nHost: k8s.test\r\n\r\n", c.user)
	body := strings.Repeat(inner, 1+c.random.IntN(100_000)/len(inner))
	c.send(fmt.Sprintf("POST /%s/cut-body/%d/0 HTTP/1.1\r\nHost: k8s.test\r\nContent-Length: %d\r\n\r\n", c.user, c.next.Add(1), len(body)))
	c.send(body)
	return c.hearsCut(2)
}

// hearsCut wants a 502, and counts it.
func (c *isolated) hearsCut(count int) bool {
	a, err := http.ReadResponse(c.tunnel.r, nil)
	if err != nil || a.StatusCode != http.StatusBadGateway {
		c.t.Errorf("a request that was not answered: %v, %v, want a 502", a, err)
		return false
	}
	io.Copy(io.Discard, a.Body)
	c.cut[count].Add(1)
	return !a.Close
}

// cutIn wants a response that is cut to be told from a whole one.
func (c *isolated) cutIn() bool {
	_, text := c.request("cut-in")
	c.send(text)
	a, err := http.ReadResponse(c.tunnel.r, nil)
	if err != nil {
		c.t.Errorf("a response that was cut in its body: %v", err)
		return false
	}
	if body, err := io.ReadAll(a.Body); err == nil {
		c.t.Errorf("a response that was cut looks whole: %.100q", body)
	}
	c.cut[1].Add(1)
	return false
}

func (c *isolated) send(text string) { io.WriteString(c.tunnel, text) }

// hears wants the answer to a request, and no other.
func (c *isolated) hears(a asked) bool {
	line := lineOf(c.user, a.number)
	r, err := http.ReadResponse(c.tunnel.r, nil)
	if err != nil {
		c.t.Errorf("the answer to %s %s of %s: %v", a.kind, a.number, c.user, err)
		return false
	}
	body, err := io.ReadAll(r.Body)
	if saw := r.Header.Get("X-Saw"); err != nil || r.StatusCode != http.StatusOK || saw+"\n" != line || string(body) != strings.Repeat(line, a.lines) {
		c.t.Errorf("the answer to %s %s of %s is %d of %q with %.100q (%d octets), %v", a.kind, a.number, c.user, r.StatusCode, saw, body, len(body), err)
		return false
	}
	c.answered.Add(1)
	return true
}
