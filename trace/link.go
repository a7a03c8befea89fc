package trace

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// defaultPath is where a collector takes traces. OTLP, Section "OTLP/HTTP Request".
const defaultPath = "/v1/traces"

// ParseEndpoint reads the URL of a collector. It may not have what could be a secret.
func ParseEndpoint(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("the endpoint is not a URL as https://collector.example.com:4318/v1/traces")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("the endpoint has a user, query or fragment; a key belongs into the file of headers")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = defaultPath
	}
	return u, nil
}

// Private reports whether nobody can read along on the way to an endpoint.
func Private(u *url.URL) bool {
	address, err := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Hostname() == "localhost" || err == nil && address.IsLoopback()
}

// link is the way to the collector, as its files say.
type link struct {
	client *http.Client
	header http.Header
}

// maxFile is how long a file may be, in octets.
const maxFile = 1 << 20

func newLink(caFile, headersFile string) (*link, error) {
	l := &link{header: make(http.Header)}
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		data, err := readFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("reading authorities: %w", err)
		}
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("reading authorities: no certificate in %s", caFile)
		}
	}
	if headersFile != "" {
		data, err := readFile(headersFile)
		if err == nil {
			l.header, err = parseHeaders(data)
		}
		if err != nil {
			return nil, fmt.Errorf("reading headers: %w", err)
		}
	}
	l.header.Set("Content-Type", "application/x-protobuf")
	l.header.Set("User-Agent", "spliceway")
	l.client = &http.Client{
		// A redirect would take the headers elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: settings, DisableCompression: true,
			MaxConnsPerHost: 1, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10,
		},
	}
	return l, nil
}

func (l *link) close() { l.client.CloseIdleConnections() }

// ownHeaders are those that a file can't set.
var ownHeaders = []string{"Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding", "Connection", "Host", "User-Agent"}

// parseHeaders reads lines "Name: value". Empty ones and those that begin with # are
// passed over. An error does not show what may be a secret.
func parseHeaders(data []byte) (http.Header, error) {
	header := make(http.Header)
	n := 0
	for line := range bytes.Lines(data) {
		n++
		text := strings.TrimSpace(string(line))
		if text == "" || text[0] == '#' {
			continue
		}
		name, value, found := strings.Cut(text, ":")
		value = strings.TrimSpace(value)
		name = http.CanonicalHeaderKey(name)
		switch {
		case !found || !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value):
			return nil, fmt.Errorf("line %d is not of the form Name: value", n)
		case slices.Contains(ownHeaders, name):
			return nil, fmt.Errorf("line %d sets %s, which is the gateway's to set", n, name)
		}
		header.Add(name, value)
	}
	return header, nil
}

func readFile(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s is larger than %d octets", name, maxFile)
	}
	return data, err
}
