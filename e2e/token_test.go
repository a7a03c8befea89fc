package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spliceway/spliceway/e2e/stack"
)

// This file is written from the protocol's description alone and shares nothing
// with the product, so that it can't agree with its mistakes.

// minter signs tokens with an issuer's key.
type minter struct {
	issuer string
	kid    string
	key    *ecdsa.PrivateKey
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// object is a JSON object.
type object = map[string]any

// claims returns the claims of a token of the older generation for a user of
// the test cluster, bound to the client's key, good for lifetime.
func (m *minter) claims(t *testing.T, user stack.User, client *ecdsa.PublicKey, lifetime time.Duration) object {
	t.Helper()
	now := time.Now()
	return object{
		"iss": m.issuer, "aud": stack.Audience,
		"iat": now.Unix(), "exp": now.Add(lifetime).Unix(), "rnw": now.Add(lifetime * 2 / 3).Unix(),
		"ver":    "1",
		"cpk":    base64.StdEncoding.EncodeToString(publicPEM(t, client)),
		"user":   object{"id": "id-of-" + user.Name, "username": user.Name, "groups": user.Groups},
		"device": object{"id": "laptop"},
		"resource": object{
			"id": "resource-1", "type": "KUBERNETES", "address": stack.TargetHost, "aliases": []string{stack.Alias},
		},
	}
}

// newer makes claims those of the newer generation, for a CONNECT to port 443.
func newer(claims object) object {
	claims = maps.Clone(claims)
	claims["typ"] = "GAT"
	resource := maps.Clone(claims["resource"].(object))
	resource["gateway_metadata"] = object{"downstream": object{"port": 443}, "upstream": object{"port": 6443}}
	claims["resource"] = resource
	return claims
}

// with returns claims with one of them changed; nil takes it away.
func with(claims object, name string, value any) object {
	claims = maps.Clone(claims)
	if value == nil {
		delete(claims, name)
	} else {
		claims[name] = value
	}
	return claims
}

func publicPEM(t *testing.T, key *ecdsa.PublicKey) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// sign returns the claims as a token of the older generation, whose marker is in
// the header.
func (m *minter) sign(t *testing.T, claims object) string {
	return m.signAs(t, object{"alg": "ES256", "typ": "GAT", "kid": m.kid}, claims)
}

// signNewer returns the claims as a token of the newer generation.
func (m *minter) signNewer(t *testing.T, claims object) string {
	return m.signAs(t, object{"alg": "ES256", "typ": "JWT", "kid": m.kid}, claims)
}

// signAs makes a JWS in compact form (RFC 7515, Section 7.1); for ES256 the
// signature is r and s, 32 octets each (RFC 7518, Section 3.4).
func (m *minter) signAs(t *testing.T, header, claims object) string {
	t.Helper()
	input := segment(t, header) + "." + segment(t, claims)
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, m.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return input + "." + base64.RawURLEncoding.EncodeToString(signature[:])
}

func segment(t *testing.T, value object) string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(data)
}

// scriptedIssuer is an issuer that a test has in its hands: it knows everybody
// and gives out tokens that are good for as long as the test says.
type scriptedIssuer struct {
	minter
	user     stack.User
	lifetime time.Duration
	spoil    func(claims object) // changes what is to be signed; may be nil; set before the first token
	issued   atomic.Int64        // tokens
	caFile   string
	server   *httptest.Server
}

// newScriptedIssuer starts an issuer whose tokens all name one user. It serves
// until the end of the test.
func newScriptedIssuer(t *testing.T, user stack.User, lifetime time.Duration) *scriptedIssuer {
	t.Helper()
	dir := t.TempDir()
	authority, err := stack.NewAuthority(dir, "issuer")
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile, err := authority.Issue(dir, "issuer", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	i := &scriptedIssuer{user: user, lifetime: lifetime, caFile: filepath.Join(dir, "issuer-ca.crt")}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /keys", i.serveKeys)
	mux.HandleFunc("GET /resources", i.serveResources)
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) { i.serveToken(t, w, r) })
	server := httptest.NewUnstartedServer(mux)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	server.StartTLS()
	t.Cleanup(server.Close)
	i.server = server
	i.minter = minter{issuer: server.URL, kid: "key-1", key: newKey(t)}
	return i
}

// use makes a stack take this issuer's tokens.
func (i *scriptedIssuer) use(c *stack.Config) { c.Issuer, c.IssuerCA = i.issuer, i.caFile }

func (i *scriptedIssuer) serveKeys(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, object{"keys": []object{i.jwk()}})
}

// jwk is the public key as RFC 7518, Section 6.2.1, has it.
func (m *minter) jwk() object {
	point, err := m.key.PublicKey.Bytes() // 4, then both coordinates
	if err != nil {
		panic(err) // a P-256 key that was generated has a point
	}
	coordinate := base64.RawURLEncoding.EncodeToString
	return object{
		"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": m.kid,
		"x": coordinate(point[1:33]), "y": coordinate(point[33:]),
	}
}

func (i *scriptedIssuer) serveResources(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, object{"resources": []object{{
		"name": stack.ClusterName, "address": stack.TargetHost, "aliases": []string{stack.Alias}, "type": "KUBERNETES",
	}}})
}

func (i *scriptedIssuer) serveToken(t *testing.T, w http.ResponseWriter, r *http.Request) {
	var request struct{ PublicKey, Resource string }
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	claims := with(i.claims(t, i.user, &i.key.PublicKey, i.lifetime), "cpk", request.PublicKey)
	expires, renew := claims["exp"].(int64), claims["rnw"].(int64)
	if i.spoil != nil {
		i.spoil(claims)
	}
	i.issued.Add(1)
	writeJSON(w, object{
		"token":     i.sign(t, claims),
		"expiresAt": time.Unix(expires, 0).UTC().Format(time.RFC3339),
		"renewAt":   time.Unix(renew, 0).UTC().Format(time.RFC3339),
	})
}

func writeJSON(w http.ResponseWriter, value object) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(value)
}

// proof signs the keying material of an outer connection (protocol, Section 2).
func proof(t *testing.T, outer *tls.Conn, key *ecdsa.PrivateKey) string {
	t.Helper()
	signature, err := prove(outer, key)
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

// prove is proof for any goroutine.
func prove(outer *tls.Conn, key *ecdsa.PrivateKey) (string, error) {
	state := outer.ConnectionState()
	material, err := state.ExportKeyingMaterial("EXPERIMENTAL_twingate_gat", nil, 32)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256(material)
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	return base64.StdEncoding.EncodeToString(signature), err
}

// dialOuter connects to a gateway and does the outer handshake.
func dialOuter(t *testing.T, s *stack.Stack) *tls.Conn {
	t.Helper()
	raw, err := net.DialTimeout("tcp", s.GatewayAddress, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	outer := tls.Client(raw, &tls.Config{RootCAs: s.Authority.Pool(), ServerName: "localhost", MinVersion: tls.VersionTLS13})
	t.Cleanup(func() { outer.Close() })
	outer.SetDeadline(time.Now().Add(20 * time.Second))
	if err := outer.Handshake(); err != nil {
		t.Fatalf("outer handshake: %v", err)
	}
	return outer
}
