package fuzz

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/spliceway/spliceway/config"
)

// FuzzConfig loads configurations.
func FuzzConfig(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Count(text, "[")+strings.Count(text, "{") > 200 {
			return // slow, and refused only where it is far too slow
		}
		file := filepath.Join(t.TempDir(), "config.yaml")
		cfg, err := load(t, file, text)
		if err != nil {
			checkProblems(t, text, err)
			return
		}
		printed := effective(t, cfg)
		again, err := load(t, file, printed)
		if err != nil {
			t.Fatalf("%q is in force as\n%s\nwhich is refused: %v", text, printed, err)
		}
		if settings(again) != settings(cfg) || effective(t, again) != printed {
			t.Fatalf("%q is in force as\n%s\nand that as\n%s", text, printed, effective(t, again))
		}
		checkSettings(t, text, cfg)
	})
}

func load(t *testing.T, file, text string) (*config.Config, error) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(file)
}

func effective(t *testing.T, cfg *config.Config) string {
	t.Helper()
	text, err := cfg.Effective()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// settings writes down the exported fields, in their order.
func settings(cfg *config.Config) string {
	var all []any
	value := reflect.ValueOf(cfg).Elem()
	for i := range value.NumField() {
		if value.Type().Field(i).IsExported() {
			all = append(all, value.Field(i).Interface())
		}
	}
	return fmt.Sprintf("%+q", all)
}

// checkProblems wants problems that a person can find and read.
func checkProblems(t *testing.T, text string, err error) {
	t.Helper()
	var refusal *config.Error
	if !errors.As(err, &refusal) || len(refusal.Problems) == 0 {
		t.Fatalf("%q: %v", text, err)
	}
	// To YAML a carriage return alone ends a line too.
	lines, last := strings.Count(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n")+1, 0
	for _, p := range refusal.Problems {
		if p.Message == "" || p.Line < 0 || p.Line > lines+1 || p.Column < 0 || p.Line < last {
			t.Fatalf("%q: line %d behind line %d of %d: %+v", text, p.Line, last, lines, p)
		}
		if said := p.Key + p.Message; !utf8.ValidString(said) || strings.ContainsFunc(said, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Fatalf("%q: unreadable: %q", text, said)
		}
		last = p.Line
	}
}

// checkSettings wants of a configuration that can be used what the package says.
func checkSettings(t *testing.T, text string, cfg *config.Config) {
	t.Helper()
	files := []string{cfg.Authn.JWKSFile, cfg.Authn.JWKSCAFile, cfg.Authn.CacheFile, cfg.Recordings.Dir}
	for _, pair := range cfg.TLS.Pairs() {
		files = append(files, pair.CertificateFile, pair.PrivateKeyFile)
	}
	names := make(map[string]bool)
	for i := range cfg.Clusters {
		c := &cfg.Clusters[i]
		files = append(files, c.CertificateAuthorityFile, c.BearerTokenFile, c.ClientCertificateFile, c.ClientKeyFile)
		if c.Name == "" || names[c.Name] {
			t.Fatalf("%q: cluster %q", text, c.Name)
		}
		names[c.Name] = true
	}
	for _, file := range files {
		if file != "" && !filepath.IsAbs(file) {
			t.Fatalf("%q: relative file name %q", text, file)
		}
	}
	if len(cfg.Clusters) == 0 || len(cfg.Listen) == 0 || len(cfg.TLS.Pairs()) == 0 && !cfg.TLS.IssuingCA.Enabled() {
		t.Fatalf("%q is accepted, but nothing can work with it", text)
	}
	if cfg.Authn.Issuer == "" || cfg.Authn.Audience == "" || (cfg.Authn.JWKSURL == "") == (cfg.Authn.JWKSFile == "") {
		t.Fatalf("%q is accepted with %+v", text, cfg.Authn)
	}
	waits := reflect.ValueOf(cfg.Timeouts)
	for i := range waits.NumField() {
		if waits.Field(i).Interface().(time.Duration) <= 0 {
			t.Fatalf("%q is accepted with %+v", text, cfg.Timeouts)
		}
	}
}

// smallConfig is the least that works.
const smallConfig = `tls: {certificateFile: tls.crt, privateKeyFile: tls.key}
authn: {issuer: i, audience: a, jwksURL: "https://i/keys"}
clusters: [{name: prod, address: 10.0.0.1, server: "https://10.0.0.1:6443", bearerTokenFile: token}]
`

func configSeeds(tb testing.TB) (seeds []seed) {
	example := string(readFile(tb, "../config/example.yaml"))
	uncommented := strings.ReplaceAll(example, "\n# ", "\n")
	seeds = append(seeds, seed{example}, seed{uncommented}, seed{smallConfig})
	mistakes, err := filepath.Glob("../config/testdata/mistakes/*.yaml")
	if err != nil || len(mistakes) == 0 {
		tb.Fatalf("no testdata of config: %v", err)
	}
	for _, file := range mistakes {
		seeds = append(seeds, seed{string(readFile(tb, file))})
	}
	for _, more := range []string{
		"listen: [\":1\", \"[::1]:8443\"]\n", "timeouts: {idle: 1h30m, dial: 0.5s, handshake: 1m30s, responseHead: 1h0m5s}\n", "limits: {head: 65536B, line: 8KiB, idleUpstream: 0}\n",
		"recordings: {dir: \"re: c#\", mode: best-effort}\n", "recordings: {dir: rec}\n", "audit: {output: ./stdout}\n", "metrics: {listen: \"\"}\n",
		"proxyProtocol: {trustedCIDRs: [10.0.0.0/8, \"fd00::/8\"]}\n", "drain: {timeout: 0s}\n", "log:\n  level: |-\n    info\n", "---\n...\n", "log: &a {}\n",
		"audit: {output: \"~\"}\n", "audit: {output: \"\\x85\\u2028 a\"}\n", "audit:\n  output: >-\n    a\n    b\n", "log: !!map {}\n", "limits: {fields: 0x10}\n",
	} {
		seeds = append(seeds, seed{smallConfig + more}, seed{strings.ReplaceAll(smallConfig+more, "\n", "\r\n")})
	}
	return seeds
}
