package issuer

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"golang.org/x/crypto/bcrypt"
)

const minimal = "issuer: https://issuer.example.com:8444\naudience: acme\ndataDir: data\n"

func loadText(t *testing.T, text string) (*directory, error) {
	t.Helper()
	dir := t.TempDir()
	replaceFile(t, filepath.Join(dir, "issuer.yaml"), text)
	replaceFile(t, filepath.Join(dir, "short"), "too short")
	replaceFile(t, filepath.Join(dir, "secret"), strings.Repeat("s", 40))
	return loadDirectory(filepath.Join(dir, "issuer.yaml"))
}

func TestConfigDefaults(t *testing.T) {
	d, err := loadText(t, minimal+`
users: [{name: a, secretFile: secret}]
services: [{name: s, secretHash: "sha256:`+strings.Repeat("0f", 32)+`"}]
resources: [{name: r, address: r.example.com, port: 443}]
`)
	if err != nil {
		t.Fatal(err)
	}
	c := d.config
	if c.Listen != ":8444" || c.TokenLifetime.String() != "1h0m0s" || !filepath.IsAbs(c.DataDir) {
		t.Errorf("listen %q, lifetime %v, dataDir %q", c.Listen, c.TokenLifetime, c.DataDir)
	}
	if got := strings.Join(c.TLS.Hosts, " "); got != "localhost 127.0.0.1 ::1 issuer.example.com" {
		t.Errorf("hosts = %q", got)
	}
	if c.Users[0].ID != "a" || c.Services[0].KeyID != "s" || c.Resources[0].UpstreamPort != 443 || c.Resources[0].Type != "KUBERNETES" {
		t.Errorf("defaults not filled in: %+v %+v %+v", c.Users[0], c.Services[0], c.Resources[0])
	}
}

