package doctor

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/spliceway/spliceway/authn"
	"github.com/spliceway/spliceway/internal/testnet"
)

const (
	apiToken    = "gateway-secret"
	tokenIssuer = "https://issuer.test"
)

// bed is a set-up that works, of which a test breaks one thing. Everything listens on real sockets.
type bed struct {
	t      *testing.T
	dir    string
	ca     *testnet.CA // of everybody
	signer *ecdsa.PrivateKey
	client *ecdsa.PrivateKey

	credential  string // that the API server takes
	impersonate bool   // it allows it
	issuerClock time.Duration
	claims      authn.Claims
	settings    map[string]string // top-level keys of the configuration
	apiURL      string
}

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{t: t, dir: t.TempDir(), ca: testnet.NewCA(t), signer: newKey(t), client: newKey(t), credential: apiToken, impersonate: true}
	b.ca.WriteFiles(t, b.dir, "gw.test", "prod.test", "10.0.0.1")
	b.write("token", apiToken+"\n")
	b.apiURL = b.serve(http.HandlerFunc(b.apiServer), b.ca.Issue(t, "127.0.0.1")).URL
	issuer := b.serve(http.HandlerFunc(b.issuer), b.ca.Issue(t, "127.0.0.1"))
	now := time.Now()
	b.claims = authn.Claims{
		RegisteredClaims: jwt.RegisteredClaims{Issuer: tokenIssuer, Audience: jwt.ClaimStrings{"acme"},
			IssuedAt: jwt.NewNumericDate(now.Add(-time.Minute)), ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour))},
		RenewAt: jwt.NewNumericDate(now.Add(time.Minute)), ClientKey: authn.PublicKey{PublicKey: &b.client.PublicKey},
		User:     &authn.UserClaim{ID: "u-1", Username: "ann@example.com", Groups: []string{"dev"}},
		Resource: authn.ResourceClaim{ID: "r-1", Type: authn.ResourceKubernetes, Address: "10.0.0.1"},
	}
	b.settings = map[string]string{
		"tls":        `{certificateFile: tls.crt, privateKeyFile: tls.key}`,
		"authn":      fmt.Sprintf(`{issuer: %q, audience: acme, jwksURL: %q, jwksCAFile: ca.crt}`, tokenIssuer, issuer.URL+"/keys"),
		"recordings": `{dir: rec, mode: strict, minFree: 1B}`,
	}
	return b
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (b *bed) write(name, text string) string {
	b.t.Helper()
	file := filepath.Join(b.dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return file
}

func (b *bed) serve(handler http.Handler, certificate tls.Certificate) *httptest.Server {
	s := httptest.NewUnstartedServer(handler)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	b.t.Cleanup(s.Close)
	return s
}

func (b *bed) issuer(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Date", time.Now().Add(b.issuerClock).UTC().Format(http.TimeFormat))
	point, err := b.signer.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	part := func(p []byte) string { return base64.RawURLEncoding.EncodeToString(p) }
	json.NewEncoder(w).Encode(object{"keys": []object{{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "k1",
		"x": part(point[1:33]), "y": part(point[33:])}}})
}

// apiServer answers as a real one does: 401 for a credential that it does not know, 403 in words for a right that is
// missing, and a bearer token of the handshake is looked at only if the upgrade has come through.
func (b *bed) apiServer(w http.ResponseWriter, r *http.Request) {
	user := "system:anonymous"
	authorization := r.Header.Get("Authorization")
	const inHandshake = "base64url.bearer.authorization.k8s.io."
	if first, _, _ := strings.Cut(r.Header.Get("Sec-Websocket-Protocol"), ","); r.Header.Get("Upgrade") == "websocket" && strings.HasPrefix(first, inHandshake) {
		token, _ := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(first, inHandshake))
		authorization = "Bearer " + string(token)
	}
	if authorization != "" {
		if authorization != "Bearer "+b.credential {
			status(w, http.StatusUnauthorized, "Unauthorized")
			return
		}
		user = "system:serviceaccount:spliceway:gateway"
	}
	switch {
	case strings.HasSuffix(r.URL.Path, "/selfsubjectreviews"):
		w.WriteHeader(http.StatusCreated)
		json.NewEncoder(w).Encode(object{"status": object{"userInfo": object{"username": user}}})
	case strings.HasSuffix(r.URL.Path, "/selfsubjectaccessreviews"):
		w.WriteHeader(http.StatusCreated)
		json.NewEncoder(w).Encode(object{"status": object{"allowed": b.impersonate}})
	default:
		status(w, http.StatusForbidden, fmt.Sprintf("pods \"spliceway-doctor.invalid\" is forbidden: User %q cannot get resource \"pods/exec\"", user))
	}
}

func status(w http.ResponseWriter, code int, message string) {
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(object{"kind": "Status", "status": "Failure", "message": message, "code": code})
}

// stripping is a proxy in front of the API server that forgets the fields of an upgrade.
func (b *bed) stripping() string {
	target, err := url.Parse(b.apiURL)
	if err != nil {
		b.t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: b.ca.Pool()}}
	b.t.Cleanup(transport.CloseIdleConnections)
	proxy := &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Header.Del("Connection")
		r.Out.Header.Del("Upgrade")
	}}
	return b.serve(proxy, b.ca.Issue(b.t, "127.0.0.1")).URL
}

// server walks the gateway's part, with a token.
func (b *bed) server() []Step {
	b.t.Helper()
	if b.settings["clusters"] == "" {
		b.settings["clusters"] = fmt.Sprintf(`[{name: prod, address: 10.0.0.1, aliases: [prod.test], server: %q, certificateAuthorityFile: ca.crt, bearerTokenFile: token}]`, b.apiURL)
	}
	var text strings.Builder
	for key, value := range b.settings {
		fmt.Fprintf(&text, "%s: %s\n", key, value)
	}
	token, err := b.claims.Sign("k1", b.signer)
	if err != nil {
		b.t.Fatal(err)
	}
	return Server(b.t.Context(), ServerOptions{ConfigFile: b.write("config.yaml", text.String()), TokenFile: b.write("gat", token)})
}
