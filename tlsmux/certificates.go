package tlsmux

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// CertificatesConfig says where the gateway's certificates come from: pairs
// of files, an issuing authority, or both. A name is served by the first of
// these that has it:
//
//  1. the pair whose certificate names it exactly,
//  2. a pair whose certificate has a wildcard for it,
//  3. the authority, if the name is among its Hosts or Names,
//  4. the default: the first pair, else the authority's own Names.
type CertificatesConfig struct {
	// Pairs are certificate chains with their keys. Of several that fit, the
	// first one whose algorithms the client supports is taken, so an ECDSA
	// and an RSA pair for the same names can stand side by side.
	Pairs []KeyPair

	// Authority, if not nil, mints certificates.
	Authority *AuthorityConfig
}

// A KeyPair names two PEM files.
type KeyPair struct {
	CertificateFile string // the leaf first, then its chain
	PrivateKeyFile  string // PKCS #1, PKCS #8 or SEC 1
}

// Certificates chooses a certificate for each handshake. It may be used
// concurrently.
type Certificates struct {
	pairs     []*pair    // immutable
	authority *authority // nil if there is none
}

// An Expiry tells until when a certificate is good.
type Expiry struct {
	File     string // the certificate file
	NotAfter time.Time
}

// LoadCertificates loads everything for the first time. Each pair must be
// whole and valid now; otherwise the error names its file.
func LoadCertificates(cfg CertificatesConfig) (*Certificates, error) {
	if len(cfg.Pairs) == 0 && cfg.Authority == nil {
		return nil, errors.New("tlsmux: neither a certificate nor an authority is configured")
	}
	c := &Certificates{}
	for _, files := range cfg.Pairs {
		p, err := loadPair(files)
		if err != nil {
			return nil, err
		}
		c.pairs = append(c.pairs, p)
	}
	if cfg.Authority != nil {
		a, err := newAuthority(*cfg.Authority)
		if err != nil {
			return nil, err
		}
		if len(c.pairs) == 0 && len(a.own.names) == 0 {
			return nil, errors.New("tlsmux: an authority without a certificate beside it needs the gateway's own names")
		}
		c.authority = a
	}
	return c, nil
}

// Get chooses by hello.ServerName, which may be an IP address, as
// [Config.Certificates] has it. It does no I/O; it mints a certificate when
// the authority has none for the name that is fresh.
func (c *Certificates) Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := normalName(hello.ServerName)
	if cert := c.fromPairs(hello, name); cert != nil {
		return cert, nil
	}
	if c.authority != nil {
		if set := c.authority.find(name); set != nil {
			return c.authority.certificate(set)
		}
	}
	if len(c.pairs) > 0 {
		return c.pairs[0].current(), nil
	}
	return c.authority.certificate(&c.authority.own)
}

// fromPairs returns the pair for the name, an exact one before a wildcard, or
// nil.
func (c *Certificates) fromPairs(hello *tls.ClientHelloInfo, name string) *tls.Certificate {
	if name == "" {
		return nil
	}
	// SupportsCertificate compares the name as it stands in hello.
	named := *hello
	named.ServerName = name
	var wildcard *tls.Certificate
	for _, p := range c.pairs {
		cert := p.current()
		if named.SupportsCertificate(cert) != nil {
			continue
		}
		if namesExactly(cert, name) {
			return cert
		}
		if wildcard == nil {
			wildcard = cert
		}
	}
	return wildcard
}

// namesExactly tells, of a certificate that is valid for name, whether that
// is so without a wildcard.
func namesExactly(cert *tls.Certificate, name string) bool {
	if _, err := netip.ParseAddr(name); err == nil {
		return true // there are no wildcards for addresses
	}
	for _, san := range cert.Leaf.DNSNames {
		if strings.EqualFold(san, name) {
			return true
		}
	}
	return false
}

// Check looks at all files once and loads what has changed. The errors of
// pairs that could not be loaded are joined; these stay as they were.
func (c *Certificates) Check() (changed bool, err error) {
	var errs []error
	for _, p := range c.all() {
		pairChanged, err := p.files.Check()
		changed = changed || pairChanged
		errs = append(errs, err)
	}
	return changed, errors.Join(errs...)
}

// Run polls the files at every interval until ctx is done. If report is not
// nil it is told of each certificate file that was loaded anew (nil) and,
// once, of each that could not be (the error). It may be called from several
// goroutines at once.
func (c *Certificates) Run(ctx context.Context, every time.Duration, report func(file string, err error)) {
	var wg sync.WaitGroup
	for _, p := range c.all() {
		wg.Go(func() {
			p.files.Run(ctx, every, func(err error) {
				if report != nil {
					report(p.name, err)
				}
			})
		})
	}
	wg.Wait()
}

// Expiries returns the expiry of each pair's leaf and of the authority's own
// certificate, in the order of the configuration.
func (c *Certificates) Expiries() []Expiry {
	var list []Expiry
	for _, p := range c.all() {
		list = append(list, Expiry{File: p.name, NotAfter: p.current().Leaf.NotAfter})
	}
	return list
}

// all returns everything that is loaded from files.
func (c *Certificates) all() []*pair {
	if c.authority == nil {
		return c.pairs
	}
	return append(c.pairs[:len(c.pairs):len(c.pairs)], c.authority.signer)
}

// normalName returns a server name in the form that names are compared in:
// lower case, without the dot of the root.
func normalName(name string) string {
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

// checkName refuses what cannot stand in a certificate as a DNS name; a
// leading "*." label is a wildcard.
func checkName(name string) error {
	rest := strings.TrimPrefix(name, "*.")
	if rest == "" || len(rest) > 253 {
		return fmt.Errorf("tlsmux: name %q is empty or too long", name)
	}
	for _, label := range strings.Split(rest, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return fmt.Errorf("tlsmux: %q is neither a DNS name nor an IP address", name)
		}
	}
	return nil
}