func TestConfigRefusals(t *testing.T) {
	zeros := `"sha256:` + strings.Repeat("0f", 32) + `"`
	dear := strings.Replace(testHash(t, "x"), "$04$", "$20$", 1)
	if cost, _ := bcrypt.Cost([]byte(dear)); cost != 20 {
		t.Fatalf("cost = %d", cost)
	}
	tests := []struct {
		name, text, want string
	}{
		{"empty", "", "empty"},
		{"unknown-key", minimal + "listne: x\n", "[4:1]"},
		{"key-twice", minimal + "issuer: x\n", "[4:1]"},
		{"two-documents", minimal + "---\nusers: []\n", "more than one"},
		{"no-issuer", "audience: acme\ndataDir: d\n", "issuer is missing"},
		{"no-audience", "issuer: i\ndataDir: d\n", "audience is missing"},
		{"no-data-dir", "issuer: i\naudience: a\n", "dataDir is missing"},
		{"lifetime-too-short", minimal + "tokenLifetime: 1s\n", "tokenLifetime"},
		{"lifetime-not-duration", minimal + "tokenLifetime: soon\n", `invalid duration "soon"`},
		{"half-pair", minimal + "tls: {certificateFile: x}\n", "both"},
		{"user-without-credential", minimal + "users: [{name: a}]\n", "has no passwordHash"},
		{"plain-password", minimal + "users: [{name: a, passwordHash: hunter2}]\n", "not a bcrypt hash"},
		{"dear-password", minimal + "users: [{name: a, passwordHash: '" + dear + "'}]\n", "cost 20"},
		{"user-twice", minimal + "users: [{name: a, secretHash: " + zeros + "}, {name: a, secretFile: secret}]\n", "used twice"},
		{"blank-user", minimal + "users: [{name: ' ', secretHash: " + zeros + "}]\n", "white space"},
		{"control-in-user", minimal + "users: [{name: \"a\\r\\nb\", secretHash: " + zeros + "}]\n", "printed"},
		{"colon-with-password", minimal + "users: [{name: 'a:b', passwordHash: '" + testHash(t, "x") + "'}]\n", "colon"},
		{"blank-group", minimal + "users: [{name: a, secretHash: " + zeros + ", groups: ['']}]\n", "groups is missing"},
		{"plain-secret", minimal + "users: [{name: a, secretHash: slw_secret}]\n", "hexadecimal"},
		{"shared-secret", minimal + "users: [{name: a, secretHash: " + zeros + "}, {name: b, secretHash: " + zeros + "}]\n", "has the secret of"},
		{"short-secret-file", minimal + "users: [{name: a, secretFile: short}]\n", "this one has 9"},
		{"missing-secret-file", minimal + "users: [{name: a, secretFile: nowhere}]\n", "no such file"},
		{"unknown-resource", minimal + "users: [{name: a, secretFile: secret, resources: [x]}]\n", "no resource"},
		{"service-without-secret", minimal + "services: [{name: a}]\n", "has no secretHash"},
		{"service-twice", minimal + "services: [{name: a, secretFile: secret}, {name: b, keyId: a, secretFile: secret}]\n", "another service"},
		{"service-named-like-user", minimal + "users: [{name: ci, secretFile: secret}]\nservices: [{name: ci, secretHash: " + zeros + "}]\n", "name of a user"},
		{"endless-secret-file", minimal + "users: [{name: a, secretFile: /dev/zero}]\n", "is larger than"},
		{"resource-twice", minimal + "resources: [{name: r, address: a.b}, {name: R, address: c.d}]\n", "used twice"},
		{"host-twice", minimal + "resources: [{name: r, address: a.b}, {name: s, address: c.d, aliases: [A.B]}]\n", "is a host of"},
		{"no-address", minimal + "resources: [{name: r}]\n", "address"},
		{"address-with-port", minimal + "resources: [{name: r, address: 'a.b:443'}]\n", "address"},
		{"alias-pattern", minimal + "resources: [{name: r, address: a.b, aliases: ['*.b']}]\n", "aliases"},
		{"lonely-upstream-port", minimal + "resources: [{name: r, address: a.b, upstreamPort: 443}]\n", "needs port"},
		{"large-port", minimal + "resources: [{name: r, address: a.b, port: 65536}]\n", "65535"},
		{"negative-port", minimal + "resources: [{name: r, address: a.b, port: -1}]\n", "65535"},
		{"negative-upstream-port", minimal + "resources: [{name: r, address: a.b, port: 443, upstreamPort: -1}]\n", "65535"},
		{"large-upstream-port", minimal + "resources: [{name: r, address: a.b, port: 443, upstreamPort: 65536}]\n", "65535"},
		{"empty-label", minimal + "resources: [{name: r, address: a..b}]\n", "address"},
		{"hyphen-first", minimal + "resources: [{name: r, address: '-a.b'}]\n", "address"},
		{"hyphen-last", minimal + "resources: [{name: r, address: a-.b}]\n", "address"},
		{"long-label", minimal + "resources: [{name: r, address: " + strings.Repeat("a", 64) + ".b}]\n", "address"},
		{"long-address", minimal + "resources: [{name: r, address: " + strings.Repeat("a.", 127) + "b}]\n", "address"},
		{"long-name", minimal + "users: [{name: " + strings.Repeat("a", maxNameLength+1) + ", secretHash: " + zeros + "}]\n", "is longer than"},
		{"many-groups", minimal + "users: [{name: a, secretHash: " + zeros + ", groups: [" + strings.Repeat("g, ", maxGroups) + "g]}]\n", "groups"},
		{"short-hash", minimal + "users: [{name: a, secretHash: 'sha256:0f'}]\n", "hexadecimal"},
		{"long-hash", minimal + "users: [{name: a, secretHash: 'sha256:" + strings.Repeat("0f", 33) + "'}]\n", "hexadecimal"},
		{"ssh", minimal + "resources: [{name: r, address: a.b, type: SSH}]\n", "KUBERNETES"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := loadText(t, tt.text)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("loadDirectory = %v, want an error with %q", err, tt.want)
			}
		})
	}
}

// lookOnce is one round of the watcher: its context is done already.
func (f *fixture) lookOnce(s *Server) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.watchConfig(ctx)
}

