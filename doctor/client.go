package doctor

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spliceway/spliceway/connect"
	"github.com/spliceway/spliceway/issuer"
)

// ClientOptions says what Client walks.
type ClientOptions struct {
	Connect   connect.Options // Gateway is required; without an issuer the walk ends behind the gateway's certificate
	TokenFile string          // a token to look into, in place of one from the issuer
	Target    string          // host or host:port of the cluster; empty: the first resource that the issuer names
	TargetCA  string          // file with the CA of the certificates for clusters; empty: that of the gateway's
}

// client is what the steps find out for each other.
type client struct {
	options ClientOptions
	address string
	config  *tls.Config
	key     *ecdsa.PrivateKey
	target  string // host:port; empty: not known
	token   string // bound to key; empty: there is none
}

// Client walks from a user's machine: name, port and certificate of the gateway, clock, token, proof and target, the
// certificate for the cluster, and through the gateway to the API server.
func Client(ctx context.Context, options ClientOptions) []Step {
	c := &client{options: options}
	about := options.Connect.Gateway
	return walk(ctx, []check{
		{"gateway name", about, c.name},
		{"gateway port", about, func(ctx context.Context) (string, error) { return reach(ctx, c.address) }},
		{"gateway TLS", about, c.outer},
		{"clock", "", c.clock},
		{"token", "", c.fetchToken},
		{"proof and target", "", c.establish},
		{"cluster TLS", "", c.inner},
		{"API server", "", c.version},
		{"identity", "", c.identity},
		{"upgrade to WebSocket", "", c.upgrade((*apiServer).webSocket)},
		{"upgrade to SPDY", "", c.upgrade((*apiServer).spdy)},
	})
}

func (c *client) name(ctx context.Context) (_ string, err error) {
	if c.address, c.config, err = c.options.Connect.GatewayTLS(); err != nil {
		return "", faultf("see spliceway doctor --help", "%s", strings.TrimPrefix(err.Error(), "connect: "))
	}
	host, _, err := net.SplitHostPort(c.address)
	if err != nil {
		return "", err
	}
	return lookUp(ctx, host)
}

// dial makes the outer connection.
func (c *client) dial(ctx context.Context) (*tls.Conn, string, error) {
	raw, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", c.address)
	if err != nil {
		return nil, "", err
	}
	conn, found, err := secure(ctx, raw, c.config, "the gateway", "--gateway-ca")
	if err != nil {
		raw.Close()
		return nil, "", err
	}
	return conn, found, nil
}

func (c *client) outer(ctx context.Context) (string, error) {
	conn, found, err := c.dial(ctx)
	if err != nil {
		return "", err
	}
	conn.Close()
	return found, nil
}

func (c *client) clock(ctx context.Context) (string, error) {
	o := &c.options.Connect.Issuer
	if o.URL == "" {
		return "", skip("there is no issuer to compare with; give --issuer")
	}
	roots, err := loadRoots(o.CAFile)
	if err != nil {
		return "", err
	}
	return issuerClock(ctx, o.URL, &tls.Config{RootCAs: roots})
}

