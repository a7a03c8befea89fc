package connect

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/rs/zerolog"

	"github.com/spliceway/spliceway/authn"
	"github.com/spliceway/spliceway/issuer"
)

// realIssuer runs package issuer for one user with a bearer secret and returns its URL, its CA file and the secret.
func realIssuer(t *testing.T) (url, caFile, secret string) {
	t.Helper()
	dir := t.TempDir()
	secret, hash := issuer.NewSecret()
	config := filepath.Join(dir, "issuer.yaml")
	writeTestFile(t, config, fmt.Appendf(nil, `
issuer: %s
audience: %s
dataDir: data
users: [{name: %q, secretHash: %q, groups: [dev], resources: ["*"]}]
resources:
  - {name: prod, address: 10.0.0.1, aliases: [prod.int]}
  - {name: edge, address: edge.example.com, port: 443}
  - {name: pods, address: "*.pods.example.com", port: 443, upstreamPort: 6443}
`, testIssuer, testAudience, testUser, hash))
	server, err := issuer.New(config, zerolog.Nop())
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("issuer: Serve = %v", err)
		}
	})
	return "https://" + ln.Addr().String(), server.CAFile(), secret
}

// TestAgainstOurIssuer has nothing scripted in it but the gateway, which gets its keys from the issuer as a real one.
func TestAgainstOurIssuer(t *testing.T) {
	url, caFile, secret := realIssuer(t)
	keys, err := authn.NewKeySet(authn.KeySetConfig{URL: url + issuer.PathKeys, CAFile: caFile})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		keys.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	f := start(t, func(f *fixture) {
		f.gateway = startGateway(t, keys)
		f.options.Gateway, f.options.GatewayCAFile = f.gateway.address, f.gateway.caFile
		f.options.Issuer = IssuerOptions{URL: url, CAFile: caFile, Credentials: Credentials{
			Getenv: func(name string) string { return map[string]string{envSecret: secret}[name] },
		}}
	})
	for _, host := range []string{"prod.int", "10.0.0.1", "edge.example.com", "a.pods.example.com"} {
		f.wantGet("https://"+host+"/", "GET "+host+" ")
	}
	f.wantRefused("https://edge.example.com:6443/", "port 443 instead of 6443")
	resources, err := Resources(t.Context(), f.options.Issuer)
	if err != nil || len(resources) != 3 {
		t.Errorf("Resources = %v, %v, want 3", resources, err)
	}
}

// Whoever walks the way by single steps is asked for the password once, not for each request.
func TestFetchTokenAsksOnce(t *testing.T) {
	f := startIssuer(t)
	asked := 0
	options := IssuerOptions{URL: f.server.URL, CAFile: f.caFile, Credentials: Credentials{
		User: testUser, Getenv: func(string) string { return "" },
		Prompt: func(context.Context, string) (string, error) { asked++; return testPassword, nil },
	}}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	second := func(all []issuer.ResourceInfo) (string, error) { return all[1].Name, nil }
	token, err := FetchToken(t.Context(), options, &key.PublicKey, second)
	if err != nil || token == "" || asked != 1 {
		t.Errorf("FetchToken = %d octets, %v, and has asked %d times, want a token for one answer", len(token), err, asked)
	}
	none := errors.New("none of these")
	refuse := func([]issuer.ResourceInfo) (string, error) { return "", none }
	if token, err := FetchToken(t.Context(), options, &key.PublicKey, refuse); token != "" || !errors.Is(err, none) {
		t.Errorf("FetchToken = %d octets, %v, want the error of the choice", len(token), err)
	}
	if minted, listed := f.counts(); minted != 1 || listed != 2 {
		t.Errorf("the issuer has minted %d tokens for %d lists, want one for two", minted, listed)
	}
}

// A user does not know what a context is.
func TestSilentIssuer(t *testing.T) {
	c := &issuerClient{host: "issuer.example.com"}
	got := c.unreachable(&url.Error{Op: "Get", URL: "https://issuer.example.com/resources", Err: context.DeadlineExceeded}).sentence()
	if want := "the issuer cannot be reached (no answer in 15s); check the network and the issuer's address issuer.example.com"; got != want {
		t.Errorf("the user is told %q, want %q", got, want)
	}
}
