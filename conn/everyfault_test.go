package conn

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spliceway/spliceway/internal/testnet"
)

// Each operation of the gateway fails once in each way, in each conversation. What
// the API server hears are requests of the client, what the client hears is their
// answers, and whoever comes next is served.
func TestEveryFault(t *testing.T) {
	for name, turns := range faultConversations() {
		for _, kind := range faultKinds() {
			t.Run(fmt.Sprintf("%s/%s-%s-%s", name, kind.side, kind.op, kind.how), func(t *testing.T) {
				for n, struck := 1, true; struck && !t.Failed(); n++ {
					f := &fault{faultKind: kind, left: n, turn: -1}
					conversation(t, func(s *site) { struck = rehearse(s, turns, f) })
					if t.Failed() {
						t.Logf("operation %d failed", n)
					}
				}
			})
		}
	}
}

// rehearsal is a conversation with a fault.
type rehearsal struct {
	*site
	turns []turn
	f     *fault
	c     *client
	ours  *faulty
	links []*link
	heard string // by the client
	tap   recorder
}

// link is a connection to the API server.
type link struct {
	*peer
	ours   *faulty
	turn   int    // of which it hears; -1: none yet
	reused bool   // it has heard of another one before
	heard  string // of the turn
	all    string // heard, of all turns
	given  int    // answers to the turn
	said   int    // octets
	before int    // octets said when the turn began
}

// rehearse reports whether the fault has struck: if not, no answer may be missing.
func rehearse(s *site, turns []turn, f *fault) (struck bool) {
	r := &rehearsal{site: s, f: f, turns: append([]turn(nil), turns...)}
	if n := len(turns); !turns[n-1].last {
		r.turns = append(r.turns, plain(n+1, "POST /after", "{}", noContent).either())
	}
	f.begun = func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.begun
	}
	s.token.next = "renewed"
	s.config.Timeouts.StreamIdle = time.Minute
	s.recorded(&r.tap)
	s.pool = NewPool(PoolConfig{Dial: r.dial})
	s.config.Pool = s.pool
	r.join()
	for i := range r.turns {
		r.take(i)
	}
	struck = f.fell() >= 0
	r.judge()
	r.judgeTap()
	r.another()
	return struck
}

// join has a client come.
func (r *rehearsal) join() {
	theirs, ours := testnet.Pipe()
	r.ours = &faulty{PipeConn: ours, f: r.f, side: "client"}
	r.c = r.serve(r.ours, &peer{t: r.t, name: "client", PipeConn: theirs})
	r.heard = ""
}

