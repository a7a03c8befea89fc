package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spliceway/spliceway/internal/testnet"
	"github.com/spliceway/spliceway/record"
)

// folder is a configuration with all the files that it names.
type folder struct {
	dir string
	ca  *testnet.CA
}

const fullFolder = `
tls:
  certificateFile: tls.crt
  privateKeyFile: tls.key
  certificates:
    - {certificateFile: more.crt, privateKeyFile: more.key}
  issuingCA: {certificateFile: ca.crt, privateKeyFile: ca.key, names: [a.int]}
authn: {issuer: i, audience: a, jwksURL: "https://i/keys", jwksCAFile: ca.crt, cacheFile: cache/keys.json}
clusters:
  - name: prod
    address: 10.0.0.1
    server: https://10.0.0.1:6443
    certificateAuthorityFile: ca.crt
    bearerTokenFile: token
  - name: stage
    address: 10.0.0.2
    server: https://10.0.0.2:6443
    clientCertificateFile: tls.crt
    clientKeyFile: tls.key
recordings: {dir: rec, sealKeyFile: keys/seal.key}
audit: {output: log/audit.log}
tracing: {endpoint: "https://collector.test", caFile: ca.crt, headersFile: headers}
`

func newFolder(t *testing.T) *folder {
	t.Helper()
	f := &folder{dir: t.TempDir(), ca: testnet.NewCA(t)}
	f.ca.WriteFiles(t, f.dir, "a.int")
	testnet.WritePair(t, f.ca.Issue(t, "b.int"), f.path("more.crt"), f.path("more.key"))
	f.write(t, "ca.key", string(f.ca.KeyPEM(t)))
	f.write(t, "token", "hunter2\n")
	f.write(t, "headers", "X-Key: hunter2\n")
	f.write(t, "spliceway.yaml", fullFolder)
	for _, dir := range []string{"cache", "rec", "log", "keys"} {
		if err := os.Mkdir(f.path(dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func (f *folder) path(name string) string { return filepath.Join(f.dir, name) }

func (f *folder) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(f.path(name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (f *folder) remove(t *testing.T, name string) {
	t.Helper()
	if err := os.RemoveAll(f.path(name)); err != nil {
		t.Fatal(err)
	}
}

func (f *folder) check(t *testing.T) error {
	t.Helper()
	cfg, err := Load(f.path("spliceway.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return cfg.CheckFiles()
}

func TestCheckFilesGood(t *testing.T) {
	f := newFolder(t)
	if err := f.check(t); err != nil {
		t.Error(err)
	}
	for _, dir := range []string{"cache", "rec", "log", "keys"} {
		if entries, err := os.ReadDir(f.path(dir)); err != nil || len(entries) != 0 {
			t.Errorf("%s has %v (%v) after the check", dir, entries, err)
		}
	}
}

func TestCheckFiles(t *testing.T) {
	past := time.Now().Add(-time.Hour)
	for _, row := range []struct {
		name    string
		spoil   func(*testing.T, *folder)
		key     string
		line    int
		message string
	}{
		{"certificate-missing", func(t *testing.T, f *folder) { f.remove(t, "more.crt") }, "tls.certificates[0].certificateFile", 6, "no such file"},
		{"key-missing", func(t *testing.T, f *folder) { f.remove(t, "more.key") }, "tls.certificates[0].privateKeyFile", 6, "no such file"},
		{"key-of-another", func(t *testing.T, f *folder) {
			f.write(t, "more.key", string(testnet.NewCA(t).KeyPEM(t)))
		}, "tls.certificates[0].certificateFile", 6, "private key does not match"},
		{"certificate-not-pem", func(t *testing.T, f *folder) { f.write(t, "more.crt", "nonsense") }, "tls.certificates[0].certificateFile", 6, "more.crt with the key"},
		{"certificate-expired", func(t *testing.T, f *folder) {
			testnet.WritePair(t, f.ca.IssueValid(t, past.Add(-time.Hour), past, "b.int"), f.path("more.crt"), f.path("more.key"))
		}, "tls.certificates[0].certificateFile", 6, "expired on " + past.UTC().Format("2006-01-02T15")},
		{"certificate-in-future", func(t *testing.T, f *folder) {
			testnet.WritePair(t, f.ca.IssueValid(t, time.Now().Add(time.Hour), time.Now().Add(2*time.Hour), "b.int"), f.path("more.crt"), f.path("more.key"))
		}, "tls.certificates[0].certificateFile", 6, "not valid before"},
		{"authority-key-missing", func(t *testing.T, f *folder) { f.remove(t, "ca.key") }, "tls.issuingCA.privateKeyFile", 7, "no such file"},
		{"token-missing", func(t *testing.T, f *folder) { f.remove(t, "token") }, "clusters[0]", 10, "no such file"},
		{"token-two-lines", func(t *testing.T, f *folder) { f.write(t, "token", "hunter2\nhunter2\n") }, "clusters[0]", 10, "not one line of visible ASCII"},
		{"recordings-parent-missing", func(t *testing.T, f *folder) {
			f.write(t, "spliceway.yaml", strings.Replace(fullFolder, "dir: rec", "dir: gone/rec", 1))
		}, "recordings.dir", 20, "gone cannot be written to: no such file"},
		{"recordings-dangling-link", func(t *testing.T, f *folder) {
			f.remove(t, "rec")
			if err := os.Symlink("gone", f.path("rec")); err != nil {
				t.Fatal(err)
			}
		}, "recordings.dir", 20, "rec cannot be written to: no such file"},
		{"recordings-a-file", func(t *testing.T, f *folder) { f.remove(t, "rec"); f.write(t, "rec", "") }, "recordings.dir", 20, "not a directory"},
		{"seal-key-not-pem", func(t *testing.T, f *folder) { f.write(t, "keys/seal.key", "hunter2") }, "recordings.sealKeyFile", 20, "no private key in PEM"},
		{"seal-key-of-a-certificate", func(t *testing.T, f *folder) { f.write(t, "keys/seal.key", string(f.ca.KeyPEM(t))) }, "recordings.sealKeyFile", 20, "no Ed25519 private key"},
		{"seal-key-a-folder", func(t *testing.T, f *folder) {
			if err := os.Mkdir(f.path("keys/seal.key"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, "recordings.sealKeyFile", 20, "is a directory"},
		{"seal-key-folder-missing", func(t *testing.T, f *folder) { f.remove(t, "keys") }, "recordings.sealKeyFile", 20, "cannot be written to: no such file"},
		{"seal-key-in-recordings", func(t *testing.T, f *folder) {
			f.write(t, "spliceway.yaml", strings.Replace(fullFolder, ", sealKeyFile: keys/seal.key", "", 1))
			f.write(t, "rec/seal.key", "hunter2")
		}, "recordings.sealKeyFile", 20, "rec/seal.key has no private key"},
		{"audit-folder-missing", func(t *testing.T, f *folder) { f.remove(t, "log") }, "audit.output", 21, "cannot be written to"},
		{"cache-folder-missing", func(t *testing.T, f *folder) { f.remove(t, "cache") }, "authn.cacheFile", 8, "cannot be written to"},
		{"keys-file-missing", func(t *testing.T, f *folder) {
			f.write(t, "spliceway.yaml", strings.Replace(fullFolder, `jwksURL: "https://i/keys", jwksCAFile: ca.crt, cacheFile: cache/keys.json`, "jwksFile: keys.json", 1))
		}, "authn.jwksFile", 8, "no such file"},
		{"keys-file-not-json", func(t *testing.T, f *folder) {
			f.write(t, "spliceway.yaml", strings.Replace(fullFolder, `jwksURL: "https://i/keys", jwksCAFile: ca.crt, cacheFile: cache/keys.json`, "jwksFile: token", 1))
		}, "authn.jwksFile", 8, "is not JSON"},
		{"keys-authority-not-pem", func(t *testing.T, f *folder) {
			f.write(t, "spliceway.yaml", strings.Replace(fullFolder, `jwksCAFile: ca.crt`, "jwksCAFile: token", 1))
		}, "authn.jwksCAFile", 8, "no certificate in PEM"},
		{"headers-missing", func(t *testing.T, f *folder) { f.remove(t, "headers") }, "tracing", 22, "no such file"},
		{"headers-that-are-none", func(t *testing.T, f *folder) { f.write(t, "headers", "hunter2\n") }, "tracing", 22, "line 1 is not of the form Name: value"},
		{"issuing-ca-is-none", func(t *testing.T, f *folder) {
			f.write(t, "spliceway.yaml", strings.Replace(fullFolder, "certificateFile: ca.crt, privateKeyFile: ca.key", "certificateFile: tls.crt, privateKeyFile: tls.key", 1))
		}, "tls.issuingCA.certificateFile", 7, "is not the certificate of an authority"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFolder(t)
			row.spoil(t, f)
			err := f.check(t)
			var list *Error
			if !errors.As(err, &list) || len(list.Problems) != 1 {
				t.Fatalf("CheckFiles() = %v, want one problem", err)
			}
			p := list.Problems[0]
			if p.Key != row.key || p.Line != row.line || !strings.Contains(p.Message, row.message) {
				t.Errorf("CheckFiles() = line %d, %s: %s, want line %d, %s: %s", p.Line, p.Key, p.Message, row.line, row.key, row.message)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("message shows the token: %v", err)
			}
		})
	}
}

// What the gateway makes itself may be missing.
func TestCheckFilesRecordingsNotMadeYet(t *testing.T) {
	f := newFolder(t)
	f.remove(t, "rec")
	for _, keys := range []string{", sealKeyFile: keys/seal.key", "", ", sealKeyFile: rec/other.key"} {
		f.write(t, "spliceway.yaml", strings.Replace(fullFolder, ", sealKeyFile: keys/seal.key", keys, 1))
		if err := f.check(t); err != nil {
			t.Errorf("recordings: {dir: rec%s}: %v", keys, err)
		}
	}
	for _, dir := range []string{".", "keys"} {
		if probes, err := filepath.Glob(f.path(dir + "/.spliceway-check-*")); err != nil || len(probes) > 0 {
			t.Errorf("%s has %v (%v) after the check", dir, probes, err)
		}
	}
}

// The key that the gateway makes is one that the check takes, and what is off is
// not looked at.
func TestCheckFilesRecordingsGood(t *testing.T) {
	f := newFolder(t)
	store, err := record.Open(record.Config{Dir: f.path("rec"), KeyFile: f.path("keys/seal.key")})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.check(t); err != nil {
		t.Error(err)
	}
	f.write(t, "keys/seal.key", "nonsense")
	f.write(t, "spliceway.yaml", strings.Replace(fullFolder, "dir: rec", "mode: off, dir: gone/rec", 1))
	if err := f.check(t); err != nil {
		t.Errorf("with recordings off: %v", err)
	}
}

// Without a folder for recordings there is only the key to look at.
func TestCheckFilesRecordingLines(t *testing.T) {
	f := newFolder(t)
	f.write(t, "spliceway.yaml", strings.Replace(fullFolder, "dir: rec", "lines: stdout", 1))
	if err := f.check(t); err != nil {
		t.Error(err)
	}
	f.write(t, "keys/seal.key", "nonsense")
	if err := f.check(t); err == nil || !strings.Contains(err.Error(), "recordings.sealKeyFile") {
		t.Errorf("CheckFiles() = %v, want a problem of the key", err)
	}
}

func TestCheckFilesFindsAll(t *testing.T) {
	f := newFolder(t)
	for _, name := range []string{"tls.crt", "token", "keys", "log", "cache"} {
		f.remove(t, name)
	}
	var list *Error
	if err := f.check(t); !errors.As(err, &list) || len(list.Problems) != 6 { // tls.crt is that of a cluster too
		t.Errorf("CheckFiles() = %v, want six problems", err)
	}
}
