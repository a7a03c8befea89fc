package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spliceway/spliceway/authn"
)

// path is upstream and baseline in the test's own process.
type path struct {
	upstream *upstream
	lab      *lab
	gate     *gate
}

const testBearer = "test-bearer"

// startPath starts both. They end with the test.
func startPath(t *testing.T) *path {
	t.Helper()
	l := &lab{dir: t.TempDir(), bearer: testBearer}
	l.keys = l.dir + "/keys.json"
	var err error
	if l.user, err = newUser(l.keys); err != nil {
		t.Fatal(err)
	}
	ca, err := newAuthority(l.dir)
	if err != nil {
		t.Fatal(err)
	}
	l.roots, l.caFile = ca.pool(), ca.file
	if l.front, err = ca.issue(l.dir, "front", targetHost); err != nil {
		t.Fatal(err)
	}
	p := &path{lab: l, upstream: newUpstream(load(t, l.front), testBearer)}
	l.upstream.address = background(t, p.upstream.serve)
	server := newBaselineServer(newBaselineHandler(
		&url.URL{Scheme: "https", Host: l.upstream.address}, clientConfig(t, l.caFile), testBearer))
	front := background(t, func(ctx context.Context, tcp net.Listener) error {
		return newTunnelListener(tcp, load(t, l.front), verifier(t, l.keys)).serve(ctx, server)
	})
	p.gate = &gate{address: front, roots: l.roots, user: l.user}
	return p
}

// background runs a server until the test ends, and returns its address.
func background(t *testing.T, serve func(context.Context, net.Listener) error) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() {
		if err := serve(ctx, l); err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); ended.Wait() })
	return l.Addr().String()
}

func load(t *testing.T, pair keyPair) *tls.Config {
	t.Helper()
	config, err := pair.load()
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func clientConfig(t *testing.T, caFile string) *tls.Config {
	t.Helper()
	config, err := clientTLS(caFile)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func verifier(t *testing.T, keysFile string) *authn.Verifier {
	t.Helper()
	keys, err := authn.NewKeySet(authn.KeySetConfig{File: keysFile})
	if err != nil {
		t.Fatal(err)
	}
	return authn.NewVerifier(keys, authn.VerifierConfig{Issuer: issuerName, Audience: audience})
}

// testContext bounds what a test waits for.
func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestClosedLoopSendsEachRequestOnce(t *testing.T) {
	p := startPath(t)
	ctx := testContext(t)
	tunnels, err := p.gate.openAll(ctx, 3, (*tunnel).get)
	defer closeAll(tunnels)
	if err != nil || len(tunnels) != 3 {
		t.Fatalf("openAll = %d tunnels, %v", len(tunnels), err)
	}
	if err := closedLoop(ctx, tunnels, 20); err != nil {
		t.Fatal(err)
	}
	if got := p.upstream.answered.Load(); got != 3+20 {
		t.Errorf("the upstream has answered %d requests, want %d", got, 3+20)
	}
}

func TestWatchStaysOpen(t *testing.T) {
	p := startPath(t)
	tunnels, err := p.gate.openAll(testContext(t), 2, (*tunnel).watch)
	defer closeAll(tunnels)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range tunnels {
		w.conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err := w.conn.Read(make([]byte, 1)); n != 0 || !isTimeout(err) {
			t.Errorf("watch %d: after the event, read = %d, %v", i, n, err)
		}
	}
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}

func TestTunnelEndsWithContext(t *testing.T) {
	p := startPath(t)
	ctx, cancel := context.WithCancel(testContext(t))
	w, err := p.gate.open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	if err := w.watch(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if n, err := w.conn.Read(make([]byte, 1)); err == nil {
		t.Errorf("read %d octets after the context had ended", n)
	}
}

// The baseline has to do the gateway's job: what the client says of its identity
// must not count.
func TestBaselineReplacesIdentity(t *testing.T) {
	p := startPath(t)
	c, err := p.gate.open(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	forged := strings.Replace(string(smallRequest), "\r\n\r\n",
		"\r\nAuthorization: Bearer mine\r\nImpersonate-User: root\r\nImpersonate-Uid: 0\r\nimpersonate-extra-a: b\r\n\r\n", 1)
	if _, err := io.WriteString(c.conn, forged); err != nil {
		t.Fatal(err)
	}
	if err := c.readSmall(); err != nil { // the upstream refuses what is not exactly as it should be
		t.Error(err)
	}
}

func TestBaselineRefusesTunnel(t *testing.T) {
	p := startPath(t)
	stranger, err := newUser(t.TempDir() + "/keys.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		user user
	}{
		{"unknown-signer", *stranger},
		{"wrong-proof", user{token: p.lab.user.token, key: stranger.key}},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := &gate{address: p.gate.address, roots: p.gate.roots, user: &row.user}
			c, err := g.open(testContext(t))
			if err == nil {
				c.close()
				t.Fatal("the tunnel was opened")
			}
			if !strings.Contains(err.Error(), "401") {
				t.Errorf("open: %v, want status 401", err)
			}
		})
	}
}

func TestHealthy(t *testing.T) {
	p := startPath(t)
	if err := p.gate.healthy(testContext(t)); err != nil {
		t.Error(err)
	}
}

func TestUpstreamRefuses(t *testing.T) {
	good := string(smallRequest[:len(smallRequest)-2]) +
		"Authorization: Bearer " + testBearer + "\r\nImpersonate-User: " + userName +
		"\r\nImpersonate-Group: " + userGroups[0] + "\r\nImpersonate-Group: " + userGroups[1] + "\r\n\r\n"
	u := newUpstream(nil, testBearer)
	if !u.allowed([]byte(good)) {
		t.Fatalf("%q is refused", good)
	}
	for _, row := range []struct{ name, old, new string }{
		{"no-credential", "Authorization", "X-Authorization"},
		{"other-credential", testBearer, "other"},
		{"no-user", "Impersonate-User", "X-User"},
		{"other-user", userName, "root"},
		{"one-group", "Impersonate-Group: " + userGroups[1], "X-Group: b"},
		{"another-group", "\r\n\r\n", "\r\nImpersonate-Group: system:masters\r\n\r\n"},
		{"another-user", "\r\n\r\n", "\r\nImpersonate-User: root\r\n\r\n"},
	} {
		if bad := strings.Replace(good, row.old, row.new, 1); bad == good || u.allowed([]byte(bad)) {
			t.Errorf("%s: %q is not refused", row.name, bad)
		}
	}
}
