package connect

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/rs/zerolog"

	"github.com/spliceway/spliceway/authn"
	"github.com/spliceway/spliceway/internal/testnet"
	"github.com/spliceway/spliceway/issuer"
)

func TestMain(m *testing.M) { testnet.Main(m) }

const (
	testUser     = "alice@example.com"
	testPassword = "correct horse battery staple"
	testIssuer   = "https://issuer.example.com"
	testAudience = "acme"
)

// lockedBuffer is a log that a test reads while the proxy writes it.
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

// fakeIssuer is the issuer's protocol over real HTTPS, with a script for faults. Its tokens are real ones.
type fakeIssuer struct {
	t      *testing.T
	server *httptest.Server
	caFile string
	key    *ecdsa.PrivateKey

	mu        sync.Mutex
	resources []issuer.ResourceInfo                         // guarded by mu
	lifetime  time.Duration                                 // guarded by mu
	refuse    func(w http.ResponseWriter, path string) bool // guarded by mu; true: has answered
	minted    int                                           // guarded by mu
	listed    int                                           // guarded by mu
}

func startIssuer(t *testing.T) *fakeIssuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeIssuer{t: t, key: key, lifetime: time.Hour, resources: []issuer.ResourceInfo{
		{Name: "prod", Address: "10.0.0.1", Aliases: []string{"prod.int"}},
		{Name: "edge", Address: "edge.example.com", Port: 443},
		{Name: "pods", Address: "*.pods.example.com"},
	}}
	f.server = httptest.NewUnstartedServer(f)
	f.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	f.server.StartTLS()
	t.Cleanup(f.server.Close)
	f.caFile = filepath.Join(t.TempDir(), "issuer-ca.crt")
	writeTestFile(t, f.caFile, pemCertificate(f.server.Certificate().Raw))
	return f
}

// set changes the script.
func (f *fakeIssuer) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fakeIssuer) counts() (minted, listed int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.minted, f.listed
}

func (f *fakeIssuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if user, password, _ := r.BasicAuth(); user != testUser || password != testPassword {
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":"the user or the password is wrong"}`)
		return
	}
	if f.refuse != nil && f.refuse(w, r.URL.Path) {
		return
	}
	switch r.URL.Path {
	case issuer.PathResources:
		f.listed++
		json.NewEncoder(w).Encode(issuer.ResourceList{Resources: f.resources})
	case issuer.PathToken:
		f.mint(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (f *fakeIssuer) mint(w http.ResponseWriter, r *http.Request) {
	var request issuer.TokenRequest
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		f.t.Errorf("token request: %v", err)
	}
	for _, resource := range f.resources {
		if resource.Name != request.Resource {
			continue
		}
		f.minted++
		now := time.Now().Truncate(time.Second)
		claims := authn.Claims{
			RegisteredClaims: jwt.RegisteredClaims{
				Issuer:    testIssuer,
				Audience:  jwt.ClaimStrings{testAudience},
				IssuedAt:  jwt.NewNumericDate(now.Add(-time.Minute)),
				ExpiresAt: jwt.NewNumericDate(now.Add(f.lifetime)),
				ID:        fmt.Sprintf("token-%d", f.minted),
			},
			RenewAt:   jwt.NewNumericDate(now.Add(f.lifetime * 2 / 3)),
			ClientKey: request.PublicKey,
			User:      &authn.UserClaim{ID: "u-1", Username: testUser, Groups: []string{}},
			Resource:  authn.ResourceClaim{ID: "r", Type: "KUBERNETES", Address: resource.Address, Aliases: resource.Aliases},
		}
		token, err := claims.Sign("key-1", f.key)
		if err != nil {
			f.t.Error(err)
		}
		json.NewEncoder(w).Encode(issuer.TokenAnswer{Token: token, ExpiresAt: claims.ExpiresAt.Time, RenewAt: claims.RenewAt.Time})
		return
	}
	w.WriteHeader(http.StatusForbidden)
	fmt.Fprint(w, `{"error":"there is no such resource, or it is not yours to reach"}`)
}

// Key makes the issuer the authn.Keys of the gateway.
func (f *fakeIssuer) Key(_ context.Context, kid string) (*ecdsa.PublicKey, error) {
	if kid != "key-1" {
		return nil, authn.ErrUnknownKey
	}
	return &f.key.PublicKey, nil
}

// fixture is a proxy between an issuer and a gateway.
type fixture struct {
	t       *testing.T
	issuer  *fakeIssuer
	gateway *fakeGateway
	options Options
	proxy   *Proxy
	address string
	secret  string
	log     *lockedBuffer
}

// start runs a proxy; change may alter its options before.
func start(t *testing.T, change ...func(*fixture)) *fixture {
	t.Helper()
	f := &fixture{t: t, issuer: startIssuer(t), log: &lockedBuffer{}}
	f.gateway = startGateway(t, f.issuer)
	dir := t.TempDir()
	passwordFile := filepath.Join(dir, "password")
	writeTestFile(t, passwordFile, []byte(testPassword+"\n"))
	f.options = Options{
		Gateway:           f.gateway.address,
		GatewayCAFile:     f.gateway.caFile,
		GatewayServerName: "gateway.example.com",
		ProxySecretFile:   filepath.Join(dir, "state", "proxy-secret"),
		Issuer: IssuerOptions{
			URL:         f.issuer.server.URL,
			CAFile:      f.issuer.caFile,
			Credentials: Credentials{User: testUser, PasswordFile: passwordFile},
		},
		Log: zerolog.New(f.log).Level(zerolog.DebugLevel),
	}
	for _, c := range change {
		c(f)
	}
	var err error
	if f.proxy, err = New(f.options); err != nil {
		t.Fatal(err)
	}
	if f.secret, err = LoadProxySecret(f.options.ProxySecretFile); err != nil {
		t.Fatal(err)
	}
	f.serve()
	return f
}

func (f *fixture) serve() {
	f.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	f.address = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.proxy.Serve(ctx, ln) }()
	f.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			f.t.Errorf("Serve = %v, want nil after its context is done", err)
		}
	})
}

// wantLog wants one line with each of the texts.
func (f *fixture) wantLog(texts ...string) {
	f.t.Helper()
lines:
	for line := range strings.Lines(f.log.String()) {
		for _, text := range texts {
			if !strings.Contains(line, text) {
				continue lines
			}
		}
		return
	}
	f.t.Errorf("no line of the log has all of %q:\n%s", texts, f.log)
}

func writeTestFile(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
