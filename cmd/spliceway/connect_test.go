package main

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spliceway/spliceway/issuer"
)

// fakeIssuer lets ann in and tells her of two clusters.
func fakeIssuer(t *testing.T) (url, caFile string) {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != "ann" || password != "correct horse" || r.URL.Path != issuer.PathResources {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusUnauthorized)
			json.NewEncoder(w).Encode(map[string]string{"error": "wrong user or password"})
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(issuer.ResourceList{Resources: []issuer.ResourceInfo{
			{Name: "prod", Address: "10.0.0.1", Aliases: []string{"prod.test"}, Type: "KUBERNETES"},
			{Name: "pods", Address: "*.pods.test", Type: "KUBERNETES"},
		}})
	}))
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return server.URL, write(t, t.TempDir(), "issuer-ca.crt", string(ca))
}

func TestConnectKubeconfig(t *testing.T) {
	url, caFile := fakeIssuer(t)
	dir := t.TempDir()
	t.Setenv("SPLICEWAY_PASSWORD", "")
	kubeconfig := filepath.Join(dir, "kubeconfig")
	args := []string{"connect", "kubeconfig", "--issuer", url, "--issuer-ca", caFile, "--gateway-ca", caFile, "--user", "ann",
		"--password-file", write(t, dir, "password", "correct horse\n"),
		"--proxy-secret-file", filepath.Join(dir, "proxy-secret"), "--kubeconfig", kubeconfig}
	want := "kubeconfig " + kubeconfig + "\n  wrote prod.test\n  skipped, because it has no host name: pods\ncurrent context: prod.test\n"
	if got := succeed(t, "", args...); got != want {
		t.Errorf("kubeconfig prints\n%s, want\n%s", got, want)
	}
	if got := succeed(t, "", args...); got != strings.Replace(want, "wrote", "kept", 1) {
		t.Errorf("kubeconfig prints, the second time,\n%s", got)
	}
	text, err := os.ReadFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "server: https://prod.test\n") || strings.Contains(string(text), "correct horse") {
		t.Errorf("the kubeconfig is\n%s", text)
	}
}

func TestConnectWrongPassword(t *testing.T) {
	url, caFile := fakeIssuer(t)
	dir := t.TempDir()
	common := []string{"--issuer", url, "--issuer-ca", caFile, "--gateway-ca", caFile, "--user", "ann",
		"--password-file", write(t, dir, "password", "battery staple\n"), "--proxy-secret-file", filepath.Join(dir, "proxy-secret")}
	for _, command := range [][]string{
		{"connect", "kubeconfig", "--kubeconfig", filepath.Join(dir, "kubeconfig")},
		{"connect", "--gateway", "gw.test", "--listen", "127.0.0.1:0"},
	} {
		o := execute(t, "", append(command, common...)...)
		if o.code != exitRuntime || !strings.Contains(o.stderr, "\nhint: check --user and the password, or the secret\n") {
			t.Errorf("%s = %d with:\n%s", strings.Join(command[:2], " "), o.code, o.stderr)
		}
		if strings.Contains(o.stderr, "staple") {
			t.Errorf("it tells the password: %s", o.stderr)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "kubeconfig")); err == nil {
		t.Error("a kubeconfig was written")
	}
}
