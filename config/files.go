package config

import (
	"cmp"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/cluster"
)

// CheckFiles looks at every file and folder that the configuration names: that it
// can be read, or written where the gateway will, that keys belong to their
// certificates, and that certificates are valid now. It connects to nobody. All
// problems are in one *Error.
func (c *Config) CheckFiles() error {
	f := &fileChecker{src: c.source}
	for i, p := range c.TLS.Pairs() {
		key := "tls"
		if c.TLS.KeyPair == (KeyPair{}) {
			key = fmt.Sprintf("tls.certificates[%d]", i)
		} else if i > 0 {
			key = fmt.Sprintf("tls.certificates[%d]", i-1)
		}
		f.pair(key, p)
	}
	if ca := &c.TLS.IssuingCA; ca.Enabled() {
		if leaf := f.pair("tls.issuingCA", ca.KeyPair); leaf != nil && !leaf.IsCA {
			f.problem("tls.issuingCA.certificateFile", fmt.Errorf("%s is not the certificate of an authority", ca.CertificateFile))
		}
	}
	f.keys(&c.Authn)
	for i := range c.Clusters {
		if _, err := cluster.New(c.Clusters[i].Config(c.Timeouts.Dial)); err != nil {
			f.problem(fmt.Sprintf("clusters[%d]", i), err)
		}
	}
	if c.Recordings.Enabled() {
		f.recordings(&c.Recordings)
	}
	f.tracing(&c.Tracing)
	if dir := filepath.Dir(c.Admin.Socket); c.Admin.Socket != "" && !missing(dir) { // else systemd makes it, or the gateway
		f.problem("admin.socket", writable(dir))
	}
	if c.Audit.Output != audit.Stdout {
		f.problem("audit.output", writable(filepath.Dir(c.Audit.Output)))
	}
	if len(f.problems) > 0 {
		return c.source.error(f.problems)
	}
	return nil
}

type fileChecker struct {
	src      *source
	problems []Problem
}

func (f *fileChecker) problem(key string, err error) {
	if err != nil {
		at := f.src.find(key)
		f.problems = append(f.problems, Problem{Key: key, Line: at.line, Column: at.column, Message: err.Error()})
	}
}

// pair returns the certificate of a good pair, nil with a problem for a bad one.
func (f *fileChecker) pair(key string, p KeyPair) *x509.Certificate {
	certificate, err := os.ReadFile(p.CertificateFile)
	if err != nil {
		f.problem(key+".certificateFile", err)
		return nil
	}
	private, err := os.ReadFile(p.PrivateKeyFile)
	if err != nil {
		f.problem(key+".privateKeyFile", err)
		return nil
	}
	loaded, err := tls.X509KeyPair(certificate, private)
	if err != nil {
		f.problem(key+".certificateFile", fmt.Errorf("%s with the key %s: %w", p.CertificateFile, p.PrivateKeyFile, err))
		return nil
	}
	switch now := time.Now(); {
	case now.After(loaded.Leaf.NotAfter):
		f.problem(key+".certificateFile", fmt.Errorf("%s expired on %s", p.CertificateFile, loaded.Leaf.NotAfter.UTC().Format(time.RFC3339)))
	case now.Before(loaded.Leaf.NotBefore):
		f.problem(key+".certificateFile", fmt.Errorf("%s is not valid before %s", p.CertificateFile, loaded.Leaf.NotBefore.UTC().Format(time.RFC3339)))
	}
	return loaded.Leaf
}

// keys checks what the issuer's signing keys come from.
func (f *fileChecker) keys(a *Authn) {
	if a.JWKSFile != "" {
		data, err := os.ReadFile(a.JWKSFile)
		if err == nil && !json.Valid(data) {
			err = fmt.Errorf("%s is not JSON", a.JWKSFile)
		}
		f.problem("authn.jwksFile", err)
	}
	if a.JWKSCAFile != "" {
		data, err := os.ReadFile(a.JWKSCAFile)
		if err == nil && !x509.NewCertPool().AppendCertsFromPEM(data) {
			err = fmt.Errorf("%s has no certificate in PEM", a.JWKSCAFile)
		}
		f.problem("authn.jwksCAFile", err)
	}
	if a.CacheFile != "" {
		f.problem("authn.cacheFile", writable(filepath.Dir(a.CacheFile)))
	}
}

// recordings checks the folder of recordings and the key that seals them. The
// gateway makes what is not there, but no folder around it.
func (f *fileChecker) recordings(r *Recordings) {
	if r.Dir != "" {
		dir := r.Dir
		if missing(dir) {
			dir = filepath.Dir(dir)
		}
		f.problem("recordings.dir", writable(dir))
	}
	const key = "recordings.sealKeyFile"
	switch name := cmp.Or(r.SealKeyFile, filepath.Join(r.Dir, "seal.key")); {
	case !missing(name):
		f.problem(key, sealKey(name))
	case r.SealKeyFile != "" && filepath.Dir(name) != r.Dir:
		f.problem(key, writable(filepath.Dir(name)))
	}
}

// missing reports whether there is nothing of that name, not even a link that
// leads nowhere.
func missing(name string) bool {
	_, err := os.Lstat(name)
	return errors.Is(err, fs.ErrNotExist)
}

// sealKey reads a private key as package record does.
func sealKey(name string) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return fmt.Errorf("%s has no private key in PEM", name)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if _, ok := key.(ed25519.PrivateKey); err != nil || !ok {
		return fmt.Errorf("%s has no Ed25519 private key in PKCS #8; make one with openssl genpkey -algorithm ed25519", name)
	}
	return nil
}

// writable makes and removes a file in a folder: permissions alone do not tell.
func writable(dir string) error {
	probe, err := os.CreateTemp(dir, ".spliceway-check-*")
	if err != nil {
		return fmt.Errorf("folder %s cannot be written to: %w", dir, errors.Unwrap(err))
	}
	name := probe.Name()
	_ = probe.Close() // nothing was written
	if err := os.Remove(name); err != nil {
		return fmt.Errorf("removing the file made to check folder %s: %w", dir, err)
	}
	return nil
}
