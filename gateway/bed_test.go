package gateway

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/spliceway/spliceway/config"
	"github.com/spliceway/spliceway/internal/testnet"
	"github.com/spliceway/spliceway/limit"
	"github.com/spliceway/spliceway/metrics"
	"github.com/spliceway/spliceway/tlsmux"
)

const (
	gatewayName  = "gw.test"
	prodAddress  = "10.0.0.1" // what a token says of the cluster
	prodAlias    = "prod.test"
	tokenIssuer  = "https://issuer.test"
	testAudience = "acme"
)

// settings are top-level keys of the configuration file and their values.
type settings map[string]string

// bed is a running gateway with all that is around it. Files are in dir; what
// the gateway does, it does on real sockets.
type bed struct {
	t       *testing.T
	dir     string
	ca      *testnet.CA       // of the gateway's certificates
	signer  *ecdsa.PrivateKey // of the issuer, listed as "k1"
	client  *ecdsa.PrivateKey // what tokens are bound to
	api     *apiServer
	gateway *Gateway
	log     *lines
	audit   *lines
	address string // of the gateway
	admin   string // URL of the metrics listener

	cancel context.CancelFunc // as SIGTERM does
	done   chan struct{}      // closed when Run has returned
	err    error              // of Run; closed done before
}

// newBed prepares everything but the gateway.
func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{
		t: t, dir: t.TempDir(), ca: testnet.NewCA(t), signer: newKey(t), client: newKey(t),
		api: newAPIServer(t), log: newLines(), audit: newLines(), done: make(chan struct{}),
	}
	b.ca.WriteFiles(t, b.dir, gatewayName, prodAlias, "other.test", prodAddress)
	b.write("keys.json", jwks(t, "k1", b.signer))
	b.write("token", apiToken+"\n")
	b.write("api-ca.crt", string(b.api.ca.PEM()))
	return b
}

// start runs a gateway whose configuration has these keys beside, or in place
// of, the usual ones.
func start(t *testing.T, more settings) *bed {
	t.Helper()
	b := newBed(t)
	b.prepare(more)
	b.run()
	return b
}

// prepare makes the gateway, without running it.
func (b *bed) prepare(more settings) {
	b.t.Helper()
	cfg, err := config.Load(b.write("config.yaml", b.yaml(more)))
	if err != nil {
		b.t.Fatal(err)
	}
	if b.gateway, err = newGateway(cfg, metrics.Build{Version: "v1", Commit: "c1"}, zerolog.New(b.log), 20*time.Millisecond, b.audit); err != nil {
		b.t.Fatal(err)
	}
}

// yaml is the configuration.
func (b *bed) yaml(more settings) string {
	all := settings{
		"listen":   `"127.0.0.1:0"`,
		"tls":      `{certificateFile: tls.crt, privateKeyFile: tls.key}`,
		"metrics":  `{listen: "localhost:0"}`,
		"authn":    fmt.Sprintf(`{issuer: %q, audience: %s, jwksFile: keys.json}`, tokenIssuer, testAudience),
		"clusters": "[" + b.cluster("prod", prodAddress, prodAlias, "") + "]",
		"drain":    `{timeout: 5s}`,
	}
	for key, value := range more {
		all[key] = value
	}
	var text strings.Builder
	for key, value := range all {
		fmt.Fprintf(&text, "%s: %s\n", key, value)
	}
	return text.String()
}

// cluster is an entry of the configuration that leads to the bed's API server.
func (b *bed) cluster(name, address, alias, more string) string {
	return clusterAt(b.api.URL, name, address, alias, more)
}

func clusterAt(url, name, address, alias, more string) string {
	return fmt.Sprintf(`{name: %s, address: %s, aliases: [%s], server: %q, serverName: %s,`+
		` certificateAuthorityFile: api-ca.crt, bearerTokenFile: token%s}`, name, address, alias, url, apiName, more)
}

// run starts the prepared gateway. When the test ends, it is stopped, and must
// not have kept anything.
func (b *bed) run() {
	b.t.Helper()
	b.runIn(Process{})
}

// runIn is run in a process.
func (b *bed) runIn(p Process) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	b.cancel = cancel
	go func() {
		defer close(b.done)
		b.err = b.gateway.RunIn(ctx, p)
	}()
	b.t.Cleanup(func() {
		cancel()
		<-b.done
		b.wantNothingLeft()
	})
	serving := b.log.one(b.t, "message", "serving")
	b.address = serving["listen"].([]any)[0].(string)
	b.admin = "http://" + serving.text("metrics")
}

