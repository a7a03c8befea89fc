package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spliceway/spliceway/authn"
	"github.com/spliceway/spliceway/cluster"
	"github.com/spliceway/spliceway/config"
	"github.com/spliceway/spliceway/record"
	"github.com/spliceway/spliceway/tlsmux"
)

// ServerOptions says what Server walks.
type ServerOptions struct {
	ConfigFile string // required
	TokenFile  string // a token that is refused, or whose user is in question; empty: none
	Target     string // host or host:port that is asked for with it; empty: the token's own address
	Cluster    string // only this one of the configuration; empty: that of the token, or all
}

// server is what the steps find out for each other.
type server struct {
	options  ServerOptions
	config   *config.Config
	keys     *authn.KeySet
	asked    error // why the keys can't be had
	verifier *authn.Verifier
	grant    *authn.Grant // nil without a token
}

// Server walks the gateway's part of the way on its own machine: configuration, keys, clock, certificates, a token, and
// for each cluster the way to its API server, the credential, its rights and the upgrades, and last the recordings.
func Server(ctx context.Context, options ServerOptions) []Step {
	s := &server{options: options}
	steps := walk(ctx, []check{{"configuration", options.ConfigFile, s.load}})
	if s.config == nil {
		return steps
	}
	checks := []check{
		{"signing keys", "", s.fetchKeys},
		{"clock", "", s.clock},
		{"certificate", "", s.certificates},
		{"token", "", s.token},
		{"target", "", s.target},
	}
	for i := range s.config.Clusters {
		checks = append(checks, s.cluster(&s.config.Clusters[i])...)
	}
	return append(steps, walk(ctx, append(checks, check{"recordings", s.config.Recordings.Dir, s.recordings}))...)
}

func (s *server) load(context.Context) (string, error) {
	const do = "correct it; spliceway check says the same with the lines of the file"
	loaded, err := config.Load(s.options.ConfigFile)
	if err != nil {
		return "", configFault(err, do)
	}
	if err := loaded.CheckFiles(); err != nil {
		return "", configFault(err, do)
	}
	s.config = loaded
	return fmt.Sprintf("is good, %d clusters", len(loaded.Clusters)), nil
}

// configFault is the first problem of a configuration, in one line.
func configFault(err error, do string) error {
	var invalid *config.Error
	if errors.As(err, &invalid) {
		p := invalid.Problems[0]
		return faultf(do, "%s", strings.TrimPrefix(p.Key+": "+p.Message, ": "))
	}
	return faultf(do, "%v", err)
}

func (s *server) fetchKeys(ctx context.Context) (string, error) {
	a := &s.config.Authn
	keys, err := authn.NewKeySet(authn.KeySetConfig{URL: a.JWKSURL, File: a.JWKSFile, CAFile: a.JWKSCAFile, MaxStale: a.MaxStaleness,
		Report: func(err error) { s.asked = err }})
	if err != nil {
		return "", faultf("put the issuer's JWK Set there", "%v", err)
	}
	_, _ = keys.Key(ctx, "") // is in no set, so that the issuer is asked
	if err := keys.Ready(); err != nil {
		return "", faultf("check authn.jwksURL, authn.jwksCAFile and the network", "the issuer's keys can't be had: %v", errors.Join(s.asked, ctx.Err()))
	}
	s.keys = keys
	s.verifier = authn.NewVerifier(keys, authn.VerifierConfig{Issuer: a.Issuer, Audience: a.Audience, AllowSystem: a.AllowSystemIdentities})
	return "are those of " + a.JWKSURL + a.JWKSFile, nil
}

func (s *server) clock(ctx context.Context) (string, error) {
	a := &s.config.Authn
	if a.JWKSURL == "" {
		return "", skip("the keys are in a file, so there is no issuer here to compare with")
	}
	roots, err := loadRoots(a.JWKSCAFile)
	if err != nil {
		return "", err
	}
	return issuerClock(ctx, a.JWKSURL, &tls.Config{RootCAs: roots})
}

