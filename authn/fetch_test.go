package authn

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spliceway/spliceway/internal/testnet"
)

// serveTLS starts an https server of a CA of its own and returns its URL and the
// CA's file.
func serveTLS(t *testing.T, handler http.HandlerFunc) (location, caFile string) {
	t.Helper()
	ca := testnet.NewCA(t)
	server := httptest.NewUnstartedServer(handler)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "127.0.0.1")}}
	server.Config.ErrorLog = discard
	server.StartTLS()
	t.Cleanup(server.Close)
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	writeFile(t, caFile, ca.PEM())
	return server.URL, caFile
}

func writeFile(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFetch(t *testing.T) {
	document := jwks(jwk("k1", &issuerKey.PublicKey))
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/moved-away":
			http.Redirect(w, r, "http://keys.invalid/", http.StatusFound)
		default:
			w.Write(document)
		}
	}))
	defer plain.Close()
	location, caFile := serveTLS(t, func(w http.ResponseWriter, r *http.Request) {
		if !r.Close {
			t.Errorf("the request of %s would keep its connection", r.URL.Path)
		}
		switch r.URL.Path {
		case "/keys":
			w.Write(document)
		case "/moved":
			http.Redirect(w, r, "/keys", http.StatusFound)
		case "/moved-twice":
			http.Redirect(w, r, "/moved", http.StatusFound)
		case "/moved-3-times":
			http.Redirect(w, r, "/moved-twice", http.StatusFound)
		case "/moved-4-times":
			http.Redirect(w, r, "/moved-3-times", http.StatusFound)
		case "/moved-to-http":
			http.Redirect(w, r, plain.URL, http.StatusFound)
		case "/moved-for-ever":
			http.Redirect(w, r, "/moved-for-ever", http.StatusFound)
		case "/moved-to-nowhere":
			http.Redirect(w, r, "https://127.0.0.1:1/keys?signature=hunter2", http.StatusFound)
		case "/exactly-1-mib":
			w.Write(append(document, strings.Repeat(" ", maxDocument-len(document))...))
		case "/over-1-mib":
			w.Write(append(document, strings.Repeat(" ", maxDocument-len(document)+1)...))
		case "/compressed":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			defer z.Close()
			z.Write(make([]byte, maxDocument+1))
		case "/created":
			w.WriteHeader(http.StatusCreated)
			w.Write(document)
		case "/cut":
			w.Header().Set("Content-Length", "100000")
			w.Write(document)
		default:
			http.NotFound(w, r)
		}
	})
	for path, want := range map[string]string{ // "" for success
		"/keys":             "",
		"/moved":            "",
		"/exactly-1-mib":    "",
		"/moved-3-times":    "",
		"/moved-4-times":    "more than 3 redirects",
		"/moved-to-http":    "redirect away from https",
		"/moved-for-ever":   "redirects",
		"/moved-to-nowhere": "connection refused",
		"/over-1-mib":       "more than 1048576 octets",
		"/compressed":       "more than 1048576 octets",
		"/created":          "201",
		"/absent":           "404",
		"/cut":              "unexpected EOF",
	} {
		data, err := fetch(t.Context(), location+path, caFile)
		switch {
		case err != nil && strings.Contains(err.Error(), "hunter2"):
			t.Errorf("fetch(%s) = %v, which shows the query", path, err)
		case want == "" && err != nil:
			t.Errorf("fetch(%s) = %v", path, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("fetch(%s) = %v, want %q", path, err, want)
		case want != "" && data != nil:
			t.Errorf("fetch(%s) returned %d octets next to an error", path, len(data))
		}
	}
	for _, path := range []string{"/", "/moved"} {
		if _, err := fetch(t.Context(), plain.URL+path, ""); err != nil {
			t.Errorf("fetch of %s over http on loopback = %v", path, err)
		}
	}
	if _, err := fetch(t.Context(), plain.URL+"/moved-away", ""); err == nil || !strings.Contains(err.Error(), "not an https URL") {
		t.Errorf("fetch over http from another machine = %v", err)
	}
}

func TestFetchServerOfAnotherCA(t *testing.T) {
	location, _ := serveTLS(t, func(w http.ResponseWriter, _ *http.Request) { t.Error("server was asked") })
	other := filepath.Join(t.TempDir(), "other.pem")
	writeFile(t, other, testnet.NewCA(t).PEM())
	for name, caFile := range map[string]string{"other CA": other, "system roots": ""} {
		var verification *tls.CertificateVerificationError
		if _, err := fetch(t.Context(), location, caFile); !errors.As(err, &verification) {
			t.Errorf("%s: fetch = %v, want a certificate error", name, err)
		}
	}
}

func TestFetchEndsWithItsContext(t *testing.T) {
	release := make(chan struct{})
	location, caFile := serveTLS(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(`{"keys":[`))
		w.(http.Flusher).Flush()
		<-release
	})
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := fetch(ctx, location, caFile); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("fetch from a server that stops = %v, want %v", err, context.DeadlineExceeded)
	}
}
