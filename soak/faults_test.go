//go:build linux

package soak

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// class is a kind of fault.
type class struct {
	name  string
	front bool // the load goes through the relay in front of the gateway

	// prepare, if not nil, does what is to be done before the load begins.
	prepare func(b *bed)

	// run causes the faults until ctx is done, and returns how many there were.
	run func(b *bed, ctx context.Context) int64
}

var classes = []class{
	{name: "none", run: func(_ *bed, ctx context.Context) int64 { <-ctx.Done(); return 0 }},
	{name: "restarts", run: (*bed).restarts},
	{name: "upstream-cuts", run: func(b *bed, ctx context.Context) int64 { return cutting(ctx, b.back) }},
	{name: "client-cuts", front: true, run: func(b *bed, ctx context.Context) int64 { return cutting(ctx, b.front) }},
	{name: "keys", run: (*bed).lyingKeys},
	{name: "certificates", run: (*bed).newCertificates},
	{name: "clock", prepare: (*bed).needClock, run: (*bed).steppedClock},
	{name: "slow", run: (*bed).slowClients},
	{name: "vanish", run: (*bed).vanishingClients},
	{name: "idle", prepare: (*bed).openIdle, run: (*bed).keepIdle},
}

// pause waits, and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// restarts kills the API server every other second at most, and starts it again.
func (b *bed) restarts(ctx context.Context) (n int64) {
	for ; pause(ctx, time.Duration(200+rand.IntN(2000))*time.Millisecond); n++ {
		b.api.kill()
		time.Sleep(time.Duration(rand.IntN(500)) * time.Millisecond)
		b.api.start()
	}
	return n
}

// cutting has a relay cut all connections that are made from now on, anywhere.
func cutting(ctx context.Context, r *relay) int64 {
	before := r.cuts.Load()
	r.cutting.Store(true)
	<-ctx.Done()
	r.cutting.Store(false)
	return r.cuts.Load() - before
}

// lyingKeys goes through the lies of the issuer's key server.
func (b *bed) lyingKeys(ctx context.Context) int64 {
	before := b.issuer.told.Load()
	for pause(ctx, 300*time.Millisecond) {
		b.issuer.lie.Add(1)
	}
	b.issuer.lie.Store(-1)
	b.untilLetIn()
	return b.issuer.told.Load() - before
}

// untilLetIn waits until the gateway has the issuer's keys again, and knows that they
// are fresh.
func (b *bed) untilLetIn() {
	for deadline := time.Now().Add(quiescence); ; time.Sleep(100 * time.Millisecond) {
		t, word := b.users[0].open(b.t.Context(), b.gateway.address)
		if word == "" {
			t.raw.Close()
			return
		}
		if time.Now().After(deadline) {
			b.t.Errorf("with the right keys and the right time again: %s", word)
			return
		}
	}
}

// newCertificates renews the gateway's certificate again and again, as tools do,
// and sometimes badly.
func (b *bed) newCertificates(ctx context.Context) (n int64) {
	for ; pause(ctx, 500*time.Millisecond); n++ {
		if n%3 == 2 {
			b.write("tls.crt", "not a certificate")
			continue
		}
		b.ca.WriteFiles(b.t, b.dir, targetHost)
	}
	b.ca.WriteFiles(b.t, b.dir, targetHost)
	return n
}

// dripping is a client's connection that sends one octet a second from when it is
// told to, and takes one a second.
type dripping struct {
	net.Conn
	ctx  context.Context
	slow atomic.Bool
}

func (d *dripping) Write(p []byte) (n int, err error) {
	if !d.slow.Load() {
		return d.Conn.Write(p)
	}
	for ; n < len(p) && err == nil; n++ {
		if !pause(d.ctx, time.Second) {
			return n, context.Cause(d.ctx)
		}
		_, err = d.Conn.Write(p[n : n+1])
	}
	return n, err
}

func (d *dripping) Read(p []byte) (int, error) {
	if d.slow.Load() && pause(d.ctx, time.Second) {
		return d.Conn.Read(p[:min(1, len(p))])
	}
	return d.Conn.Read(p)
}

// slowPhases are where a client may become slow: the last is in reading.
const slowPhases = 6

// slowClients has two clients at each phase.
func (b *bed) slowClients(ctx context.Context) int64 {
	var clients sync.WaitGroup
	for n := range 2 * slowPhases {
		clients.Go(func() {
			for ctx.Err() == nil {
				b.slowClient(ctx, n%slowPhases)
			}
		})
	}
	clients.Wait()
	return 2 * slowPhases
}

