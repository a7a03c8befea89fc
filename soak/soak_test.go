//go:build linux

package soak

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spliceway/spliceway/internal/testnet"
)

// bed is everything around the gateway.
type bed struct {
	t        *testing.T
	dir      string
	ca       *testnet.CA
	issuer   *issuer
	api      *apiServer
	back     *relay // between gateway and API server
	gateway  *gateway
	front    *relay // between clients and gateway
	users    []*user
	idle     []*tunnel    // open, and left alone
	vanished atomic.Int64 // connections that were closed without FIN or RST
	next     atomic.Int64 // number of the last request

	before   reading
	requests []int64 // made up to the end of each class
	memory   []int64 // of the gateway then
	report   strings.Builder
}

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{t: t, dir: t.TempDir(), ca: testnet.NewCA(t), issuer: startIssuer(t)}
	b.ca.WriteFiles(t, b.dir, targetHost)
	b.api = startAPIServer(t, b.ca.Issue(t, "api.test"))
	b.back = startRelay(t, b.api.address)
	b.write("token", credential)
	b.gateway = startGateway(t, b.dir, b.write("config.yaml", fmt.Sprintf(`
listen: "127.0.0.1:0"
metrics: {listen: "localhost:0"}
tls: {certificateFile: tls.crt, privateKeyFile: tls.key}
authn: {issuer: %q, audience: %s, jwksURL: %q, refreshInterval: 1s}
clusters: [{name: prod, address: %s, server: "https://%s", serverName: api.test, certificateAuthorityFile: ca.crt, bearerTokenFile: token}]
timeouts: {handshake: 5s, innerHandshake: 5s, requestHead: 5s, bodyIdle: 5s, responseHead: 10s, idle: 1h}
limits: {connectionsPerSource: 0, connectionsPerUser: 0, unauthenticatedPerSource: 0, requestRate: 0, streamsPerUser: 0, upstream: 16384}
audit: {output: /dev/null}
drain: {timeout: 5s}
`, issuerName, audience, b.issuer.server.URL, targetHost, b.back.address())))
	b.front = startRelay(t, b.gateway.address)
	for _, name := range []string{"ann", "bob", "eve"} {
		b.users = append(b.users, b.user(name, newKey(t)))
	}
	return b
}

func (b *bed) user(name string, key *ecdsa.PrivateKey) *user {
	return &user{name: name, key: key, issuer: b.issuer, roots: b.ca.Pool()}
}

func (b *bed) write(name, text string) string {
	b.t.Helper()
	file := filepath.Join(b.dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return file
}

// count is what came of the requests of a class, by word.
type count struct {
	mu    sync.Mutex
	words map[string]int  // guarded by mu
	small []time.Duration // guarded by mu; how long small requests took
}

func (c *count) tell(word string, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.words[word]++
	if took > 0 {
		c.small = append(c.small, took)
	}
}

// p99 is the time within which 99 of 100 small requests were answered.
func (c *count) p99() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.small) == 0 {
		return 0
	}
	slices.Sort(c.small)
	return c.small[len(c.small)*99/100]
}

func (c *count) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var parts []string
	for _, word := range slices.Sorted(maps.Keys(c.words)) {
		parts = append(parts, fmt.Sprintf("%d %s", c.words[word], word))
	}
	return strings.Join(parts, ", ")
}

// load has clients work through address until ctx is done.
func (b *bed) load(ctx context.Context, address string) *count {
	c := &count{words: map[string]int{}}
	var clients sync.WaitGroup
	for n := range 6 {
		clients.Go(func() {
			for ctx.Err() == nil {
				b.users[n%len(b.users)].session(ctx, address, func() int64 { return b.next.Add(1) }, c.tell)
			}
		})
	}
	clients.Wait()
	return c
}

// TestSoak runs the classes of faults one after the other, each on the same gateway.
func TestSoak(t *testing.T) {
	b := newBed(t)
	b.load(within(t, time.Second), b.gateway.address) // for what is made once
	b.before = b.settled()
	for _, class := range classes {
		t.Run(class.name, func(t *testing.T) { b.class(t, class) })
	}
	b.t = t
	if n := b.gateway.look().panics; n != 0 {
		t.Errorf("the gateway has caught %d panics", n)
	}
	t.Logf("\n| class | requests | what came of them | faults | p99 of small ones | goroutines | descriptors | memory |\n"+
		"|---|---|---|---|---|---|---|---|\n%s\n%d errors in the log; memory slope %.2f MiB per million requests",
		b.report.String(), b.gateway.logged(), b.slope())
	if n := b.vanished.Load(); n > 0 {
		t.Logf("%d clients have vanished without a word", n)
	}
}

// within returns a context that lasts so long.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// settled is a reading once clients are gone: the same twice, a while apart.
func (b *bed) settled() reading {
	last := b.gateway.look()
	for deadline := time.Now().Add(quiescence); ; {
		time.Sleep(500 * time.Millisecond)
		now := b.gateway.look()
		same := now
		same.memory = last.memory
		if same == last && now.connections == 0 && now.active == 0 || time.Now().After(deadline) {
			return now
		}
		last = now
	}
}

// class runs one class of faults, and then wants the gateway to be as it was.
func (b *bed) class(t *testing.T, class class) {
	b.t, b.gateway.t, b.api.t = t, t, t
	start := b.next.Load()
	if class.prepare != nil {
		class.prepare(b)
	}
	ctx := within(t, *duration/time.Duration(len(classes)))
	var faults int64
	var fault sync.WaitGroup
	fault.Go(func() { faults = class.run(b, ctx) })
	address := b.gateway.address
	if class.front {
		address = b.front.address()
	}
	c := b.load(ctx, address)
	fault.Wait()
	if told := c.String(); strings.Contains(told, wordWrong) {
		t.Errorf("there are answers that are not those to their requests, and look whole: %s", told)
	}
	b.gateway.settle(b.before)
	b.wantService()
	after := b.gateway.settle(b.before)
	if class.prepare != nil { // what is given back of much more comes late
		if *idle >= 1000 {
			after = b.gateway.shrink(2 * b.before.memory)
		}
	} else {
		b.requests, b.memory = append(b.requests, b.next.Load()), append(b.memory, after.memory)
	}
	fmt.Fprintf(&b.report, "| %s | %d | %s | %d | %s | %d → %d | %d → %d | %.1f MiB |\n", class.name, b.next.Load()-start, c, faults,
		c.p99().Round(100*time.Microsecond), b.before.goroutines, after.goroutines, b.before.descriptors, after.descriptors,
		float64(after.memory)/(1<<20))
}

// wantService wants every kind of request to be served now.
func (b *bed) wantService() {
	b.t.Helper()
	for _, k := range kinds {
		tunnel, word := b.users[0].open(b.t.Context(), b.gateway.address)
		if word != "" {
			b.t.Errorf("after the faults: %s", word)
			return
		}
		if word, _ = tunnel.request(b.users[0], k.kind, b.next.Add(1), k.count); word != wordWhole {
			b.t.Errorf("after the faults, a request %s ends as %q", k.kind, word)
		}
		tunnel.raw.Close()
	}
}

// slope is how memory grows with requests: MiB for a million, by least squares.
func (b *bed) slope() float64 {
	var x, y, xx, xy, n float64
	for i := range b.requests {
		r, m := float64(b.requests[i])/1e6, float64(b.memory[i])/(1<<20)
		x, y, xx, xy, n = x+r, y+m, xx+r*r, xy+r*m, n+1
	}
	if n*xx == x*x {
		return 0
	}
	return (n*xy - x*y) / (n*xx - x*x)
}
