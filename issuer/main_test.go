package issuer

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/crypto/bcrypt"

	"github.com/spliceway/spliceway/authn"
	"github.com/spliceway/spliceway/internal/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }

const (
	alicePassword = "correct horse: battery staple"
	bobPassword   = "tr0ub4dor&3"
)

// fixture is a running issuer and a client that trusts it.
type fixture struct {
	t      *testing.T
	dir    string
	server *Server
	url    string
	client *http.Client
	log    *lockedBuffer

	aliceSecret, robotSecret string
}

// lockedBuffer is a log that a test reads while the server writes it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// start serves a configuration with two users, a service and three resources over real HTTPS on loopback.
func start(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, dir: t.TempDir(), log: &lockedBuffer{}}
	f.writeConfig("")
	server, err := New(f.config(), zerolog.New(f.log))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.server, f.url = server, "https://"+ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, ln) }()
	t.Cleanup(func() {
		f.client.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve = %v, want nil after its context is done", err)
		}
	})
	f.client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: f.tlsConfig()}}
	return f
}

// tlsConfig trusts the authority whose file the server names.
func (f *fixture) tlsConfig() *tls.Config {
	f.t.Helper()
	ca, err := os.ReadFile(f.server.CAFile())
	if err != nil {
		f.t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		f.t.Fatalf("%s has no certificate", f.server.CAFile())
	}
	return &tls.Config{RootCAs: pool}
}

func (f *fixture) config() string { return filepath.Join(f.dir, "issuer.yaml") }

// writeConfig replaces the configuration file; more is added at its end.
func (f *fixture) writeConfig(more string) {
	f.t.Helper()
	if f.aliceSecret == "" {
		f.aliceSecret, _ = NewSecret()
		f.robotSecret, _ = NewSecret()
	}
	text := fmt.Sprintf(`
issuer: https://issuer.example.com
audience: acme
dataDir: data
users:
  - name: alice@example.com
    id: u-1
    passwordHash: %q
    secretHash: %q
    groups: [dev, ops]
    resources: [prod, Edge, pods]
  - name: bob
    passwordHash: %q
    resources: [edge]
services:
  - name: deployer
    id: s-1
    keyId: robot
    secretFile: robot-secret
    resources: ["*"]
resources:
  - {name: prod, id: r-1, address: 10.0.0.1, aliases: [prod.int, cluster-a.int]}
  - {name: edge, address: edge.example.com, aliases: [edge.int], port: 443, upstreamPort: 6443}
  - {name: pods, address: "*.pods.example.com"}
  - {name: secret-lab, address: lab.example.com}
%s`, testHash(f.t, alicePassword), hashOf(f.aliceSecret), testHash(f.t, bobPassword), more)
	replaceFile(f.t, filepath.Join(f.dir, "robot-secret"), f.robotSecret+"\n")
	replaceFile(f.t, f.config(), text)
}

func replaceFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

// testHash is a cheap hash: the tests sign in often.
func testHash(t *testing.T, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

// hashOf is what an administrator gets from sha256sum and puts into secretHash.
func hashOf(secret string) string {
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(secret)))
}

// request is one request to the issuer. The zero credentials send none.
type request struct {
	method, path   string
	user, password string
	bearer         string
	body           string
	contentType    string // default: application/json
}

// send returns the status, the fields and the body of the answer.
func (f *fixture) send(q request) (int, http.Header, string) {
	f.t.Helper()
	r, err := http.NewRequest(q.method, f.url+q.path, strings.NewReader(q.body))
	if err != nil {
		f.t.Fatal(err)
	}
	if q.user != "" || q.password != "" {
		r.SetBasicAuth(q.user, q.password)
	}
	if q.bearer != "" {
		r.Header.Set("Authorization", "Bearer "+q.bearer)
	}
	r.Header.Set("Content-Type", "application/json")
	if q.contentType != "" {
		r.Header.Set("Content-Type", q.contentType)
	}
	response, err := f.client.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(body)
}

func newClientKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// tokenBody is a good body of POST /token.
func tokenBody(t *testing.T, key *ecdsa.PrivateKey, resource string) string {
	t.Helper()
	body, err := json.Marshal(TokenRequest{PublicKey: authn.PublicKey{PublicKey: &key.PublicKey}, Resource: resource})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// mustMint wants a token for alice.
func (f *fixture) mustMint(key *ecdsa.PrivateKey, resource string) TokenAnswer {
	f.t.Helper()
	return f.mintAs(request{user: "alice@example.com", password: alicePassword}, key, resource)
}

func (f *fixture) mintAs(q request, key *ecdsa.PrivateKey, resource string) TokenAnswer {
	f.t.Helper()
	q.method, q.path, q.body = "POST", PathToken, tokenBody(f.t, key, resource)
	status, _, body := f.send(q)
	if status != http.StatusOK {
		f.t.Fatalf("POST /token for %q = %d %s, want 200", resource, status, body)
	}
	var answer TokenAnswer
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		f.t.Fatal(err)
	}
	return answer
}
