package config

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

// minimal is the least that works.
const minimal = `
tls: {certificateFile: tls.crt, privateKeyFile: tls.key}
authn: {issuer: i, audience: a, jwksURL: "https://i/keys"}
clusters: [{name: prod, address: 10.0.0.1, server: "https://10.0.0.1:6443", bearerTokenFile: token}]
`

func mustParse(t *testing.T, text string) *Config {
	t.Helper()
	cfg, err := parse("test.yaml", "/etc/spliceway", []byte(text))
	if err != nil {
		t.Fatalf("%v\nin:\n%s", err, text)
	}
	return cfg
}

// settings returns cfg without where it was written.
func settings(cfg *Config) Config {
	c := *cfg
	c.source = nil
	return c
}

func TestDefaults(t *testing.T) {
	want := defaults()
	want.TLS.KeyPair = KeyPair{"/etc/spliceway/tls.crt", "/etc/spliceway/tls.key"}
	want.Authn.Issuer, want.Authn.Audience, want.Authn.JWKSURL = "i", "a", "https://i/keys"
	want.Clusters = []Cluster{{Name: "prod", Address: "10.0.0.1", Server: "https://10.0.0.1:6443", BearerTokenFile: "/etc/spliceway/token"}}
	want.Recordings.Mode = ModeOff
	if got := settings(mustParse(t, minimal)); !reflect.DeepEqual(got, want) {
		t.Errorf("parse(minimal) =\n%+v, want\n%+v", got, want)
	}
}

// everything sets each key to something that is not its default.
const everything = `
listen: ["10.0.0.5:443", "[::1]:8443"]
tls:
  certificateFile: /a.crt
  privateKeyFile: b.key
  certificates:
    - certificateFile: sub/c.crt
      privateKeyFile: ../d.key
  issuingCA: {certificateFile: ca.crt, privateKeyFile: ca.key, names: [a.int, "*.b.int", "::1"], lifetime: 1h30m}
proxyProtocol: {trustedCIDRs: [10.0.0.0/8, "fd00::/8"]}
metrics: {listen: ""}
admin: {socket: admin.sock, profiling: true}
authn:
  issuer: https://issuer.example.com
  audience: acme
  jwksURL: http://127.0.0.1:9000/keys
  jwksCAFile: issuer-ca.crt
  cacheFile: /var/cache/keys
  refreshInterval: 1m
  maxStaleness: 48h
  allowSystemIdentities: ["system:masters"]
clusters:
  - name: prod
    address: 10.0.0.1
    aliases: [a.int, b.int]
    server: https://10.0.0.1:6443
    serverName: kubernetes
    certificateAuthorityFile: prod-ca.crt
    bearerTokenFile: prod-token
    impersonateExtra: true
  - name: stage
    address: stage.int
    server: https://stage.int
    clientCertificateFile: s.crt
    clientKeyFile: s.key
  - {name: here, aliases: [here.int], inCluster: true}
timeouts: {proxyHeader: 1s, handshake: 2s, authentication: 2500ms, innerHandshake: 3s, requestHead: 4s, idle: 5s, dial: 6s, responseHead: 7s, bodyIdle: 8s, streamIdle: 9s, queue: 10s}
limits: {connections: 10, connectionsPerSource: 0, connectionsPerUser: 11, unauthenticated: 12, unauthenticatedPerSource: 0,
  requestRate: 0, requestBurst: 13, streamsPerUser: 14, upstream: 15, queue: 0, head: 16KiB, line: 512B, fields: 20, trailer: 1KiB, idleUpstream: 0}
drain: {delay: 1s, timeout: 0s}
recordings:
  dir: rec
  lines: stdout
  mode: best-effort
  format: v3
  fsync: always
  checkpoint: 1m
  sealKeyFile: seal.pem
  input: true
  keepFiles: true
  notice: "This session is recorded: \u00e4sk \"us\" #why"
  maxSession: 64KiB
  quota: 2TiB
  minFree: 0B
  retention: {maxAge: 720h, maxSize: 1TiB}
  rules:
    - {name: machines, users: ["ci-*", "*"], groups: ["system:*"], namespaces: ["team-*-dev"], clusters: [prod, here], mode: off}
    - {name: production, clusters: [prod], mode: strict}
    - {name: rest, mode: best-effort}
audit: {output: audit.log}
tracing: {endpoint: "https://collector.example.com:4318", ratio: 0.05, caFile: trace-ca.crt, headersFile: headers}
log: {level: debug, format: console}
sandbox: {landlock: required}
`