// slowClient is one client, to its end or that of ctx.
func (b *bed) slowClient(ctx context.Context, phase int) {
	raw, err := net.Dial("tcp", b.gateway.address)
	if err != nil {
		return
	}
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	defer raw.Close()
	u, d := b.users[0], &dripping{Conn: raw, ctx: ctx}
	at := func(this int) bool { d.slow.Store(this == phase); return true }
	outer := tls.Client(d, u.tls())
	at(0)
	if outer.Handshake() != nil {
		return
	}
	head, err := u.head(outer)
	at(1)
	if _, e := io.WriteString(outer, head); err != nil || e != nil {
		return
	}
	if _, err := io.ReadFull(outer, make([]byte, len("HTTP/1.1 200 OK\r\n\r\n"))); err != nil {
		return
	}
	at(2)
	inner := tls.Client(outer, u.tls())
	if inner.Handshake() != nil {
		return
	}
	at(3)
	path := fmt.Sprintf("/send/%d/1", b.next.Add(1))
	if _, err := fmt.Fprintf(inner, "POST %s HTTP/1.1\r\nHost: k8s.test\r\nContent-Length: %d\r\n\r\n", path, len(lineOf(u.name, path))); err != nil {
		return
	}
	at(4)
	for _, octet := range []byte(lineOf(u.name, path)) { // each is a record, so that it moves on
		d.slow.Store(false)
		if phase == 4 && !pause(ctx, time.Second) {
			return
		}
		if _, err := inner.Write([]byte{octet}); err != nil {
			return
		}
	}
	at(5)
	io.WriteString(inner, "GET /get/1/40000 HTTP/1.1\r\nHost: k8s.test\r\n\r\n")
	io.Copy(io.Discard, inner)
}

// tcpRepair is TCP_REPAIR of linux/tcp.h: a socket that is closed in this mode says
// nothing to the other side.
const tcpRepair = 19

// vanish closes a connection as the loss of a machine does, without FIN or RST. Who
// may not do so resets it. It reports whether it was silent.
func vanish(c *net.TCPConn) (silent bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return false // it is closed
	}
	raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpRepair, 1) })
	if err != nil {
		c.SetLinger(0)
	}
	c.Close()
	return err == nil
}

// vanishingClients has clients vanish while nothing, a watch or a body is under way.
func (b *bed) vanishingClients(ctx context.Context) (n int64) {
	for ; pause(ctx, 50*time.Millisecond); n++ {
		u := b.users[n%int64(len(b.users))]
		t, word := u.open(ctx, b.gateway.address)
		if word != "" {
			continue
		}
		switch n % 3 {
		case 1:
			fmt.Fprintf(t, "GET /watch/%d/200 HTTP/1.1\r\nHost: k8s.test\r\n\r\n", b.next.Add(1))
		case 2:
			path := fmt.Sprintf("/send/%d/100", b.next.Add(1))
			fmt.Fprintf(t, "POST %s HTTP/1.1\r\nHost: k8s.test\r\nContent-Length: %d\r\n\r\n%s", path, 100*len(lineOf(u.name, path)),
				strings.Repeat(lineOf(u.name, path), 50))
		}
		time.Sleep(10 * time.Millisecond)
		if vanish(t.raw) {
			b.vanished.Add(1)
		}
	}
	return n
}

// openIdle opens many tunnels, to be left alone, and tells what one of them costs.
func (b *bed) openIdle() {
	before := b.gateway.look()
	var mu sync.Mutex
	var openers sync.WaitGroup
	var started atomic.Int64
	for range 8 {
		openers.Go(func() {
			for started.Add(1) <= int64(*idle) {
				t, word := b.users[0].open(b.t.Context(), b.gateway.address)
				if word != "" {
					b.t.Errorf("an idle tunnel: %s", word)
					return
				}
				t.raw.SetDeadline(time.Time{})
				mu.Lock()
				b.idle = append(b.idle, t)
				mu.Unlock()
			}
		})
	}
	openers.Wait()
	after := b.gateway.look()
	b.t.Logf("%d idle tunnels, %.1f KiB of memory for each when they have just been opened", len(b.idle), float64(after.memory-before.memory)/1024/float64(max(1, len(b.idle))))
}

// keepIdle wants the idle tunnels to outlive the load, and closes them.
func (b *bed) keepIdle(ctx context.Context) int64 {
	<-ctx.Done()
	if left := b.gateway.look().tunnels; left < len(b.idle) {
		b.t.Errorf("of %d idle tunnels %d are left", len(b.idle), left)
	}
	for _, t := range b.idle {
		t.raw.Close()
	}
	n := len(b.idle)
	b.idle = nil
	return int64(n)
}