// issuerClock compares clocks with whoever answers at location.
func issuerClock(ctx context.Context, location string, config *tls.Config) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodHead, location, nil)
	if err != nil {
		return "", err
	}
	transport := &http.Transport{TLSClientConfig: config, DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment}
	response, err := transport.RoundTrip(r)
	if err != nil {
		return "", faultf("check the network, and the authorities that are trusted", "%s does not answer: %v", r.URL.Host, err)
	}
	response.Body.Close()
	return compareClock(response.Header.Get("Date"), "the issuer "+r.URL.Host, time.Now())
}

// certificates looks whether clients that ask for a cluster get a certificate for its name.
func (s *server) certificates(context.Context) (string, error) {
	var sources tlsmux.CertificatesConfig
	for _, p := range s.config.TLS.Pairs() {
		sources.Pairs = append(sources.Pairs, tlsmux.KeyPair(p))
	}
	var hosts []string
	for _, c := range s.config.Clusters {
		for _, host := range append([]string{c.Address}, c.Aliases...) {
			if host != "" && !strings.HasPrefix(host, "*.") {
				hosts = append(hosts, host)
			}
		}
	}
	if ca := &s.config.TLS.IssuingCA; ca.Enabled() {
		sources.Authority = &tlsmux.AuthorityConfig{CertificateFile: ca.CertificateFile, PrivateKeyFile: ca.PrivateKeyFile,
			Names: ca.Names, Hosts: hosts, Lifetime: ca.Lifetime}
	}
	loaded, err := tlsmux.LoadCertificates(sources)
	if err != nil {
		return "", faultf("correct tls in the configuration", "%v", err)
	}
	hello := tls.ClientHelloInfo{SupportedVersions: []uint16{tls.VersionTLS13}, CipherSuites: []uint16{tls.TLS_AES_128_GCM_SHA256},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.PSSWithSHA256, tls.Ed25519}, SupportedCurves: []tls.CurveID{tls.X25519}}
	for _, host := range hosts {
		asked := hello
		asked.ServerName = host
		certificate, err := loaded.Get(&asked)
		if err != nil {
			return "", faultf("correct tls in the configuration", "there is no certificate for %s: %v", host, err)
		}
		if certificate.Leaf.VerifyHostname(host) != nil {
			return "", faultf("have a certificate made that has this name too, or use tls.issuingCA",
				"no certificate of tls is for %s, which clients ask for", host)
		}
	}
	return "there is one for each of " + strings.Join(hosts, ", "), nil
}

func (s *server) token(ctx context.Context) (string, error) {
	if s.options.TokenFile == "" {
		return "", skip("give one with --token-file")
	}
	token, err := readToken(s.options.TokenFile)
	if err != nil {
		return "", err
	}
	if s.grant, err = s.verifier.Verify(ctx, token); err != nil {
		return "", tokenFault(err)
	}
	return describe(s.grant), nil
}

func (s *server) target(context.Context) (string, error) {
	if s.grant == nil {
		return "", skip("a token says which targets it allows")
	}
	target := withPort(s.options.Target, s.grant)
	host, err := s.grant.MatchTarget(target)
	if err != nil {
		f := tokenFaults["target"]
		return "", faultf(f.do, "the token is for %s and does not allow %s", s.grant.Resource.Address, target)
	}
	var all []*cluster.Cluster
	for i := range s.config.Clusters {
		c, err := cluster.New(s.config.Clusters[i].Config(s.config.Timeouts.Dial))
		if err != nil {
			return "", err
		}
		all = append(all, c)
	}
	set, err := cluster.NewSet(all)
	if err != nil {
		return "", err
	}
	matched, err := set.Match(host, s.grant.Resource.Address)
	if err != nil {
		return "", faultf("give the cluster of the configuration that is meant this address or alias", "%v", strings.TrimPrefix(err.Error(), "cluster: "))
	}
	if s.options.Cluster == "" {
		s.options.Cluster = matched.Name()
	}
	return target + " is cluster " + matched.Name(), nil
}