func TestEveryKey(t *testing.T) {
	want := Config{
		Listen: Strings{"10.0.0.5:443", "[::1]:8443"},
		TLS: TLS{
			KeyPair:      KeyPair{"/a.crt", "/etc/spliceway/b.key"},
			Certificates: []KeyPair{{"/etc/spliceway/sub/c.crt", "/etc/d.key"}},
			IssuingCA: IssuingCA{KeyPair: KeyPair{"/etc/spliceway/ca.crt", "/etc/spliceway/ca.key"},
				Names: []string{"a.int", "*.b.int", "::1"}, Lifetime: 90 * time.Minute},
		},
		ProxyProtocol: ProxyProtocol{[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}},
		Admin:         Admin{Socket: "/etc/spliceway/admin.sock", Profiling: true},
		Authn: Authn{Issuer: "https://issuer.example.com", Audience: "acme", JWKSURL: "http://127.0.0.1:9000/keys",
			JWKSCAFile: "/etc/spliceway/issuer-ca.crt", CacheFile: "/var/cache/keys", RefreshInterval: time.Minute,
			MaxStaleness: 48 * time.Hour, AllowSystemIdentities: []string{"system:masters"}},
		Clusters: []Cluster{
			{Name: "prod", Address: "10.0.0.1", Aliases: []string{"a.int", "b.int"}, Server: "https://10.0.0.1:6443", ServerName: "kubernetes",
				CertificateAuthorityFile: "/etc/spliceway/prod-ca.crt", BearerTokenFile: "/etc/spliceway/prod-token", ImpersonateExtra: true},
			{Name: "stage", Address: "stage.int", Server: "https://stage.int", ClientCertificateFile: "/etc/spliceway/s.crt", ClientKeyFile: "/etc/spliceway/s.key"},
			{Name: "here", Aliases: []string{"here.int"}, InCluster: true},
		},
		Timeouts: Timeouts{1e9, 2e9, 25e8, 3e9, 4e9, 5e9, 6e9, 7e9, 8e9, 9e9, 10e9},
		Limits:   Limits{Connections: 10, ConnectionsPerUser: 11, Unauthenticated: 12, RequestBurst: 13, StreamsPerUser: 14, Upstream: 15, Head: 16 << 10, Line: 512, Fields: 20, Trailer: 1 << 10},
		Drain:    Drain{Delay: time.Second},
		Recordings: Recordings{Dir: "/etc/spliceway/rec", Lines: "stdout", Mode: ModeBestEffort, Format: FormatV3,
			Fsync: -1, Checkpoint: time.Minute, SealKeyFile: "/etc/spliceway/seal.pem", Input: true, KeepFiles: true,
			Notice: `This session is recorded: äsk "us" #why`, MaxSession: 64 << 10, Quota: 2 << 40,
			Retention: Retention{MaxAge: 720 * time.Hour, MaxSize: 1 << 40},
			Rules: []RecordingRule{
				{Name: "machines", Users: []string{"ci-*", "*"}, Groups: []string{"system:*"}, Namespaces: []string{"team-*-dev"},
					Clusters: []string{"prod", "here"}, Mode: ModeOff},
				{Name: "production", Clusters: []string{"prod"}, Mode: ModeStrict},
				{Name: "rest", Mode: ModeBestEffort},
			}},
		Audit:   Audit{Output: "/etc/spliceway/audit.log"},
		Tracing: Tracing{"https://collector.example.com:4318/v1/traces", 0.05, "/etc/spliceway/trace-ca.crt", "/etc/spliceway/headers"},
		Log:     Log{Level: "debug", Format: "console"},
		Sandbox: Sandbox{Landlock: LandlockRequired},
	}
	if got := settings(mustParse(t, everything)); !reflect.DeepEqual(got, want) {
		t.Errorf("parse(everything) =\n%+v, want\n%+v", got, want)
	}
	for key := range keyHomes() {
		if !strings.Contains(everything, key+":") && key != "jwksFile" {
			t.Errorf("key %s is not in this test", key)
		}
	}
}

