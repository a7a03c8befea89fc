package issuer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	selfmade "github.com/spliceway/spliceway/internal/authority"
	"github.com/spliceway/spliceway/internal/filewatch"
)

const (
	tlsFolder    = "tls"
	caFileName   = "ca.crt"
	caKeyName    = "ca.key"
	leafLifetime = 30 * 24 * time.Hour
	// leafRenewal before its end a leaf is made anew.
	leafRenewal = 10 * 24 * time.Hour
	// backdate allows for clients whose clocks are slow.
	backdate = time.Hour
)

// pairSource serves a configured certificate pair and takes up a new one when the files change.
type pairSource struct {
	pair *filewatch.Value[*tls.Certificate]
}

func newPairSource(certFile, keyFile string) (*pairSource, error) {
	load := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			return nil, err
		}
		return &pair, nil
	}
	value, err := filewatch.New(load, certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("issuer: loading the certificate: %w", err)
	}
	return &pairSource{pair: value}, nil
}

func (s *pairSource) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	return s.pair.Get(), nil
}

func (s *pairSource) run(ctx context.Context, report func(error)) {
	s.pair.Run(ctx, watchEvery, report)
}

// authority is the self-made certificate authority. Its leafs live in memory only.
type authority struct {
	hosts  []string
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	caFile string

	mu   sync.Mutex
	leaf *tls.Certificate // guarded by mu
}

// openAuthority loads the authority of a data directory, or makes it.
func openAuthority(dataDir string, hosts []string) (*authority, error) {
	dir := filepath.Join(dataDir, tlsFolder)
	a := &authority{hosts: hosts, caFile: filepath.Join(dir, caFileName)}
	keyFile := filepath.Join(dir, caKeyName)
	_, err := os.Stat(a.caFile)
	if errors.Is(err, fs.ErrNotExist) {
		err = makeAuthority(dir, a.caFile, keyFile)
	}
	if err != nil {
		return nil, fmt.Errorf("issuer: making the certificate authority: %w", err)
	}
	if err := a.load(keyFile); err != nil {
		return nil, fmt.Errorf("issuer: certificate authority %s: %w", a.caFile, err)
	}
	return a, nil
}

func makeAuthority(dir, certFile, keyFile string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	certificate, key, err := selfmade.New("spliceway issuer CA")
	if err != nil {
		return err
	}
	// The key first: a certificate without its key would stop the next start.
	if err := writeFile(keyFile, key, 0o600); err != nil {
		return err
	}
	return writeFile(certFile, certificate, 0o644)
}

func (a *authority) load(keyFile string) error {
	pair, err := tls.LoadX509KeyPair(a.caFile, keyFile)
	if err != nil {
		return err
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA {
		return errors.New("not a certificate authority with an ECDSA key")
	}
	a.cert, a.key = pair.Leaf, key
	return nil
}

// certificate returns the current leaf, made anew when it is about to expire.
func (a *authority) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	if a.leaf != nil && now.Before(a.leaf.Leaf.NotAfter.Add(-leafRenewal)) {
		return a.leaf, nil
	}
	leaf, err := a.issue(now)
	if err != nil {
		return nil, fmt.Errorf("issuer: making a certificate: %w", err)
	}
	a.leaf = leaf
	return leaf, nil
}

func (a *authority) issue(now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: newSerial(),
		Subject:      pkix.Name{CommonName: a.hosts[0]},
		NotBefore:    now.Add(-backdate),
		NotAfter:     now.Add(leafLifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range a.hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// newSerial returns 127 random bits: positive, as RFC 5280, Section 4.1.2.2, wants, and not guessable.
func newSerial() *big.Int {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		panic("issuer: internal error: " + err.Error()) // crypto/rand does not fail
	}
	return serial
}
