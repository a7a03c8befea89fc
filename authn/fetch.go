package authn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
)

const maxRedirects = 3

// fetch gets a key set by HTTP. There is one request in minutes: it has a
// transport of its own, so that it sees a changed CA file and a changed
// address and leaves no connection behind.
func fetch(ctx context.Context, location, caFile string) ([]byte, error) {
	roots, err := readRoots(caFile)
	if err != nil {
		return nil, err
	}
	client := &http.Client{
		CheckRedirect: checkRedirect,
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			DisableKeepAlives:      true,
			MaxResponseHeaderBytes: 64 << 10,
		},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return nil, fmt.Errorf("fetching key set: %w", err)
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := client.Do(request)
	if err != nil {
		var of *url.Error
		if errors.As(err, &of) {
			err = of.Err // without the URL, which behind a redirect may be a signed one
		}
		return nil, fmt.Errorf("fetching key set: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetching key set: %s from %s", response.Status, location)
	}
	return readAll(response.Body, maxDocument)
}

// readRoots returns nil, which means the system's roots, without a file.
func readRoots(caFile string) (*x509.CertPool, error) {
	if caFile == "" {
		return nil, nil
	}
	data, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("reading CA file: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("reading CA file: no certificate in %s", caFile)
	}
	return roots, nil
}

func readFile(name string, limit int64) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading key set: %w", err)
	}
	defer file.Close()
	return readAll(file, limit)
}

// readAll reads r to its end, if that comes within limit octets.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading key set: %w", err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("reading key set: more than %d octets", limit)
	}
	return data, nil
}

// checkLocation allows https, and http to this machine, where nobody can put
// other keys into the answer.
func checkLocation(u *url.URL) error {
	if u.Scheme == "https" && u.Host != "" || u.Scheme == "http" && isLoopback(u.Hostname()) {
		return nil
	}
	return errors.New("not an https URL")
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func checkRedirect(request *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	if request.URL.Scheme != "https" && via[len(via)-1].URL.Scheme == "https" {
		return errors.New("redirect away from https")
	}
	return checkLocation(request.URL)
}
