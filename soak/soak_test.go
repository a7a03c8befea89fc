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
	seen     seen

	before  reading
	results map[string]*result // by class
}

// recordings is where they are.
const recordings = "recordings"

// result is what came of a class of faults, in all rounds.
type result struct {
	count    count
	requests int64
	faults   int64
	recorded int64   // sessions
	peak     int64   // memory of the gateway at the most, in octets
	after    reading // when it was over
}

// patient lets so much in that only what is wrong fails.
const patient = `
timeouts: {handshake: 5s, innerHandshake: 5s, requestHead: 5s, bodyIdle: 5s, responseHead: 10s, idle: 1h}
limits: {connectionsPerSource: 0, connectionsPerUser: 0, unauthenticatedPerSource: 0, requestRate: 0, streamsPerUser: 0, upstream: 16384}`

// newBed runs a gateway with these timeouts and limits.
func newBed(t *testing.T, limits string) *bed {
	t.Helper()
	b := &bed{t: t, dir: t.TempDir(), ca: testnet.NewCA(t), issuer: startIssuer(t), results: map[string]*result{}}
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
audit: {output: /dev/null}
recordings: {dir: %s, minFree: 0B, rules: [{name: plain, namespaces: [%s], mode: off}]}
drain: {timeout: 5s}
%s
`, issuerName, audience, b.issuer.server.URL, targetHost, b.back.address(), recordings, unrecorded, limits)))
	b.front = startRelay(t, b.gateway.address)
	for _, name := range []string{"ann", "bob", "eve"} {
		b.users = append(b.users, b.user(name, newKey(t)))
	}
	return b
}

func (b *bed) user(name string, key *ecdsa.PrivateKey) *user {
	return &user{name: name, key: key, issuer: b.issuer, roots: b.ca.Pool(), seen: &b.seen}
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
	if c.words == nil {
		c.words = map[string]int{}
	}
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

// load has clients work through address until ctx is done, and counts what comes of it.
func (b *bed) load(ctx context.Context, address string, c *count) {
	var clients sync.WaitGroup
	for n := range 6 {
		clients.Go(func() {
			for ctx.Err() == nil {
				b.users[n%len(b.users)].session(ctx, address, func() int64 { return b.next.Add(1) }, c.tell)
			}
		})
	}
	clients.Wait()
}

// TestSoak runs the classes of faults one after the other, as often as it is told to,
// all on the same gateway.
func TestSoak(t *testing.T) {
	b := newBed(t, patient)
	b.load(within(t, time.Second), b.gateway.address, new(count)) // for what is made once
	b.before = b.settled()
	var rest slope
	for round := range *rounds {
		for _, class := range classes {
			t.Run(class.name, func(t *testing.T) { b.class(t, class) })
		}
		b.t, b.gateway.t, b.api.t = t, t, t
		requests, memory := b.next.Load(), b.gateway.rest()
		rest.add(float64(requests)/1e6, mebibytes(memory))
		t.Logf("after round %d: %d requests, %.1f MiB", round+1, requests, mebibytes(memory))
	}
	if n := b.gateway.look().panics; n != 0 {
		t.Errorf("the gateway has caught %d panics", n)
	}
	t.Log(b.report())
	t.Logf("%d errors in the log; %d clients have vanished without a word", b.gateway.logged(), b.vanished.Load())
	if *rounds > 1 {
		t.Logf("memory at rest grows by %.2f MiB with a million requests", rest.value())
	}
}

// report is a table with a row for each class.
func (b *bed) report() string {
	var text strings.Builder
	text.WriteString("\n| class | requests | what came of them | faults | sessions recorded | p99 of small ones | goroutines | descriptors | memory at most |\n" +
		"|---|---|---|---|---|---|---|---|---|\n")
	for _, class := range classes {
		if r := b.results[class.name]; r != nil {
			fmt.Fprintf(&text, "| %s | %d | %s | %d | %d | %s | %d → %d | %d → %d | %.1f MiB |\n", class.name, r.requests, &r.count, r.faults, r.recorded,
				r.count.p99().Round(100*time.Microsecond), b.before.goroutines, r.after.goroutines,
				b.before.descriptors, r.after.descriptors, mebibytes(r.peak))
		}
	}
	return text.String()
}

func mebibytes(octets int64) float64 { return float64(octets) / (1 << 20) }

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
	r := b.results[class.name]
	if r == nil {
		r = new(result)
		b.results[class.name] = r
	}
	start := b.next.Load()
	if class.prepare != nil {
		class.prepare(b)
	}
	ctx := within(t, *duration/time.Duration(*rounds*len(classes)))
	var beside sync.WaitGroup
	beside.Go(func() { r.faults += class.run(b, ctx) })
	beside.Go(func() { r.peak = max(r.peak, b.gateway.peak(ctx)) })
	address := b.gateway.address
	if class.front {
		address = b.front.address()
	}
	b.load(ctx, address, &r.count)
	beside.Wait()
	if told := r.count.String(); strings.Contains(told, wordWrong) {
		t.Errorf("there are answers that are not those to their requests, and look whole: %s", told)
	}
	b.gateway.settle(b.before)
	b.wantService()
	r.after = b.gateway.settle(b.before)
	r.recorded += b.wantRecordings()
	r.requests += b.next.Load() - start
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

// slope is the line of least squares through points.
type slope struct{ n, x, y, xx, xy float64 }

func (s *slope) add(x, y float64) {
	s.n, s.x, s.y, s.xx, s.xy = s.n+1, s.x+x, s.y+y, s.xx+x*x, s.xy+x*y
}

// value is by how much y grows with x. It takes two points that differ in x.
func (s *slope) value() float64 { return (s.n*s.xy - s.x*s.y) / (s.n*s.xx - s.x*s.x) }