// The configuration of the design document, as it stands there.
func TestDesignExample(t *testing.T) {
	cfg := mustParse(t, `
listen: ":8443"
tls:
  certificateFile: /etc/spliceway/tls.crt
  privateKeyFile: /etc/spliceway/tls.key
proxyProtocol:
  trustedCIDRs: []                # from these peers only
metrics:
  listen: "127.0.0.1:9090"        # /metrics, /healthz, /readyz; empty: off
authn:
  issuer: https://issuer.example.com
  audience: acme
  jwksURL: https://issuer.example.com/keys   # or jwksFile
  jwksCAFile: ""                  # default: system roots
clusters:
  - name: prod
    address: 10.0.0.1             # what a token's resource.address says
    aliases: [cluster-a.int]
    server: https://10.0.0.1:6443
    certificateAuthorityFile: /etc/spliceway/prod-ca.crt
    bearerTokenFile: /etc/spliceway/prod-token     # re-read when it changes
    # or: inCluster: true
recordings:
  dir: /var/lib/spliceway/recordings
  mode: strict                    # strict | best-effort | off
audit:
  output: stdout                  # stdout | FILE
log:
  level: info
  format: json                    # json | console
`)
	if cfg.Clusters[0].Aliases[0] != "cluster-a.int" || cfg.Recordings.Mode != ModeStrict {
		t.Errorf("parse = %+v", cfg)
	}
}

func TestExampleFile(t *testing.T) {
	cfg, err := Load("example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for key := range keyHomes() {
		if !regexp.MustCompile(`(?m)^[ #-]*` + key + `:`).Match(data) {
			t.Errorf("example.yaml lacks the key %s", key)
		}
	}
	// The values in comments are the defaults, as they say.
	text := regexp.MustCompile(`(?m)^.*# jwksFile:.*$`).ReplaceAllString(string(data), "")
	text = regexp.MustCompile(`(?m)^( *)# ( *(?:- )?[a-zA-Z]+:.*)$`).ReplaceAllString(text, "$1$2")
	bare, err := parse("example.yaml", "/", []byte(text))
	if err != nil {
		t.Fatalf("without comment signs: %v", err)
	}
	want, got := settings(cfg), settings(bare)
	if len(got.TLS.Certificates) != 1 || !got.TLS.IssuingCA.Enabled() {
		t.Errorf("TLS without comment signs is %+v", got.TLS)
	}
	want.TLS, got.TLS = TLS{IssuingCA: IssuingCA{Lifetime: want.TLS.IssuingCA.Lifetime}}, TLS{IssuingCA: IssuingCA{Lifetime: got.TLS.IssuingCA.Lifetime}}
	exemption := RecordingRule{Name: "deployments", Users: []string{"ci-*"}, Groups: []string{}, Namespaces: []string{"staging"}, Clusters: []string{"prod"}, Mode: ModeOff}
	if !reflect.DeepEqual(got.Recordings.Rules, []RecordingRule{exemption}) {
		t.Errorf("recordings.rules without comment signs is %+v", got.Recordings.Rules)
	}
	got.Recordings.Rules = nil
	want.ProxyProtocol.TrustedCIDRs, want.Authn.AllowSystemIdentities = got.ProxyProtocol.TrustedCIDRs, got.Authn.AllowSystemIdentities // empty or nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("without comment signs:\n%+v, with:\n%+v", got, want)
	}
}

func TestEffectiveLoadsTheSame(t *testing.T) {
	for _, text := range []string{minimal, everything} {
		cfg := mustParse(t, text)
		out, err := cfg.Effective()
		if err != nil {
			t.Fatal(err)
		}
		again, err := parse("effective.yaml", "/elsewhere", out)
		if err != nil {
			t.Fatalf("%v\nin:\n%s", err, out)
		}
		second, err := again.Effective()
		if err != nil || !bytes.Equal(out, second) {
			t.Errorf("Effective() changed when loaded (%v):\n%s\nwas:\n%s", err, second, out)
		}
		for key := range keyHomes() {
			if key != "certificateFile" && !bytes.Contains(out, []byte(key+":")) && text == everything {
				t.Errorf("Effective() lacks %s", key)
			}
		}
	}
}

func TestEffectiveGolden(t *testing.T) {
	out, err := mustParse(t, minimal).Effective()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("testdata", "effective.golden"), out)
}

