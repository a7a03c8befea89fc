package cluster

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseServer(t *testing.T) {
	for _, row := range []struct{ name, raw, addr, authority, fault string }{
		{"name", "https://api.example.com", "api.example.com:443", "api.example.com", ""},
		{"port", "https://10.0.0.1:6443", "10.0.0.1:6443", "10.0.0.1:6443", ""},
		{"slash", "https://10.0.0.1:6443/", "10.0.0.1:6443", "10.0.0.1:6443", ""},
		{"upper-case", "HTTPS://API.Example.COM:6443", "api.example.com:6443", "api.example.com:6443", ""},
		{"ipv6", "https://[2001:DB8::1]:6443", "[2001:db8::1]:6443", "[2001:db8::1]:6443", ""},
		{"ipv6-no-port", "https://[::1]", "[::1]:443", "[::1]", ""},
		{"empty", "", "", "", "must begin with https://"},
		{"no-scheme", "10.0.0.1:6443", "", "", "not a URL"},
		{"http", "http://10.0.0.1", "", "", "must begin with https://"},
		{"path", "https://h/k8s/clusters/c1", "", "", "must not have a path"},
		{"query", "https://h?x=1", "", "", "must not have a query"},
		{"empty-query", "https://h?", "", "", "must not have a query"},
		{"fragment", "https://h#x", "", "", "fragment"},
		{"user", "https://admin:hunter2@h", "", "", "user or password"},
		{"user-unparsable", "https://admin:hunter2@h:port", "", "", "not a URL"},
		{"no-host", "https://:6443", "", "", "is not a host name"},
		{"colon-without-port", "https://h:", "", "", "colon without a port"},
		{"port-zero", "https://h:0", "", "", "port 0"},
		{"port-high", "https://h:65536", "", "", "port 65536"},
		{"port-huge", "https://h:99999999999999999999", "", "", "port 9999"},
		{"blank-in-host", "https://a%20b", "", "", ""},
		{"crlf-in-host", "https://a%0d%0aX-Evil: 1", "", "", ""},
		{"unicode-host", "https://ex\u00e4mple.com", "", "", "is not a host name"},
		{"zone", "https://[fe80::1%25eth0]:6443", "", "", "is not a host name"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, err := ParseServer(row.raw)
			if row.addr == "" {
				if err == nil || !strings.Contains(err.Error(), row.fault) {
					t.Errorf("ParseServer(%q) = %v, %v, want error with %q", row.raw, s, err, row.fault)
				} else if strings.Contains(err.Error(), "hunter2") {
					t.Errorf("ParseServer(%q) shows the password: %v", row.raw, err)
				}
				if s != (Server{}) {
					t.Errorf("ParseServer(%q) = %v next to an error", row.raw, s)
				}
				return
			}
			if err != nil || s.Addr() != row.addr || s.Authority != row.authority {
				t.Errorf("ParseServer(%q) = %q for %q, %v, want %q for %q", row.raw, s.Addr(), s.Authority, err, row.addr, row.authority)
			}
		})
	}
}

func TestNewRefusesContradictions(t *testing.T) {
	for _, row := range []struct {
		name, want string
		change     func(*Config)
	}{
		{"no-name", "has no name", func(c *Config) { c.Name = "" }},
		{"no-address", "neither address nor alias", func(c *Config) { c.Address = "" }},
		{"no-credential", "no credential", func(c *Config) { c.BearerTokenFile = "" }},
		{"two-credentials", "two credentials", func(c *Config) { c.ClientCertificateFile, c.ClientKeyFile = "a", "b" }},
		{"certificate-without-key", "together", func(c *Config) { c.ClientCertificateFile = "a" }},
		{"key-without-certificate", "together", func(c *Config) { c.ClientKeyFile = "a" }},
		{"bad-server", "server of \"prod\"", func(c *Config) { c.Server = "http://h" }},
		{"no-ca-file", "no such file", func(c *Config) { c.CAFile = filepath.Join(t.TempDir(), "gone") }},
		{"no-token-file", "no such file", func(c *Config) { c.BearerTokenFile = filepath.Join(t.TempDir(), "gone") }},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := Config{Name: "prod", Address: "10.0.0.1", Server: "https://10.0.0.1", BearerTokenFile: tokenFile(t, "t")}
			row.change(&cfg)
			c, err := New(cfg)
			if c != nil || err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("New() = %v, %v, want error with %q", c, err, row.want)
			}
		})
	}
}

func TestInCluster(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "token"), "in-cluster-token")
	writeFile(t, filepath.Join(dir, "ca.crt"), string(testCA(t).PEM()))
	env := map[string]string{"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
	getenv := func(name string) string { return env[name] }

	c, err := newCluster(Config{Name: "here", Address: "a", InCluster: true}, getenv, dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(c.Authorization()); got != "Authorization: Bearer in-cluster-token\r\n" {
		t.Errorf("Authorization() = %q", got)
	}
	if c.Addr() != "[fd00::1]:443" || string(c.Host()) != "[fd00::1]:443" {
		t.Errorf("Addr() = %q, Host() = %q", c.Addr(), c.Host())
	}
	if c.transport.Get().RootCAs == nil {
		t.Error("the service account's authorities are not used")
	}

	// What is given explicitly wins.
	c, err = newCluster(Config{Name: "here", Address: "a", InCluster: true, Server: "https://api:6443", BearerTokenFile: tokenFile(t, "mine")}, getenv, dir)
	if err != nil || c.Addr() != "api:6443" || !strings.Contains(string(c.Authorization()), "mine") {
		t.Errorf("explicit settings are overridden: %v, %v", c, err)
	}
}

func TestInClusterOutside(t *testing.T) {
	none := func(string) string { return "" }
	if _, err := newCluster(Config{Name: "here", Address: "a", InCluster: true}, none, t.TempDir()); !errors.Is(err, ErrNotInCluster) {
		t.Errorf("without environment: %v, want ErrNotInCluster", err)
	}
	some := func(string) string { return "1" }
	_, err := newCluster(Config{Name: "here", Address: "a", InCluster: true}, some, t.TempDir())
	if !errors.Is(err, ErrNotInCluster) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without files: %v, want ErrNotInCluster and the missing file", err)
	}
}