// dial is called by the gateway.
func (r *rehearsal) dial(ctx context.Context, wrap func(net.Conn) net.Conn) (net.Conn, error) {
	var ours *faulty
	c, err := r.site.dial(ctx, func(c net.Conn) net.Conn {
		ours = &faulty{PipeConn: c.(*testnet.PipeConn), f: r.f, side: "API server"}
		return wrap(ours)
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.links = append(r.links, &link{peer: r.dialed[len(r.dialed)-1], ours: ours, turn: -1})
	return c, err
}

// take has the client say its part of a turn, and waits for the answer or the end.
func (r *rehearsal) take(i int) {
	t := &r.turns[i]
	if t.stale {
		for _, l := range r.links {
			l.Close()
		}
	}
	for _, part := range t.says {
		r.c.SetWriteDeadline(time.Now().Add(time.Hour))
		if _, err := r.c.Write([]byte(part)); err != nil {
			r.c.Close() // it can't go on behind half a request
		}
		r.attend()
	}
	for range 60 {
		if r.over() || !t.last && r.answered() > i {
			return
		}
		after(5 * time.Second)
		r.attend()
	}
	r.t.Errorf("turn %d of %d has no end; the client has heard\n%s", i+1, len(r.turns), shown(r.heard))
}

// over reports whether the client's connection has ended.
func (r *rehearsal) over() bool {
	select {
	case <-r.c.ended:
		return true
	default:
		return false
	}
}

// attend lets the API server hear and answer until everybody waits.
func (r *rehearsal) attend() {
	for more := true; more; {
		more = false
		synctest.Wait()
		for _, l := range r.links {
			r.listen(l)
			more = r.answer(l) || more
		}
		r.heard += r.c.heard()
	}
}

// listen wants what arrives to be of a request that may be heard now.
func (r *rehearsal) listen(l *link) {
	octets := l.peer.heard()
	if octets == "" {
		return
	}
	first := l.heard == ""
	l.heard += octets
	l.all += octets
	for i := range r.turns {
		if (first || i == l.turn) && r.form(i, l.heard) != nil && (!first || r.fresh(l, i)) {
			if first {
				l.reused, l.before = l.turn >= 0, l.said
			}
			l.turn = i
			return
		}
	}
	r.t.Fatalf("the API server hears what it should not, in turn %d\n%s", l.turn+1, shown(l.heard))
}

// form returns the form of a turn that octets are, or begin.
func (r *rehearsal) form(i int, octets string) *form {
	for k := range r.turns[i].forms {
		if f := &r.turns[i].forms[k]; strings.HasPrefix(f.octets, octets) {
			return f
		}
	}
	return nil
}

// fresh reports whether a turn may be heard on a connection: none behind it was heard
// before, and not itself, or the rule of repetitions allows it.
func (r *rehearsal) fresh(l *link, i int) bool {
	t := &r.turns[i]
	for _, o := range r.links {
		switch {
		case o.turn < i || o == l && o.turn != i:
		case o.turn > i || o == l:
			return false
		case t.renews && o.heard == "":
		case !t.again || !o.reused || o.ours.received() > o.before:
			return false
		}
	}
	return true
}

// answer says the next answer that is due. It reports whether there was one.
func (r *rehearsal) answer(l *link) bool {
	if l.heard == "" || l.turn < 0 {
		return false
	}
	f := r.form(l.turn, l.heard)
	whole := l.heard == f.octets
	due := l.given < len(f.answers) && (whole || 0 < f.answers[l.given].at && f.answers[l.given].at <= len(l.heard))
	if due {
		a := f.answers[l.given]
		if l.turn%2 == 0 {
			after(time.Second) // the client is watched
		}
		l.given++
		l.said += len(a.says)
		l.Write([]byte(a.says))
		if a.ends {
			l.Close()
		}
	}
	if whole && l.given == len(f.answers) { // wait for the next one
		l.heard, l.given = "", 0
	}
	return due
}

var refused = regexp.MustCompile(`^HTTP/1\.1 (408|502|503|504) [^\r]*\r\nContent-Type: application/json\r\nContent-Length: (\d+)\r\n(?:Connection: close\r\n)?\r\n`)

// read tells how many turns have got an answer, right or refused, and what the client has
// heard behind those of the message that is not whole.
func (r *rehearsal) read() (answered int, rest, message string) {
	rest = r.heard
	for i := range r.turns {
		for k, message := range r.turns[i].hears {
			if behind, ok := strings.CutPrefix(rest, message); ok {
				rest = behind
				continue
			}
			n := r.refused(i, rest)
			if n == 0 || k > 0 && !strings.HasPrefix(r.turns[i].hears[k-1], "HTTP/1.1 1") {
				return i, rest, message
			}
			rest = rest[n:]
			break
		}
	}
	return len(r.turns), rest, ""
}

// refused returns the length of the gateway's own answer at the beginning of octets, which
// only that turn gets on which the fault fell.
func (r *rehearsal) refused(i int, octets string) int {
	m := refused.FindStringSubmatch(octets)
	if m == nil || r.f.fell() != i+1 && !(m[1] == "408" && r.f.fell() == i) {
		return 0
	}
	length, _ := strconv.Atoi(m[2])
	if strings.HasPrefix(r.turns[i].forms[0].octets, "HEAD") {
		length = 0
	}
	if n := len(m[0]) + length; n <= len(octets) {
		return n
	}
	return 0
}

// answered returns how many turns have got an answer.
func (r *rehearsal) answered() int {
	n, _, _ := r.read()
	return n
}

// judge looks at what the client has heard.
func (r *rehearsal) judge() {
	answered, rest, message := r.read()
	if answered == len(r.turns) && rest == "" {
		return
	}
	partly := strings.HasPrefix(message, rest) || r.f.side == "client" && strings.HasPrefix(rest, "HTTP/1.1 50")
	cut := rest == "" || !r.turns[answered].opaque || r.f.how == faultEnd || r.ours.wasCut()
	if r.f.fell() < 0 || !partly || !cut || !r.over() {
		r.t.Errorf("of %d answers the client has heard %d, and (cut: %v) of the next one\n%s\nwant\n%s",
			len(r.turns), answered, cut, shown(rest), shown(message))
	}
}

// judgeTap wants what either side has heard of a stream to be recorded, and the
// recording to have ended.
func (r *rehearsal) judgeTap() {
	_, down, upgraded := strings.Cut(r.heard, spdySwitched)
	if !upgraded {
		return
	}
	_, up, _ := strings.Cut(r.links[0].all, spdyForwarded(1))
	r.tap.mu.Lock()
	defer r.tap.mu.Unlock()
	if !strings.HasPrefix(r.tap.down, down) || !strings.HasPrefix(r.tap.up, up) || len(r.tap.closes) != 1 {
		r.t.Errorf("of %d octets up and %d down %d and %d were recorded, and %d ends, want 1",
			len(up), len(down), len(r.tap.up), len(r.tap.down), len(r.tap.closes))
	}
}

// another wants a client that comes afterwards to be served on what the pool has.
func (r *rehearsal) another() {
	r.f.end()
	t := plain(1, "POST /another", "{}", noContent)
	t.forms[0].octets = strings.Replace(t.forms[0].octets, "c1-", "c2-", 1)
	stale := slices.ContainsFunc(r.turns, func(t turn) bool { return t.stale })
	r.turns = []turn{t.either()}
	for _, l := range r.links {
		if l.turn = -1; l.heard != "" {
			l.heard = "half a request" // behind which no other can be heard
		}
	}
	if stale {
		r.pool.CloseIdle() // nobody looks at a pipe before it is used again
	}
	r.join()
	r.take(0)
	if r.heard != noContent {
		r.t.Errorf("who comes next hears %q", r.heard)
	}
	open := 0
	for _, l := range r.links {
		if !l.ours.closed() {
			open++
		}
	}
	if idle := r.pool.Stats().Idle; open != idle {
		r.t.Errorf("%d connections are open, and %d in the pool", open, idle)
	}
}
