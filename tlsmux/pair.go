package tlsmux

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/spliceway/spliceway/internal/filewatch"
)

// A pair is a certificate and its key in files. What it holds was whole and
// valid when it was loaded.
type pair struct {
	name  string // the certificate file
	files *filewatch.Value[*tls.Certificate]
}

// loadPair loads the files for the first time. The checks refuse a
// certificate that they know to be wrong.
func loadPair(files KeyPair, checks ...func(*x509.Certificate) error) (*pair, error) {
	load := func() (*tls.Certificate, error) {
		cert, err := tls.LoadX509KeyPair(files.CertificateFile, files.PrivateKeyFile)
		if err != nil {
			return nil, fmt.Errorf("tlsmux: loading %s and %s: %w", files.CertificateFile, files.PrivateKeyFile, err)
		}
		for _, check := range append(checks, validNow) {
			if err := check(cert.Leaf); err != nil {
				return nil, fmt.Errorf("tlsmux: certificate %s: %w", files.CertificateFile, err)
			}
		}
		return &cert, nil
	}
	value, err := filewatch.New(load, files.CertificateFile, files.PrivateKeyFile)
	if err != nil {
		return nil, err
	}
	return &pair{name: files.CertificateFile, files: value}, nil
}

// current returns the certificate in force, with Leaf set.
func (p *pair) current() *tls.Certificate { return p.files.Get() }

// validNow refuses a certificate out of its time. One that is not valid yet
// comes into force later: filewatch repeats a load that failed.
func validNow(leaf *x509.Certificate) error {
	now := time.Now()
	if now.After(leaf.NotAfter) {
		return fmt.Errorf("expired on %s", leaf.NotAfter.UTC().Format(time.RFC3339))
	}
	if now.Before(leaf.NotBefore) {
		return fmt.Errorf("not valid before %s", leaf.NotBefore.UTC().Format(time.RFC3339))
	}
	return nil
}
