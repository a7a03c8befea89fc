package doctor

import (
	"crypto/x509"
	"os"
)

// loadRoots returns nil, the system's roots, for no file.
func loadRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, faultf("give the name of a file with certificates in PEM", "the authorities can't be read: %v", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(data) {
		return nil, faultf("give the name of a file with certificates in PEM", "%s has no certificate in PEM", file)
	}
	return roots, nil
}