func (c *client) fetchToken(ctx context.Context) (string, error) {
	o := &c.options
	if o.TokenFile != "" {
		return c.readToken()
	}
	if o.Connect.Issuer.URL == "" {
		return "", skip("give --issuer and --user to get one, or one with --token-file")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	var resource *issuer.ResourceInfo
	token, err := connect.FetchToken(ctx, o.Connect.Issuer, &key.PublicKey, func(all []issuer.ResourceInfo) (string, error) {
		if resource = choose(all, o.Target); resource == nil {
			return "", faultf("give another --target, or ask the administrator for access", "the issuer gives this user no cluster %s", o.Target)
		}
		return resource.Name, nil
	})
	if err != nil {
		return "", explained(err)
	}
	c.key, c.token, c.target = key, token, c.targetOf(resource)
	return "the issuer has made one for " + resource.Name, nil
}

// choose returns the resource that a target means, the first one for none, nil if there is none.
func choose(resources []issuer.ResourceInfo, target string) *issuer.ResourceInfo {
	host := target
	if h, _, err := net.SplitHostPort(target); err == nil {
		host = h
	}
	for i := range resources {
		r := &resources[i]
		for _, name := range append([]string{r.Name, r.Address}, r.Aliases...) {
			if host == "" || strings.EqualFold(name, host) {
				return r
			}
		}
	}
	return nil
}

func (c *client) targetOf(r *issuer.ResourceInfo) string {
	target := c.options.Target
	if target == "" || target == r.Name {
		target = r.Address
	}
	if _, _, err := net.SplitHostPort(target); err == nil {
		return target
	}
	port := r.Port
	if port == 0 {
		port = 443
	}
	return net.JoinHostPort(target, strconv.Itoa(port))
}

// readToken looks at the times of a token: whether it is signed well, the gateway knows.
func (c *client) readToken() (string, error) {
	token, err := readToken(c.options.TokenFile)
	if err != nil {
		return "", err
	}
	var claims struct {
		Issuer    string  `json:"iss"`
		Expires   float64 `json:"exp"`
		NotBefore float64 `json:"nbf"`
		IssuedAt  float64 `json:"iat"`
		Resource  struct{ Address string }
	}
	parts := strings.Split(token, ".")
	var payload []byte
	if len(parts) == 3 {
		payload, err = base64.RawURLEncoding.DecodeString(parts[1])
	}
	if len(parts) != 3 || err != nil || json.Unmarshal(payload, &claims) != nil {
		f := tokenFaults["malformed"]
		return "", &f
	}
	at := func(seconds float64) time.Time { return time.Unix(int64(seconds), 0) }
	f := tokenFaults["expired"]
	switch now := time.Now(); {
	case !now.Before(at(claims.Expires)):
		return "", faultf(f.do, "%s (%s)", f.cause, at(claims.Expires).UTC().Format(time.RFC3339))
	case now.Before(at(claims.NotBefore)), now.Before(at(claims.IssuedAt)):
		f = tokenFaults["not-yet-valid"]
		return "", &f
	}
	return fmt.Sprintf("is of %s, for %s, until %s; its signature is for the gateway to judge", claims.Issuer, claims.Resource.Address,
		at(claims.Expires).UTC().Format(time.RFC3339)), nil
}

// explained is the fault for an error line, with the line's own words where nothing is known of it.
func explained(err error) error {
	var own *fault
	if errors.As(err, &own) {
		return err
	}
	if known := Explain(err.Error()); known != nil {
		return faultf(known.Do, "%s: %s", known.Cause, strings.TrimPrefix(err.Error(), "connect: "))
	}
	return err
}

// tunnel goes as far as the gateway's answer.
func (c *client) tunnel(ctx context.Context) (net.Conn, error) {
	if c.token == "" {
		return nil, skip("it needs a token whose key is here; give --issuer and --user")
	}
	conn, _, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(patience))
	tunnel, err := connect.Establish(conn, c.key, c.target, c.token)
	if err != nil {
		conn.Close()
		return nil, explained(err)
	}
	return tunnel, nil
}

func (c *client) establish(ctx context.Context) (string, error) {
	tunnel, err := c.tunnel(ctx)
	if err != nil {
		return "", err
	}
	tunnel.Close()
	return "the gateway lets this user through to " + c.target, nil
}

// cluster goes through the inner TLS.
func (c *client) cluster(ctx context.Context) (*tls.Conn, string, error) {
	tunnel, err := c.tunnel(ctx)
	if err != nil {
		return nil, "", err
	}
	host, _, _ := net.SplitHostPort(c.target) // it was put together
	config := &tls.Config{RootCAs: c.config.RootCAs, ServerName: host, NextProtos: []string{"http/1.1"}}
	if c.options.TargetCA != "" {
		if config.RootCAs, err = loadRoots(c.options.TargetCA); err != nil {
			tunnel.Close()
			return nil, "", err
		}
	}
	conn, found, err := secure(ctx, tunnel, config, "the cluster at the gateway", "--cluster-ca")
	if err != nil {
		tunnel.Close()
		return nil, "", err
	}
	return conn, found, nil
}

func (c *client) inner(ctx context.Context) (string, error) {
	conn, found, err := c.cluster(ctx)
	if err != nil {
		return "", err
	}
	conn.Close()
	return found, nil
}

// api is the API server as a user has it.
func (c *client) api() *apiServer {
	host, _, _ := net.SplitHostPort(c.target)
	return &apiServer{host: host, dial: func(ctx context.Context) (net.Conn, error) {
		conn, _, err := c.cluster(ctx)
		if err != nil {
			return nil, err // and no *tls.Conn that is nil
		}
		return conn, nil
	}}
}

func (c *client) version(ctx context.Context) (string, error) {
	a, err := c.api().ask(ctx, request(http.MethodGet, "/version", nil), false)
	if err != nil {
		return "", err
	}
	var version struct{ GitVersion string }
	if a.status == http.StatusOK && json.Unmarshal(a.body, &version) == nil && version.GitVersion != "" {
		return "is Kubernetes " + version.GitVersion, nil
	}
	if known := Explain(a.message()); known != nil {
		return "", &fault{known.Cause, known.Do}
	}
	return "", faultf("look into the gateway's log", "a request is answered with %d: %s", a.status, a.message())
}

func (c *client) identity(ctx context.Context) (string, error) {
	found, err := c.api().whoAmI(ctx)
	return strings.Replace(found, "is that of", "the API server takes you for", 1), err
}

func (c *client) upgrade(try func(*apiServer, context.Context) (string, error)) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) { return try(c.api(), ctx) }
}
