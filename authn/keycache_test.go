package authn

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A gateway that starts while the issuer is down lets people in.
func TestKeyCacheOverRestart(t *testing.T) {
	issuer := newIssuerServer(t, jwks(jwk("k1", &issuerKey.PublicKey)))
	dir := t.TempDir()
	cfg := KeySetConfig{URL: issuer.URL, CacheFile: filepath.Join(dir, "keys")}
	first := mustKeySet(t, cfg)
	if err := first.refresh(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(cfg.CacheFile)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("cache file has mode %o, want 600", mode)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("directory holds %v, want the cache file only", entries)
	}

	issuer.document.Store(nil)
	second := mustKeySet(t, cfg)
	wantKey(t, second, "k1", nil)
	if !second.Fetched().Equal(first.Fetched()) {
		t.Errorf("Fetched = %v after the restart, %v before", second.Fetched(), first.Fetched())
	}
	if err := second.refresh(); err == nil {
		t.Error("refresh without the issuer succeeded")
	}
	wantKey(t, second, "k1", nil)
}

func TestKeyCacheReads(t *testing.T) {
	const url = "http://127.0.0.1:1/keys" // nobody answers
	good := func() cachedKeys {
		return cachedKeys{URL: url, Fetched: time.Now().Add(-time.Hour), KeySet: jwks(jwk("k1", &issuerKey.PublicKey))}
	}
	for _, row := range []struct {
		name   string
		change func(*cachedKeys)
		mode   os.FileMode
		want   error
		report string
	}{
		{"good", func(*cachedKeys) {}, 0o600, nil, ""},
		{"readable-by-all", func(*cachedKeys) {}, 0o644, nil, ""},
		{"almost-stale", func(c *cachedKeys) { c.Fetched = time.Now().Add(-23 * time.Hour) }, 0o600, nil, ""},
		{"stale", func(c *cachedKeys) { c.Fetched = time.Now().Add(-25 * time.Hour) }, 0o600, ErrKeysUnavailable, "connection refused"},
		{"undated", func(c *cachedKeys) { c.Fetched = time.Time{} }, 0o600, ErrKeysUnavailable, "connection refused"},
		{"of-the-future", func(c *cachedKeys) { c.Fetched = time.Now().Add(time.Hour) }, 0o600, ErrKeysUnavailable, "future"},
		{"of-another-issuer", func(c *cachedKeys) { c.URL = "http://127.0.0.1:2/keys" }, 0o600, ErrKeysUnavailable, "127.0.0.1:2"},
		{"without-keys", func(c *cachedKeys) { c.KeySet = jwks() }, 0o600, ErrKeysUnavailable, "no EC P-256"},
		{"writable-by-group", func(*cachedKeys) {}, 0o620, ErrKeysUnavailable, "writable by others"},
		{"writable-by-all", func(*cachedKeys) {}, 0o602, ErrKeysUnavailable, "writable by others"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := good()
			row.change(&c)
			data, err := json.Marshal(c)
			if err != nil {
				t.Fatal(err)
			}
			checkCache(t, url, data, row.mode, row.want, row.report)
		})
	}
	full, _ := json.Marshal(good())
	for name, data := range map[string][]byte{"empty": nil, "cut": full[:len(full)-1], "list": []byte("[]"), "huge": make([]byte, 2*maxDocument+1)} {
		t.Run(name, func(t *testing.T) { checkCache(t, url, data, 0o600, ErrKeysUnavailable, "reading key") })
	}
}

// checkCache starts a KeySet on a cache file; report is text of what it reports.
func checkCache(t *testing.T, url string, data []byte, mode os.FileMode, want error, report string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "keys")
	writeFile(t, file, data)
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
	var reports []string
	s := mustKeySet(t, KeySetConfig{URL: url, CacheFile: file, Report: func(err error) { reports = append(reports, err.Error()) }})
	wantKey(t, s, "k1", want)
	if report == "" && len(reports) != 0 || !strings.Contains(strings.Join(reports, "\n"), report) {
		t.Errorf("reports = %q, want %q", reports, report)
	}
}

// Good keys with no place to keep them are used, and the fault is reported.
func TestKeyCacheCannotBeWritten(t *testing.T) {
	issuer := newIssuerServer(t, jwks(jwk("k1", &issuerKey.PublicKey)))
	var reported error
	s := mustKeySet(t, KeySetConfig{
		URL: issuer.URL, CacheFile: filepath.Join(t.TempDir(), "absent", "keys"),
		Report: func(err error) { reported = err },
	})
	if err := s.refresh(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("refresh = %v, want %v", err, os.ErrNotExist)
	}
	if !errors.Is(reported, os.ErrNotExist) {
		t.Errorf("reported %v, want %v", reported, os.ErrNotExist)
	}
	wantKey(t, s, "k1", nil)
}

// A rename that fails leaves the old cache and nothing else.
func TestKeyCacheReplacedWholeOrNotAtAll(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "keys")
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeCache(file, cachedKeys{KeySet: jwks()}); err == nil {
		t.Fatal("writeCache over a directory succeeded")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("directory holds %v, want no temporary file", entries)
	}
}