// A panic of a handler is the one thing that net/http reports that is ours to repair.
func TestErrorLogLevels(t *testing.T) {
	log := &lockedBuffer{}
	errorLog := newErrorLog(zerolog.New(log))
	errorLog.Print("http: TLS handshake error from 192.0.2.1:1: EOF")
	errorLog.Print("http: panic serving 192.0.2.1:1: a fault\ngoroutine 1 [running]:")
	levels := regexp.MustCompile(`"level":"(\w+)"`).FindAllStringSubmatch(log.String(), -1)
	if len(levels) != 2 || levels[0][1] != "debug" || levels[1][1] != "error" {
		t.Errorf("logged is\n%s, want a line for debugging and an error", log)
	}
}

func TestReload(t *testing.T) {
	f := &fixture{t: t, dir: t.TempDir(), log: &lockedBuffer{}}
	f.writeConfig("")
	s, err := New(f.config(), zerolog.New(f.log))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(f.config())
	if err != nil {
		t.Fatal(err)
	}
	replaceFile(t, f.config(), strings.ReplaceAll(string(text), "bob", "carol"))
	f.lookOnce(s)
	if d := s.directory.Load(); d.users["carol"] == nil || d.users["bob"] != nil {
		t.Fatalf("users after the reload: %v", d.users)
	}

	replaceFile(t, f.config(), "users: [")
	f.lookOnce(s)
	f.lookOnce(s)
	if s.directory.Load().users["carol"] == nil {
		t.Error("a bad file has replaced a good one")
	}
	if !strings.Contains(f.log.String(), `"level":"error"`) {
		t.Errorf("no error in the log:\n%s", f.log)
	}

	replaceFile(t, f.config(), strings.ReplaceAll(string(text), "dataDir: data", "dataDir: elsewhere"))
	f.lookOnce(s)
	if !strings.Contains(f.log.String(), "waits for the next start") {
		t.Errorf("no warning about the data directory:\n%s", f.log)
	}
}

func TestReloadFollowsSecretFiles(t *testing.T) {
	f := &fixture{t: t, dir: t.TempDir(), log: &lockedBuffer{}}
	f.writeConfig("")
	s, err := New(f.config(), zerolog.New(f.log))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(f.config())
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(f.dir, "other-secret")
	replaceFile(t, other, strings.Repeat("1", 40))
	replaceFile(t, f.config(), strings.ReplaceAll(string(text), "robot-secret", "other-secret"))
	f.lookOnce(s)
	replaceFile(t, other, strings.Repeat("2", 40))
	f.lookOnce(s)
	for secret, want := range map[string]bool{f.robotSecret: false, strings.Repeat("1", 40): false, strings.Repeat("2", 40): true} {
		if _, err := bearer(s.directory.Load(), secret); (err == nil) != want {
			t.Errorf("bearer(%.6s...) = %v, want accepted: %v", secret, err, want)
		}
	}
}

func TestHashPassword(t *testing.T) {
	hash, err := hashPassword(alicePassword, bcrypt.MinCost) // the real cost takes seconds under the race detector
	if err != nil || bcrypt.CompareHashAndPassword([]byte(hash), []byte(alicePassword)) != nil {
		t.Errorf("hashPassword = %q, %v, want a hash that bcrypt takes", hash, err)
	}
	for _, bad := range []string{"", strings.Repeat("x", 73), "a\nb", "\xff"} {
		if hash, err := HashPassword(bad); err == nil {
			t.Errorf("HashPassword(%q) = %q, want an error", bad, hash)
		}
	}
}

func TestNewSecret(t *testing.T) {
	secret, hash := NewSecret()
	if hash != hashOf(secret) {
		t.Errorf("NewSecret = %q with hash %q, want %q", secret, hash, hashOf(secret))
	}
	if again, _ := NewSecret(); again == secret {
		t.Error("NewSecret returned one secret twice")
	}
}

func TestHealthz(t *testing.T) {
	f := start(t)
	if status, _, body := f.send(request{method: "GET", path: PathHealth}); status != http.StatusOK || body != "ok\n" {
		t.Errorf("GET /healthz = %d %q", status, body)
	}
}
