package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spliceway/spliceway/internal/testnet"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// runMain in the environment makes the test binary the command itself.
const runMain = "SPLICEWAY_TEST_RUN_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(runMain) != "" {
		main()
	}
	testnet.Main(m)
}

// outcome is what a command line has come to.
type outcome struct {
	code           int
	stdout, stderr string
}

// execute runs a command line to its end.
func execute(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	err := run(t.Context(), args, strings.NewReader(stdin), &stdout, &stderr)
	return outcome{exitCode(err), stdout.String(), stderr.String()}
}

// succeed wants a command line to end well, and returns what it has printed.
func succeed(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	o := execute(t, stdin, args...)
	if o.code != 0 || o.stderr != "" {
		t.Fatalf("spliceway %s ends with %d and says:\n%s", strings.Join(args, " "), o.code, o.stderr)
	}
	return o.stdout
}

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; it is now\n%s\nrewrite it with -update if that is meant", file, got)
	}
}

// write makes a file and returns its name.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const gatewayConfig = `
listen: "127.0.0.1:0"
tls: {certificateFile: tls.crt, privateKeyFile: tls.key}
metrics: {listen: ""}
authn: {issuer: https://issuer.test, audience: acme, jwksURL: "http://127.0.0.1:1/keys"}
clusters: [{name: prod, address: 10.0.0.1, server: "https://127.0.0.1:1", certificateAuthorityFile: ca.crt, bearerTokenFile: token}]
audit: {output: audit.log}
`

// goodConfig writes a configuration that can be served, with all its files, and
// returns the name of it and of its folder.
func goodConfig(t *testing.T) (file, dir string) {
	t.Helper()
	dir = t.TempDir()
	testnet.NewCA(t).WriteFiles(t, dir, "gw.test")
	write(t, dir, "token", "secret-of-the-gateway\n")
	return write(t, dir, "config.yaml", gatewayConfig), dir
}
