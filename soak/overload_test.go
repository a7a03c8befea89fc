//go:build linux

package soak

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is what all threads of the gateway have used until they are at rest.
func (g *gateway) cpuTime() (used time.Duration) {
	g.t.Helper()
	// The id of that clock, as clock_getcpuclockid(3) makes it. The lowest bits
	// say: of the whole process, the scheduler's account.
	const schedulerClock = 2
	clock := int32(^g.cmd.Process.Pid)<<3 | schedulerClock
	for {
		var t unix.Timespec
		if err := unix.ClockGettime(clock, &t); err != nil {
			g.t.Fatal(err)
		}
		before := used
		if used = time.Duration(t.Nano()); used-before < time.Millisecond {
			return used
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// each has something done so often, and returns the gateway's CPU time for one.
func (b *bed) each(count int, do func()) time.Duration {
	b.t.Helper()
	before := b.gateway.cpuTime()
	for range count {
		do()
	}
	return (b.gateway.cpuTime() - before) / time.Duration(count)
}

// mustOpen opens a tunnel, which lasts until the end of the test.
func (b *bed) mustOpen(u *user) *tunnel {
	b.t.Helper()
	t, word := u.open(b.t.Context(), b.gateway.address)
	if word != "" {
		b.t.Fatalf("a tunnel of %s: %s", u.name, word)
	}
	b.t.Cleanup(func() { t.raw.Close() })
	return t
}

// TestOverload measures what a refusal costs the gateway beside what is accepted.
// What is measured is told, not judged.
func TestOverload(t *testing.T) {
	requests := min(int(duration.Seconds()), 200) * 25
	connections := requests/10 + 1
	b := newBed(t, fmt.Sprintf(`
timeouts: {handshake: 10m, bodyIdle: 10m, queue: 10m}
limits: {connectionsPerUser: %d, unauthenticatedPerSource: 8, requestRate: 1, requestBurst: %d, upstream: 2, queue: 1}`, connections+1, requests+10))

	ann := b.user("ann", newKey(t))
	n := b.mustOpen(ann)
	ask := func(n *tunnel, u *user, wants ...string) func() {
		return func() {
			if word, _ := n.request(u, "get", b.next.Add(1), 1); !slices.Contains(wants, word) {
				t.Fatalf("a request is %s, want one of %q", word, wants)
			}
		}
	}
	accepted := b.each(requests, ask(n, ann, wordWhole))
	for word := wordWhole; word == wordWhole; {
		word, _ = n.request(ann, "get", b.next.Add(1), 1)
	}
	tooMany := b.each(requests, ask(n, ann, wordWrong+" status 429", wordWhole)) // one may be made each second
	b.fillQueue()
	bob := b.user("bob", newKey(t))
	queueFull := b.each(requests, ask(b.mustOpen(bob), bob, "status 503"))

	open := func(u *user, want string) func() {
		return func() {
			n, word := u.open(t.Context(), b.gateway.address)
			if word == "" {
				n.raw.Close()
			}
			if word != want {
				t.Fatalf("a tunnel is %q, want %q", word, want)
			}
		}
	}
	tunnel := b.each(connections, open(b.user("dan", newKey(t)), ""))
	eve := b.user("eve", newKey(t))
	for range connections + 1 {
		b.mustOpen(eve)
	}
	refusedTunnel := b.each(connections, open(eve, "CONNECT 429"))
	for range 8 {
		b.silent()
	}
	closed := b.each(requests, func() {
		c := b.silent()
		if got, err := io.ReadAll(c); len(got) > 0 || err != nil {
			t.Fatalf("a connection beyond the limit gives %q, %v", got, err)
		}
		c.Close()
	})

	var table strings.Builder
	row := func(what string, took, of time.Duration) {
		fmt.Fprintf(&table, "| %s | %v | %.0f %% |\n", what, took.Round(100*time.Nanosecond), 100*float64(took)/float64(of))
	}
	row("request that is served", accepted, accepted)
	row("429: too many requests", tooMany, accepted)
	row("503: the queue is full", queueFull, accepted)
	row("tunnel that is opened and ended", tunnel, tunnel)
	row("429 to the CONNECT: too many connections of the user", refusedTunnel, tunnel)
	row("closed before TLS: too many connections of the source", closed, tunnel)
	t.Logf("\n| | CPU time | of what is accepted |\n|---|---|---|\n%s", table.String())
}

// fillQueue has two requests under way whose bodies don't come, and another one that
// waits.
func (b *bed) fillQueue() {
	b.t.Helper()
	for _, name := range []string{"kim", "lee", "may"} {
		n := b.mustOpen(b.user(name, newKey(b.t)))
		io.WriteString(n, "POST /send/1/1 HTTP/1.1\r\nHost: k8s.test\r\nContent-Length: 9\r\n\r\n")
	}
	for deadline := time.Now().Add(patience); b.gateway.look().waiting != 1; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatal("nobody waits")
		}
	}
}

// silent is a connection on which nothing is said.
func (b *bed) silent() net.Conn {
	b.t.Helper()
	c, err := net.Dial("tcp", b.gateway.address)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return c
}
