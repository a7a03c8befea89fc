package main

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spliceway/spliceway/cluster"
	"github.com/spliceway/spliceway/internal/testnet"
)

func TestAuthorityFiles(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key")
	if text := succeed(t, "", "authority", "--dir", dir); text != cert+" created\n" {
		t.Errorf("the first time: %q", text)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil || !pair.Leaf.IsCA {
		t.Fatalf("the files are no authority: %v", err)
	}
	if info, err := os.Stat(key); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v, want mode 0600", info, err)
	}
	if text := succeed(t, "", "authority", "--dir", dir); text != cert+" already exists\n" {
		t.Errorf("the second time: %q", text)
	}
	if again, err := tls.LoadX509KeyPair(cert, key); err != nil || !again.Leaf.Equal(pair.Leaf) {
		t.Errorf("the authority was replaced: %v", err)
	}
	if err := os.Remove(cert); err != nil {
		t.Fatal(err)
	}
	if o := execute(t, "", "authority", "--dir", dir); o.code != exitRuntime || !strings.Contains(o.stderr, "only one of") {
		t.Errorf("with the key alone: %+v", o)
	}
	if _, err := os.Stat(cert); err == nil {
		t.Error("a certificate was made for a key that was there")
	}
}

func TestAuthorityUsage(t *testing.T) {
	for _, args := range [][]string{
		{"authority"}, {"authority", "--dir", "a", "--secret", "b/c"}, {"authority", "--secret", "name"},
		{"authority", "--secret", "/name"}, {"authority", "--secret", "a/b/c"},
	} {
		if o := execute(t, "", args...); o.code != exitUsage {
			t.Errorf("%q: %+v, want status %d", args, o, exitUsage)
		}
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	if o := execute(t, "", "authority", "--secret", "a/b"); o.code != exitRuntime || !strings.Contains(o.stderr, "not running in a pod") {
		t.Errorf("outside of a pod: %+v", o)
	}
}

// secretServer is an API server that knows secrets only.
func secretServer(t *testing.T, answer int, taken *kubernetesSecret) *cluster.Cluster {
	t.Helper()
	ca := testnet.NewCA(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Method + " " + r.URL.Path + " " + r.Header.Get("Authorization"); got != "POST /api/v1/namespaces/access/secrets Bearer hunter2" {
			t.Errorf("the request is %s", got)
		}
		if err := json.NewDecoder(r.Body).Decode(taken); err != nil {
			t.Error(err)
		}
		w.WriteHeader(answer)
		fmt.Fprintf(w, `{"kind":"Status","message":"secrets is forbidden"}`)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "127.0.0.1")}}
	server.StartTLS()
	t.Cleanup(server.Close)
	dir := t.TempDir()
	for name, text := range map[string][]byte{"ca.crt": ca.PEM(), "token": []byte("hunter2\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := cluster.New(cluster.Config{Name: "test", Address: "test", Server: server.URL,
		CAFile: filepath.Join(dir, "ca.crt"), BearerTokenFile: filepath.Join(dir, "token")})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAuthoritySecret(t *testing.T) {
	for _, row := range []struct {
		answer int
		made   bool
		want   string // of the error
	}{
		{http.StatusCreated, true, ""},
		{http.StatusConflict, false, ""},
		{http.StatusForbidden, false, "creating secret access/ca: the API server answers 403 Forbidden: secrets is forbidden"},
	} {
		t.Run(http.StatusText(row.answer), func(t *testing.T) {
			var taken kubernetesSecret
			c := secretServer(t, row.answer, &taken)
			made, err := createSecret(t.Context(), c, "access", "ca", map[string][]byte{"tls.crt": []byte("cert")})
			if made != row.made || (err == nil) != (row.want == "") || err != nil && err.Error() != row.want {
				t.Errorf("createSecret() = %v, %v, want %v, %q", made, err, row.made, row.want)
			}
			if taken.Kind != "Secret" || taken.Type != "kubernetes.io/tls" || taken.Metadata["name"] != "ca" || string(taken.Data["tls.crt"]) != "cert" {
				t.Errorf("the API server got %+v", taken)
			}
		})
	}
}
