package tlsmux

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// AuthorityConfig describes an issuing authority: a CA whose key the gateway
// has, so that it can show a certificate of its own for every address that
// users know their clusters by.
//
// It mints for a fixed set of names only. What a client asks for never
// enlarges the set, so a client can neither obtain a certificate for a name
// of its choice nor fill the cache.
type AuthorityConfig struct {
	// CertificateFile and PrivateKeyFile are the CA's; they are reloaded when
	// they change. An intermediate CA is sent along with what it signed, and
	// so are the intermediates behind it in the file.
	CertificateFile string
	PrivateKeyFile  string

	// Names are the gateway's own names and addresses. One certificate bears
	// them all; it is the default when no key pair is configured.
	Names []string

	// Hosts are the names and addresses of clusters. Each gets a certificate
	// of its own, so that one cluster's name is not told to users of another.
	// A name may begin with "*.", which stands for exactly one label.
	Hosts []string

	// Lifetime of a minted certificate. If zero, 24 hours. None outlives the
	// CA. A certificate is renewed after two thirds of its lifetime.
	Lifetime time.Duration
}

const (
	defaultLeafLifetime = 24 * time.Hour

	// leafBackdate allows for clients whose clock is behind.
	leafBackdate = 5 * time.Minute

	// leafRest is the least time between two mintings of one certificate.
	// Near the end of the CA two thirds of what is left become ever shorter.
	leafRest = time.Minute
)

// An authority mints leafs and keeps them. It may be used concurrently.
type authority struct {
	signer   *pair
	lifetime time.Duration
	own      nameSet             // of the gateway itself
	hosts    map[string]*nameSet // by name, address or wildcard pattern; immutable

	mu     sync.Mutex
	leaves map[*nameSet]mintedLeaf // guarded by mu; as many as there are sets at most
}

// A nameSet is the names of one certificate: DNS names in lower case and
// addresses.
type nameSet struct {
	names     []string
	addresses []net.IP
}

type mintedLeaf struct {
	cert   *tls.Certificate
	signer *tls.Certificate // that signed it
	renew  time.Time
}

func newAuthority(cfg AuthorityConfig) (*authority, error) {
	signer, err := loadPair(KeyPair{cfg.CertificateFile, cfg.PrivateKeyFile}, maySign)
	if err != nil {
		return nil, err
	}
	a := &authority{
		signer:   signer,
		lifetime: cfg.Lifetime,
		hosts:    map[string]*nameSet{},
		leaves:   map[*nameSet]mintedLeaf{},
	}
	if a.lifetime == 0 {
		a.lifetime = defaultLeafLifetime
	}
	if a.lifetime < 0 {
		return nil, errors.New("tlsmux: the lifetime of minted certificates is negative")
	}
	for _, name := range cfg.Names {
		key, err := a.own.add(name)
		if err != nil {
			return nil, err
		}
		a.hosts[key] = &a.own
	}
	for _, name := range cfg.Hosts {
		set := &nameSet{}
		key, err := set.add(name)
		if err != nil {
			return nil, err
		}
		if a.hosts[key] == nil {
			a.hosts[key] = set
		}
	}
	return a, nil
}

// maySign refuses a certificate that is no CA's.
func maySign(ca *x509.Certificate) error {
	if !ca.BasicConstraintsValid || !ca.IsCA {
		return errors.New("not a certificate authority")
	}
	if ca.KeyUsage != 0 && ca.KeyUsage&x509.KeyUsageCertSign == 0 {
		return errors.New("its key usage does not allow to sign certificates")
	}
	return nil
}

// add puts a name or an address into the set and returns the form in which
// find looks for it.
func (s *nameSet) add(name string) (key string, err error) {
	if addr, err := netip.ParseAddr(name); err == nil {
		addr = addr.Unmap().WithZone("")
		s.addresses = append(s.addresses, addr.AsSlice())
		return addr.String(), nil
	}
	key = normalName(name)
	if err := checkName(key); err != nil {
		return "", err
	}
	s.names = append(s.names, key)
	return key, nil
}

// find returns the set for a normal name, or nil.
func (a *authority) find(name string) *nameSet {
	if addr, err := netip.ParseAddr(name); err == nil {
		return a.hosts[addr.Unmap().WithZone("").String()]
	}
	if set := a.hosts[name]; set != nil && !strings.HasPrefix(name, "*") {
		return set
	}
	if _, rest, ok := strings.Cut(name, "."); ok {
		return a.hosts["*."+rest]
	}
	return nil
}

// certificate returns the leaf for the set, minting it if there is none, if
// it is due for renewal, or if the CA has changed.
func (a *authority) certificate(set *nameSet) (*tls.Certificate, error) {
	signer, now := a.signer.current(), time.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if kept := a.leaves[set]; kept.signer == signer && now.Before(kept.renew) {
		return kept.cert, nil
	}
	cert, err := a.mint(set, signer, now)
	if err != nil {
		return nil, fmt.Errorf("tlsmux: minting a certificate with %s: %w", a.signer.name, err)
	}
	renew := now.Add(max(cert.Leaf.NotAfter.Sub(now)*2/3, leafRest))
	a.leaves[set] = mintedLeaf{cert: cert, signer: signer, renew: renew}
	return cert, nil
}

// mint signs a certificate with a new key, which never leaves the process.
func (a *authority) mint(set *nameSet, signer *tls.Certificate, now time.Time) (*tls.Certificate, error) {
	ca := signer.Leaf
	if err := validNow(ca); err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)), // RFC 5280, Section 4.1.2.2: positive
		Subject:      pkix.Name{CommonName: "spliceway"},
		DNSNames:     set.names,
		IPAddresses:  set.addresses,
		NotBefore:    later(now.Add(-leafBackdate), ca.NotBefore),
		NotAfter:     earlier(now.Add(a.lifetime), ca.NotAfter),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, &key.PublicKey, signer.PrivateKey)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: chain(der, signer), PrivateKey: key, Leaf: leaf}, nil
}

// chain puts the CA's certificates behind the leaf, without those that are
// self-issued: a root must be known to the client anyhow.
func chain(leaf []byte, signer *tls.Certificate) [][]byte {
	list := [][]byte{leaf}
	for _, der := range signer.Certificate {
		cert, err := x509.ParseCertificate(der)
		if err == nil && !bytes.Equal(cert.RawSubject, cert.RawIssuer) {
			list = append(list, der)
		}
	}
	return list
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