func TestRecordingsModeDefault(t *testing.T) {
	for _, row := range []struct{ section, want string }{
		{"", ModeOff},
		{"recordings:", ModeOff},
		{"recordings: {}", ModeOff},
		{"recordings: {dir: ''}", ModeOff},
		{"recordings: {dir: /r}", ModeStrict},
		{"recordings: {dir: /r, mode: off}", ModeOff},
		{"recordings: {mode: off}", ModeOff},
		{"recordings: {dir: /r, mode: best-effort}", ModeBestEffort},
		{"recordings: {lines: stdout, sealKeyFile: /k}", ModeStrict},
		{"recordings: {lines: '', dir: ''}", ModeOff},
		{"recordings: {lines: stdout, mode: off}", ModeOff},
	} {
		if got := mustParse(t, minimal+row.section+"\n").Recordings.Mode; got != row.want {
			t.Errorf("%q: mode = %s, want %s", row.section, got, row.want)
		}
	}
}

func TestEmptySectionsKeepDefaults(t *testing.T) {
	cfg := mustParse(t, minimal+"timeouts:\nlimits: {}\nproxyProtocol:\n  trustedCIDRs:\nlog:\n")
	if want := defaults(); cfg.Timeouts != want.Timeouts || cfg.Limits != want.Limits || cfg.Log != want.Log {
		t.Errorf("parse = %+v, want the defaults", cfg)
	}
}

func TestPairs(t *testing.T) {
	single, further := KeyPair{"a", "b"}, KeyPair{"c", "d"}
	for _, row := range []struct {
		tls  TLS
		want []KeyPair
	}{
		{TLS{}, nil},
		{TLS{KeyPair: single}, []KeyPair{single}},
		{TLS{Certificates: []KeyPair{further}}, []KeyPair{further}},
		{TLS{KeyPair: single, Certificates: []KeyPair{further}}, []KeyPair{single, further}},
	} {
		if got := row.tls.Pairs(); !reflect.DeepEqual(got, row.want) {
			t.Errorf("Pairs() = %v, want %v", got, row.want)
		}
	}
}

func TestClusterConfig(t *testing.T) {
	cfg := mustParse(t, everything)
	got := cfg.Clusters[0].Config(cfg.Timeouts.Dial)
	if got.CAFile != "/etc/spliceway/prod-ca.crt" || got.ServerName != "kubernetes" || got.DialTimeout != 6*time.Second || len(got.Aliases) != 2 {
		t.Errorf("Config() = %+v", got)
	}
}

func TestLoadMissingFile(t *testing.T) {
	cfg, err := Load(filepath.Join(t.TempDir(), "gone.yaml"))
	if cfg != nil || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Load() = %v, %v, want a missing file", cfg, err)
	}
}

func TestLoadIsRelativeToTheFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "spliceway.yaml")
	if err := os.WriteFile(file, []byte(minimal), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(dir))
	cfg, err := Load(filepath.Join(filepath.Base(dir), "spliceway.yaml"))
	if err != nil || cfg.TLS.CertificateFile != filepath.Join(dir, "tls.crt") {
		t.Errorf("Load() = %+v, %v, want tls.crt in %s", cfg, err, dir)
	}
}

// Stores that name files by a digest of their content have such paths.
func TestFileWithALongName(t *testing.T) {
	name := "/store/" + strings.Repeat("0123456789abcdef", 4) + "-token"
	cfg := mustParse(t, strings.Replace(minimal, "bearerTokenFile: token", "bearerTokenFile: "+name, 1))
	if got := cfg.Clusters[0].BearerTokenFile; got != name {
		t.Errorf("bearerTokenFile = %q, want %q", got, name)
	}
}

// Keys that systemd passes are named by the folder that only it knows.
func TestCredentialsDirectory(t *testing.T) {
	text := regexp.MustCompile(`privateKeyFile: ([^,}]+)`).ReplaceAllString(minimal, `privateKeyFile: "$${CREDENTIALS_DIRECTORY}/tls.key"`)
	if text == minimal {
		t.Fatal("the configuration has no privateKeyFile")
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	if _, err := parse("f", "/etc", []byte(text)); err == nil || !strings.Contains(err.Error(), "LoadCredential=") {
		t.Errorf("without credentials: %v, want what it is for", err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "/run/credentials/s")
	cfg, err := parse("f", "/etc", []byte(text))
	if err != nil || !strings.HasPrefix(cfg.TLS.PrivateKeyFile, "/run/credentials/s/") {
		t.Errorf("the key is %v, %v, want it among the credentials", cfg, err)
	}
}