// stop is SIGTERM and the wait for the end of the process.
func (b *bed) stop() error {
	b.cancel()
	<-b.done
	return b.err
}

// wantNothingLeft looks, after Run, at everything that must come back to where
// it was.
func (b *bed) wantNothingLeft() {
	g := b.gateway
	for name, backend := range g.current.Load().backends {
		if stats := backend.pool.Stats(); stats.Active != 0 || stats.Idle != 0 {
			b.t.Errorf("pool of %s at the end: %+v, want it empty", name, stats)
		}
	}
	if n := g.mux.Connections(); n != 0 {
		b.t.Errorf("%d connections at the end, want none", n)
	}
	if n := len(g.opening.all); n != 0 {
		b.t.Errorf("%d connections that are being opened at the end, want none", n)
	}
	if u := g.mux.Usage(); u != (tlsmux.Usage{}) {
		b.t.Errorf("limits in use at the end: %+v, want none", u)
	}
	if connections, streams := g.accounts.Highest(); connections != 0 || streams != 0 {
		b.t.Errorf("%d connections and %d streams in accounts at the end, want none", connections, streams)
	}
	for name, gate := range g.gates.all {
		if s := gate.Stats(); s != (limit.GateStats{}) {
			b.t.Errorf("gate of %s at the end: %+v, want nobody", name, s)
		}
	}
	if n := len(g.tunnels.open); n != 0 {
		b.t.Errorf("%d tunnels at the end, want none", n)
	}
	wantDocumented(b.t, g.metrics)
}

// wantDocumented looks for label values that the reference of metrics does not have.
func wantDocumented(t *testing.T, m *metrics.Metrics) {
	t.Helper()
	documented := make(map[string]metrics.Label)
	for _, f := range metrics.Families() {
		for _, l := range f.Labels {
			documented[f.Name+" "+l.Name] = l
		}
	}
	families, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, metric := range f.GetMetric() {
			for _, pair := range metric.GetLabel() {
				l := documented[f.GetName()+" "+pair.GetName()]
				if len(l.Values) > 0 && pair.GetValue() != "r" && !slices.Contains(l.Values, pair.GetValue()) {
					t.Errorf("%s has %s=%q, which metrics/values.go does not list", f.GetName(), pair.GetName(), pair.GetValue())
				}
			}
		}
	}
}

// write replaces a file of the bed, by rename, and returns its name.
func (b *bed) write(name, text string) string {
	b.t.Helper()
	file := filepath.Join(b.dir, name)
	if err := os.WriteFile(file+".new", []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		b.t.Fatal(err)
	}
	return file
}

// get asks the metrics listener.
func (b *bed) get(path string) (status int, body string) {
	b.t.Helper()
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport, Timeout: patience}).Get(b.admin + path)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// metric returns the value of one series, 0 if there is none.
func (b *bed) metric(series string) float64 {
	b.t.Helper()
	_, text := b.get("/metrics")
	line := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta("spliceway_"+series) + ` (\S+)$`).FindStringSubmatch(text)
	if line == nil {
		return 0
	}
	value, err := strconv.ParseFloat(line[1], 64)
	if err != nil {
		b.t.Fatal(err)
	}
	return value
}

// wantMetric fails unless a series has a value.
func (b *bed) wantMetric(series string, want float64) {
	b.t.Helper()
	if got := b.metric(series); got != want {
		b.t.Errorf("spliceway_%s = %v, want %v", series, got, want)
	}
}

// until waits for a condition that nothing tells of.
func (b *bed) until(what string, condition func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("it has not come to pass: %s; the log:\n%s", what, b.log)
		}
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// jwks is a document with one key, and with those of earlier ones if given.
func jwks(t *testing.T, kid string, key *ecdsa.PrivateKey, others ...map[string]string) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"keys": append(others, jwk(t, kid, key))})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// jwk is a public key as RFC 7518, Section 6.2.1 has it.
func jwk(t *testing.T, kid string, key *ecdsa.PrivateKey) map[string]string {
	t.Helper()
	point, err := key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return map[string]string{"kty": "EC", "crv": "P-256", "kid": kid, "x": encode(point[1:33]), "y": encode(point[33:])}
}

// freeAddress is a loopback address at which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