// withPort is the target that was given, or the token's own.
func withPort(target string, g *authn.Grant) string {
	port := 443
	if g.Resource.DownstreamPort != 0 {
		port = g.Resource.DownstreamPort
	}
	if target == "" {
		target = g.Resource.Address
	}
	if _, _, err := net.SplitHostPort(target); err == nil {
		return target
	}
	return net.JoinHostPort(strings.Trim(target, "[]"), strconv.Itoa(port))
}

// cluster is the way to one API server.
func (s *server) cluster(settings *config.Cluster) []check {
	var c *cluster.Cluster
	var api *apiServer
	parsed, _ := url.Parse(settings.Server) // the configuration is good
	step := func(name string, run func(ctx context.Context) (string, error)) check {
		return check{name, settings.Name, func(ctx context.Context) (string, error) {
			if s.options.Cluster != "" && s.options.Cluster != settings.Name {
				return "", skip("another cluster was asked for")
			}
			return run(ctx)
		}}
	}
	return []check{
		step("API server name", func(ctx context.Context) (_ string, err error) {
			if c, err = cluster.New(settings.Config(s.config.Timeouts.Dial)); err != nil {
				return "", err
			}
			api = straight(c)
			if host := parsed.Hostname(); host != "" {
				return lookUp(ctx, host)
			}
			return "is that of the pod's service account", nil
		}),
		step("API server port", func(ctx context.Context) (string, error) { return reach(ctx, c.Addr()) }),
		step("API server TLS", func(ctx context.Context) (string, error) {
			conn, err := api.dial(ctx)
			if err != nil {
				return "", err
			}
			conn.Close()
			return "its certificate is trusted", nil
		}),
		step("credential", func(ctx context.Context) (string, error) { return api.whoAmI(ctx) }),
		step("impersonation", func(ctx context.Context) (string, error) {
			if s.grant == nil {
				return api.impersonation(ctx, "", nil)
			}
			return api.impersonation(ctx, s.grant.Identity.User, s.grant.Identity.Groups)
		}),
		step("upgrade to WebSocket", func(ctx context.Context) (string, error) { return api.webSocket(ctx) }),
		step("upgrade to SPDY", func(ctx context.Context) (string, error) { return api.spdy(ctx) }),
	}
}

// straight is the way of the gateway itself.
func straight(c *cluster.Cluster) *apiServer {
	return &apiServer{
		host: string(c.Host()),
		dial: func(ctx context.Context) (net.Conn, error) {
			conn, err := c.Dial(ctx, nil)
			var known *cluster.DialError
			if errors.As(err, &known) {
				cause, do, _ := strings.Cut(known.Hint, "; ")
				return nil, &fault{cause, do}
			}
			return conn, err
		},
		authorization: func() string {
			return strings.TrimSuffix(strings.TrimPrefix(string(c.Authorization()), "Authorization: "), "\r\n")
		},
	}
}

func (s *server) recordings(context.Context) (string, error) {
	r := &s.config.Recordings
	if !r.Enabled() || r.Dir == "" {
		return "", skip("none are written to files")
	}
	dir := r.Dir
	if _, err := os.Stat(dir); err != nil {
		dir = filepath.Dir(dir) // the gateway makes it
	}
	free, err := record.FreeSpace(dir)
	if err != nil {
		return "", faultf("check recordings.dir", "the room in %s can't be found out: %v", dir, err)
	}
	if free < int64(r.MinFree) {
		return "", faultf("make room, set recordings.retention, or lower recordings.minFree", "the file system of %s has %s free, less than recordings.minFree of %s, so no session is recorded",
			dir, config.Size(free), r.MinFree)
	}
	return "can be written, " + config.Size(free).String() + " free", nil
}
