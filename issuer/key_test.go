package issuer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKeyIDIsThumbprint(t *testing.T) {
	f := start(t)
	_, _, body := f.send(request{method: "GET", path: PathKeys})
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal([]byte(body), &set); err != nil || len(set.Keys) != 1 {
		t.Fatalf("GET /keys = %s, %v, want one key", body, err)
	}
	key := set.Keys[0]
	// RFC 7638, Section 3.1; encoding/json sorts the members of a map.
	members, err := json.Marshal(map[string]string{"kty": key["kty"], "crv": key["crv"], "x": key["x"], "y": key["y"]})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(members)
	if want := base64.RawURLEncoding.EncodeToString(sum[:]); key["kid"] != want {
		t.Errorf("kid = %q, want %q", key["kid"], want)
	}
	if key["d"] != "" {
		t.Error("the private key is published")
	}
}

func TestKeysAreCacheable(t *testing.T) {
	f := start(t)
	status, header, _ := f.send(request{method: "GET", path: PathKeys})
	if status != http.StatusOK || header.Get("Cache-Control") != keysMaxAge {
		t.Fatalf("GET /keys = %d, Cache-Control %q", status, header.Get("Cache-Control"))
	}
	r, _ := http.NewRequest("GET", f.url+PathKeys, nil)
	r.Header.Set("If-None-Match", header.Get("ETag"))
	response, err := f.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusNotModified {
		t.Errorf("GET /keys with its ETag = %d, want 304", response.StatusCode)
	}
}

func TestRotationKeepsOldTokensGood(t *testing.T) {
	f := start(t)
	old := f.mustMint(newClientKey(t, elliptic.P256()), "prod")
	kid, file, err := RotateKey(filepath.Join(f.dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.server.keys.Check(); err != nil {
		t.Fatal(err)
	}
	fresh := f.mustMint(newClientKey(t, elliptic.P256()), "prod")
	if got := decodePart(t, fresh.Token, 0)["kid"]; got != kid {
		t.Errorf("the token after the rotation has kid %v, want %s", got, kid)
	}
	for name, token := range map[string]string{"old": old.Token, "fresh": fresh.Token} {
		if _, err := f.verify(token); err != nil {
			t.Errorf("Verify(%s token) = %v, want nil", name, err)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v, want mode 0600", info.Mode(), err)
	}
}

func TestKeySurvivesRestart(t *testing.T) {
	dir := t.TempDir()
	if err := ensureKeys(dir); err != nil {
		t.Fatal(err)
	}
	first, err := loadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := ensureKeys(dir); err != nil {
		t.Fatal(err)
	}
	second, err := loadKeys(dir)
	if err != nil || len(second.keys) != 1 || second.signer().kid != first.signer().kid {
		t.Errorf("after the second start: %d keys, %v, want the one of the first", len(second.keys), err)
	}
}

func TestUnfitKeyFiles(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(p384)
	if err != nil {
		t.Fatal(err)
	}
	otherCurve := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	tests := []struct {
		name string
		data []byte
		mode os.FileMode
		want string
	}{
		{"not-pem", []byte("hello"), 0o600, "PEM block"},
		{"other-curve", otherCurve, 0o600, "P-256"},
		{"two-blocks", append(otherCurve, otherCurve...), 0o600, "PEM block"},
		{"readable-by-others", otherCurve, 0o644, "mode 0644"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := ensureKeys(dir); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "keys", "zzz.pem")
			if err := os.WriteFile(file, tt.data, tt.mode); err != nil {
				t.Fatal(err)
			}
			if _, err := loadKeys(dir); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("loadKeys = %v, want an error with %q", err, tt.want)
			}
		})
	}
}
