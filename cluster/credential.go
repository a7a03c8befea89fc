package cluster

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

// maxToken is more than any API server takes in a header field.
const maxToken = 64 << 10

// loadAuthorization reads a bearer token and returns the header line that it
// makes. Errors never show the token.
func loadAuthorization(file string) ([]byte, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("cluster: reading bearer token: %w", err)
	}
	token := bytes.TrimSuffix(bytes.TrimSuffix(data, []byte{'\n'}), []byte{'\r'})
	switch {
	case len(token) == 0:
		return nil, fmt.Errorf("cluster: bearer token file %s is empty", file)
	case len(token) > maxToken:
		return nil, fmt.Errorf("cluster: bearer token file %s has %d octets, at most %d are a token", file, len(token), maxToken)
	}
	for offset, c := range token {
		// Anything else could end the header line or be read differently.
		if c <= ' ' || c > '~' {
			return nil, fmt.Errorf("cluster: bearer token file %s is not one line of visible ASCII: octet %d is 0x%02x", file, offset, c)
		}
	}
	line := make([]byte, 0, len("Authorization: Bearer \r\n")+len(token))
	line = append(line, "Authorization: Bearer "...)
	line = append(line, token...)
	line = append(line, '\r', '\n')
	return line[:len(line):len(line)], nil
}

// loadTLS reads the authorities and the client certificate.
func loadTLS(cfg *Config, serverName string) (*tls.Config, error) {
	// A cache of its own, so that no session outlives the authorities and the
	// certificate that it was made under.
	settings := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		NextProtos:         []string{"http/1.1"},
		ServerName:         serverName,
		ClientSessionCache: tls.NewLRUClientSessionCache(1), // one server

		DynamicRecordSizingDisabled: true, // a request and its small body are one record
	}
	if cfg.CAFile != "" {
		data, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("cluster: reading authorities: %w", err)
		}
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("cluster: authorities file %s has no certificate in PEM", cfg.CAFile)
		}
	}
	if cfg.ClientCertificateFile != "" {
		pair, err := tls.LoadX509KeyPair(cfg.ClientCertificateFile, cfg.ClientKeyFile)
		if err != nil {
			return nil, fmt.Errorf("cluster: reading client certificate %s with key %s: %w", cfg.ClientCertificateFile, cfg.ClientKeyFile, err)
		}
		settings.Certificates = []tls.Certificate{pair}
	}
	return settings, nil
}
