package config

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%s\nwant as in %s\n%s", got, name, want)
	}
}

// TestMistakes compares the whole message of each file in testdata/mistakes with
// the text beside it.
func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/mistakes/*.yaml")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			cfg, err := parse("spliceway.yaml", "/etc/spliceway", data)
			if cfg != nil || err == nil {
				t.Fatalf("parse() = %v, %v, want an error", cfg, err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("message shows a secret:\n%v", err)
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".txt", []byte(err.Error()+"\n"))
		})
	}
}

// with is minimal with one of its sections replaced, or with a further one.
func with(section string) string {
	name, _, _ := strings.Cut(section, ":")
	var b strings.Builder
	for line := range strings.Lines(minimal) {
		if !strings.HasPrefix(line, name+":") {
			b.WriteString(line)
		}
	}
	return b.String() + section + "\n"
}

func TestRefused(t *testing.T) {
	const cluster = "clusters: [{name: p, address: a, server: 'https://h', bearerTokenFile: t}"
	for _, row := range []struct{ name, section, key, message string }{
		{"listen-none", "listen: []", "listen", "is required"},
		{"listen-no-port", "listen: 10.0.0.1", "listen", "no port"},
		{"listen-bare-ipv6", "listen: '::1:8443'", "listen", "needs brackets"},
		{"listen-port-word", "listen: ':https'", "listen", "not a number"},
		{"listen-port-high", "listen: ':65536'", "listen", "not a number between"},
		{"listen-port-empty", "listen: 'h:'", "listen", "not a number between"},
		{"listen-bad-host", "listen: 'a b:1'", "listen", "not an IP address"},
		{"listen-twice", "listen: [':1', ':1']", "listen[1]", "already the address of listen[0]"},
		{"listen-element-null", "listen: [':1', ]\nx: 1", "x", "unknown key"},
		{"listen-as-metrics", "metrics: {listen: ':8443'}", "metrics.listen", "already the address of listen"},
		{"admin-socket-long", "admin: {socket: /" + strings.Repeat("a", 99) + "}", "admin.socket", "has 100 octets"},
		{"admin-profiling-nowhere", "admin: {profiling: true}", "admin.profiling", "needs admin.socket"},
		{"listen-group", "listen: {port: 1}", "listen", "is a group of keys"},
		{"tls-none", "tls: {}", "tls", "needs a certificate"},
		{"tls-null", "tls:", "tls", "needs a certificate"},
		{"tls-text", "tls: on", "tls", "is a text and must have keys"},
		{"tls-no-key", "tls: {certificateFile: a}", "tls.privateKeyFile", "is required next to"},
		{"tls-no-certificate", "tls: {privateKeyFile: a}", "tls.certificateFile", "is required next to"},
		{"tls-list-empty-pair", "tls: {certificates: [{}]}", "tls.certificates[0]", "needs certificateFile"},
		{"tls-list-half-pair", "tls: {certificates: [{certificateFile: a}]}", "tls.certificates[0].privateKeyFile", "required"},
		{"tls-list-not-a-list", "tls: {certificates: {certificateFile: a, privateKeyFile: b}}", "tls.certificates", "must be a list"},
		{"tls-list-null-element", "tls: {certificates: [null]}", "tls.certificates[0]", "needs certificateFile"},
		{"ca-no-names", "tls: {issuingCA: {certificateFile: a, privateKeyFile: b}}", "tls.issuingCA.names", "is required"},
		{"ca-bad-name", "tls: {issuingCA: {certificateFile: a, privateKeyFile: b, names: ['a b']}}", "tls.issuingCA.names[0]", "not a host name"},
		{"ca-lifetime", "tls: {issuingCA: {certificateFile: a, privateKeyFile: b, names: [a], lifetime: 1s}}", "tls.issuingCA.lifetime", "at least 10m"},
		{"ca-without-files", "tls: {certificateFile: a, privateKeyFile: b, issuingCA: {names: [a]}}", "tls.issuingCA", "needs certificateFile"},
		{"ca-empty-and-nothing-else", "tls: {issuingCA: {names: [a]}}", "tls.issuingCA", "needs certificateFile"},
		{"cidr-address", "proxyProtocol: {trustedCIDRs: [10.0.0.1]}", "proxyProtocol.trustedCIDRs[0]", "write 10.0.0.1/32"},
		{"cidr-host-bits", "proxyProtocol: {trustedCIDRs: [10.0.0.1/8]}", "proxyProtocol.trustedCIDRs[0]", `write "10.0.0.0/8"`},
		{"cidr-nonsense", "proxyProtocol: {trustedCIDRs: [everywhere]}", "proxyProtocol.trustedCIDRs[0]", "is not a network"},
		{"cidr-null", "proxyProtocol: {trustedCIDRs: [null]}", "proxyProtocol.trustedCIDRs[0]", "has no value"},
		{"cidr-not-a-list", "proxyProtocol: {trustedCIDRs: 10.0.0.0/8}", "proxyProtocol.trustedCIDRs", "must be a list"},
		{"metrics-number", "metrics: {listen: 9090}", "metrics.listen", `write ":9090"`},
		{"issuer-blank", "authn: {issuer: ' i', audience: a, jwksURL: 'https://i'}", "authn.issuer", "blanks around"},
		{"audience-missing", "authn: {issuer: i, jwksURL: 'https://i'}", "authn.audience", "is required"},
		{"keys-none", "authn: {issuer: i, audience: a}", "authn", "set jwksURL or jwksFile"},
		{"keys-both", "authn: {issuer: i, audience: a, jwksURL: 'https://i', jwksFile: f}", "authn.jwksFile", "remove one"},
		{"keys-http", "authn: {issuer: i, audience: a, jwksURL: 'http://issuer/keys'}", "authn.jwksURL", "must begin with https://"},
		{"keys-http-like-loopback", "authn: {issuer: i, audience: a, jwksURL: 'http://127.0.0.1.evil.com/'}", "authn.jwksURL", "must begin with https://"},
		{"keys-not-a-url", "authn: {issuer: i, audience: a, jwksURL: issuer/keys}", "authn.jwksURL", "is not a URL"},
		{"keys-password", "authn: {issuer: i, audience: a, jwksURL: 'https://u:hunter2@i/keys'}", "authn.jwksURL", "user or password"},
		{"keys-ca-of-file", "authn: {issuer: i, audience: a, jwksFile: f, jwksCAFile: c}", "authn.jwksCAFile", "no use with jwksFile"},
		{"keys-cache-of-file", "authn: {issuer: i, audience: a, jwksFile: f, cacheFile: c}", "authn.cacheFile", "no use with jwksFile"},
		{"refresh-zero", "authn: {issuer: i, audience: a, jwksURL: 'https://i', refreshInterval: 0s}", "authn.refreshInterval", "at least 1s"},
		{"staleness-below-refresh", "authn: {issuer: i, audience: a, jwksURL: 'https://i', maxStaleness: 1m}", "authn.maxStaleness", "which is 10m"},
		{"system-without-prefix", "authn: {issuer: i, audience: a, jwksURL: 'https://i', allowSystemIdentities: [masters]}", "authn.allowSystemIdentities[0]", "does not begin with system:"},
		{"clusters-none", "clusters: []", "clusters", "at least one"},
		{"clusters-not-a-list", "clusters: {name: a}", "clusters", "must be a list"},
		{"cluster-text", "clusters: [prod]", "clusters[0]", "is a text"},
		{"cluster-no-name", "clusters: [{address: a, server: 'https://h', bearerTokenFile: t}]", "clusters[0].name", "is required"},
		{"cluster-bad-name", "clusters: [{name: 'a b', address: a, server: 'https://h', bearerTokenFile: t}]", "clusters[0].name", "letters, digits"},
		{"cluster-path-name", "clusters: [{name: '../x', address: a, server: 'https://h', bearerTokenFile: t}]", "clusters[0].name", "letters, digits"},
		{"cluster-no-address", "clusters: [{name: p, server: 'https://h', bearerTokenFile: t}]", "clusters[0].address", "is required"},
		{"cluster-address-url", "clusters: [{name: p, address: 'https://h', server: 'https://h', bearerTokenFile: t}]", "clusters[0].address", "is a URL"},
		{"cluster-address-port", "clusters: [{name: p, address: 'h:443', server: 'https://h', bearerTokenFile: t}]", "clusters[0].address", "without a port"},
		{"cluster-address-unicode", "clusters: [{name: p, address: '\u212aube', server: 'https://h', bearerTokenFile: t}]", "clusters[0].address", "is not a host name"},
		{"cluster-bad-alias", "clusters: [{name: p, aliases: ['a/b'], server: 'https://h', bearerTokenFile: t}]", "clusters[0].aliases[0]", "is not a host name"},
		{"cluster-no-server", "clusters: [{name: p, address: a, bearerTokenFile: t}]", "clusters[0].server", "is required"},
		{"cluster-server-http", "clusters: [{name: p, address: a, server: 'http://h', bearerTokenFile: t}]", "clusters[0].server", "must begin with https://"},
		{"cluster-server-password", "clusters: [{name: p, address: a, server: 'https://u:hunter2@h', bearerTokenFile: t}]", "clusters[0].server", "user or password"},
		{"cluster-bad-server-name", "clusters: [{name: p, address: a, server: 'https://h', serverName: 'a:1', bearerTokenFile: t}]", "clusters[0].serverName", "is not a host name"},
		{"cluster-no-credential", "clusters: [{name: p, address: a, server: 'https://h'}]", "clusters[0]", "gateway's credential"},
		{"cluster-two-credentials", "clusters: [{name: p, address: a, server: 'https://h', bearerTokenFile: t, clientCertificateFile: c, clientKeyFile: k}]", "clusters[0].bearerTokenFile", "cannot be used together"},
		{"cluster-no-client-key", "clusters: [{name: p, address: a, server: 'https://h', clientCertificateFile: c}]", "clusters[0].clientKeyFile", "is required"},
		{"cluster-no-client-certificate", "clusters: [{name: p, address: a, server: 'https://h', clientKeyFile: c}]", "clusters[0].clientCertificateFile", "is required"},
		{"cluster-name-twice", cluster + ", {name: p, address: b, server: 'https://h', bearerTokenFile: t}]", "clusters[1].name", "two clusters have the name"},
		{"cluster-address-twice", cluster + ", {name: q, address: a, server: 'https://h', bearerTokenFile: t}]", "clusters[1].address", "give each an alias"},
		{"cluster-alias-is-address", cluster + ", {name: q, aliases: [a], server: 'https://h', bearerTokenFile: t}]", "clusters[0].address", "is an alias of"},
		{"in-cluster-text", "clusters: [{name: p, address: a, inCluster: yes}]", "clusters[0].inCluster", "is not true or false"},
		{"timeout-negative", "timeouts: {idle: -1s}", "timeouts.idle", "is negative"},
		{"timeout-days", "timeouts: {streamIdle: 1d}", "timeouts.streamIdle", "longest unit is h"},
		{"timeout-list", "timeouts: {idle: [1s]}", "timeouts.idle", "is a list and must be a duration"},
		{"timeout-null", "timeouts: {idle: }", "timeouts.idle", "has no value"},
		{"limit-negative", "limits: {connectionsPerUser: -1}", "limits.connectionsPerUser", "between 0 and"},
		{"limit-text", "limits: {connections: many}", "limits.connections", "not a whole number"},
		{"limit-fraction", "limits: {connections: 1.5}", "limits.connections", "not a whole number"},
		{"limit-huge", "limits: {connections: 99999999999999999999}", "limits.connections", "not a whole number"},
		{"limit-line-over-head", "limits: {head: 8KiB}", "limits.line", "between 256B and 8KiB"},
		{"size-no-unit", "limits: {head: 65536}", "limits.head", "write 65536B"},
		{"size-decimal-unit", "limits: {head: 64KB}", "limits.head", "is not a size"},
		{"size-blank", "limits: {head: 64 KiB}", "limits.head", "is not a size"},
		{"size-fraction", "limits: {head: 1.5MiB}", "limits.head", "is not a size"},
		{"size-overflow", "limits: {head: 9999999999TiB}", "limits.head", "too large"},
		{"size-out-of-range", "limits: {head: 99999999999999999999B}", "limits.head", "too large"},
		{"recordings-no-dir", "recordings: {mode: strict}", "recordings.mode", "needs recordings.dir"},
		{"recordings-empty-dir", "recordings: {dir: '', mode: strict}", "recordings.dir", "needs recordings.dir"},
		{"recordings-mode", "recordings: {dir: d, mode: besteffort}", "recordings.mode", "did you mean best-effort?"},
		{"recordings-mode-empty", "recordings: {dir: d, mode: ''}", "recordings.mode", "one of strict, best-effort, off"},
		{"recordings-no-place-for-rule", "recordings: {rules: [{name: r, users: [a], mode: off}, {name: s, users: [a], mode: best-effort}]}", "recordings.rules[1].mode", "best-effort needs recordings.dir"},
		{"recordings-no-place-but-one-problem", "recordings: {mode: strict, rules: [{name: r, users: [a], mode: strict}]}", "recordings.mode", "strict needs recordings.dir"},
		{"recordings-dir-list", "recordings: {dir: [a], lines: stdout, mode: strict, quota: 1GiB}", "recordings.dir", "is a list"},
		{"recordings-lines-list", "recordings: {lines: [a], mode: strict}", "recordings.lines", "is a list"},
		{"recordings-lines-file", "recordings: {dir: d, lines: /var/log/x}", "recordings.lines", "must be stdout, or empty"},
		{"recordings-lines-bool", "recordings: {dir: d, lines: true}", "recordings.lines", "must be a text"},
		{"recordings-lines-no-key", "recordings: {lines: stdout}", "recordings.sealKeyFile", "is required next to recordings.lines"},
		{"recordings-lines-no-key-for-rule", "recordings: {lines: stdout, mode: off, rules: [{name: r, users: [a], mode: strict}]}", "recordings.sealKeyFile", "is required next to"},
		{"recordings-lines-quota", "recordings: {lines: stdout, sealKeyFile: k, quota: 1GiB}", "recordings.quota", "no use without recordings.dir"},
		{"recordings-lines-age", "recordings: {lines: stdout, sealKeyFile: k, retention: {maxAge: 1h}}", "recordings.retention.maxAge", "no use without recordings.dir"},
		{"recordings-lines-size", "recordings: {lines: stdout, sealKeyFile: k, retention: {maxSize: 1GiB}}", "recordings.retention.maxSize", "no use without recordings.dir"},
		{"recordings-format", "recordings: {dir: d, format: v1}", "recordings.format", "one of v2, v3"},
		{"recordings-format-number", "recordings: {dir: d, format: 2}", "recordings.format", "must be a text"},
		{"fsync-zero", "recordings: {dir: d, fsync: 0s}", "recordings.fsync", "at least 10ms"},
		{"fsync-minus-one", "recordings: {dir: d, fsync: -1ns}", "recordings.fsync", "is negative"},
		{"fsync-number", "recordings: {dir: d, fsync: 1}", "recordings.fsync", "write 1s"},
		{"fsync-word", "recordings: {dir: d, fsync: never}", "recordings.fsync", "write always"},
		{"fsync-list", "recordings: {dir: d, fsync: [1s]}", "recordings.fsync", "must be a duration as 1s, or always"},
		{"checkpoint-below-fsync", "recordings: {dir: d, fsync: 10s}", "recordings.checkpoint", "at least 10s"},
		{"checkpoint-with-always", "recordings: {dir: d, fsync: always, checkpoint: 500ms}", "recordings.checkpoint", "at least 1s"},
		{"checkpoint-zero", "recordings: {dir: d, checkpoint: 0s}", "recordings.checkpoint", "at least 1s"},
		{"checkpoint-always", "recordings: {dir: d, checkpoint: always}", "recordings.checkpoint", "is not a duration"},
		{"seal-key-public", "recordings: {dir: d, sealKeyFile: seal.pub}", "recordings.sealKeyFile", "name of a public key"},
		{"seal-key-pasted", "recordings: {dir: d, sealKeyFile: '-----BEGIN PRIVATE KEY----- hunter2'}", "recordings.sealKeyFile", "not its content"},
		{"keep-files-without-dir", "recordings: {lines: stdout, sealKeyFile: k, keepFiles: true}", "recordings.keepFiles", "needs recordings.dir"},
		{"input-text", "recordings: {dir: d, input: yes}", "recordings.input", "is not true or false"},
		{"notice-two-lines", "recordings: {dir: d, notice: \"a\\nb\"}", "recordings.notice", "must be one line"},
		{"notice-literal", "recordings:\n  dir: d\n  notice: |\n    a\n", "recordings.notice", "without |"},
		{"notice-escape", "recordings: {dir: d, notice: \"\\e[2J\"}", "recordings.notice", "control characters"},
		{"notice-c1", "recordings: {dir: d, notice: \"\\u009b2J\"}", "recordings.notice", "control characters"},
		{"notice-delete", "recordings: {dir: d, notice: \"\\x7f\"}", "recordings.notice", "control characters"},
		{"notice-line-separator", "recordings: {dir: d, notice: \"a\\u2028b\"}", "recordings.notice", "must be one line"},
		{"notice-long", "recordings: {dir: d, notice: " + strings.Repeat("ä", 256) + "x}", "recordings.notice", "has 513 octets"},
		{"max-session-small", "recordings: {dir: d, maxSession: 65535B}", "recordings.maxSession", "at least 64KiB"},
		{"max-session-no-unit", "recordings: {dir: d, maxSession: 0}", "recordings.maxSession", "write 0B"},
		{"retention-as-quota", "recordings: {dir: d, quota: 1GiB, retention: {maxSize: 1GiB}}", "recordings.retention.maxSize", "less than recordings.quota, which is 1GiB"},
		{"retention-over-quota-unknown", "recordings: {dir: d, quota: 1GB, retention: {maxSize: 1GiB}}", "recordings.quota", "is not a size"},
		{"retention-days", "recordings: {dir: d, retention: {maxAge: 30d}}", "recordings.retention.maxAge", "longest unit is h"},
		{"rules-not-a-list", "recordings: {dir: d, rules: {name: r}}", "recordings.rules", "must be a list"},
		{"rule-no-name", "recordings: {dir: d, rules: [{users: [a], mode: off}]}", "recordings.rules[0].name", "is required"},
		{"rule-name-blank", "recordings: {dir: d, rules: [{name: 'a b', users: [a], mode: off}]}", "recordings.rules[0].name", "letters, digits"},
		{"rule-name-twice", "recordings: {dir: d, rules: [{name: r, users: [a], mode: off}, {name: r, users: [b], mode: off}]}", "recordings.rules[1].name", "already the name of recordings.rules[0]"},
		{"rule-no-mode", "recordings: {dir: d, rules: [{name: r, users: [a]}]}", "recordings.rules[0].mode", "is required: strict, best-effort or off"},
		{"rule-mode-empty", "recordings: {dir: d, rules: [{name: r, users: [a], mode: ''}]}", "recordings.rules[0].mode", "one of strict"},
		{"rule-mode", "recordings: {dir: d, rules: [{name: r, users: [a], mode: exempt}]}", "recordings.rules[0].mode", "one of strict"},
		{"rule-exempts-all", "recordings: {dir: d, rules: [{name: r, mode: off}]}", "recordings.rules[0]", "exempts all sessions"},
		{"rule-exempts-all-by-empty-lists", "recordings: {dir: d, rules: [{name: r, users: [], groups: , namespaces: [], clusters: [], mode: off}]}", "recordings.rules[0]", "exempts all sessions"},
		{"rule-hides-others", "recordings: {dir: d, rules: [{name: r, mode: strict}, {name: s, users: [a], mode: off}]}", "recordings.rules[0]", "make it the last"},
		{"rule-list-broken", "recordings: {dir: d, rules: [{name: r, users: a, mode: off}]}", "recordings.rules[0].users", "must be a list"},
		{"rule-list-misspelled", "recordings: {dir: d, rules: [{name: r, user: [a], mode: off}]}", "recordings.rules[0].user", "did you mean users?"},
		{"rule-user-empty", "recordings: {dir: d, rules: [{name: r, users: [''], mode: off}]}", "recordings.rules[0].users[0]", "would match nobody"},
		{"rule-group-blank", "recordings: {dir: d, rules: [{name: r, groups: [a, 'b '], mode: off}]}", "recordings.rules[0].groups[1]", "blanks around"},
		{"rule-namespace-upper-case", "recordings: {dir: d, rules: [{name: r, namespaces: [Prod], mode: off}]}", "recordings.rules[0].namespaces[0]", "lower-case letters"},
		{"rule-cluster-unknown", "recordings: {dir: d, rules: [{name: r, clusters: [prdo], mode: off}]}", "recordings.rules[0].clusters[0]", "did you mean prod?"},
		{"rule-cluster-pattern", "recordings: {dir: d, rules: [{name: r, clusters: ['*'], mode: off}]}", "recordings.rules[0].clusters[0]", "is not the name of a cluster"},
		{"rule-cluster-empty", "recordings: {dir: d, rules: [{name: r, clusters: [''], mode: off}]}", "recordings.rules[0].clusters[0]", "is not the name of a cluster"},
		{"rule-of-broken-clusters", "clusters: {name: p}\nrecordings: {dir: d, rules: [{name: r, clusters: [p], mode: off}]}", "clusters", "must be a list"},
		{"audit-stderr", "audit: {output: stderr}", "audit.output", "must be stdout"},
		{"audit-empty", "audit: {output: ''}", "audit.output", "must be stdout"},
		{"log-level", "log: {level: warning}", "log.level", "did you mean warn?"},
		{"log-level-other", "log: {level: loud}", "log.level", "one of trace, debug"},
		{"log-format", "log: {format: text}", "log.format", "one of json, console"},
		{"anchor", "log: &x {level: info}", "log", "anchors, aliases and tags"},
		{"tag", "log: !!map {level: info}", "log", "anchors, aliases and tags"},
		{"merge", "log: {<<: {level: info}}", "log", "merged and complex keys"},
	} {
		t.Run(row.name, func(t *testing.T) {
			text := with(row.section)
			_, err := parse("test.yaml", "/etc/spliceway", []byte(text))
			var list *Error
			if !errors.As(err, &list) {
				t.Fatalf("parse(%q) = %v, want an *Error", row.section, err)
			}
			if len(list.Problems) != 1 {
				t.Errorf("parse(%q) found %d problems, want 1:\n%v", row.section, len(list.Problems), err)
			}
			p := list.Problems[0]
			if p.Key != row.key || !strings.Contains(p.Message, row.message) {
				t.Errorf("parse(%q) = %s: %s, want %s: %s", row.section, p.Key, p.Message, row.key, row.message)
			}
			if p.Line == 0 || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("parse(%q) = %v", row.section, err)
			}
		})
	}
}

// Each number has its least and its largest value, and is refused beyond.
func TestLimitsBorder(t *testing.T) {
	rows := map[string]struct{ below, least, top, above string }{
		"limits.connections":              {"0", "1", "10000000", "10000001"},
		"limits.connectionsPerSource":     {"-1", "0", "10000000", "10000001"},
		"limits.connectionsPerUser":       {"-1", "0", "10000000", "10000001"},
		"limits.unauthenticated":          {"0", "1", "10000000", "10000001"},
		"limits.unauthenticatedPerSource": {"-1", "0", "10000000", "10000001"},
		"limits.requestRate":              {"-1", "0", "10000000", "10000001"},
		"limits.requestBurst":             {"0", "1", "10000000", "10000001"},
		"limits.streamsPerUser":           {"-1", "0", "10000000", "10000001"},
		"limits.upstream":                 {"1", "2", "10000000", "10000001"},
		"limits.queue":                    {"-1", "0", "1000000", "1000001"},
		"limits.head":                     {"1023B", "1KiB, line: 1KiB", "32KiB", "32769B"},
		"limits.line":                     {"255B", "256B", "32KiB", "32769B"},
		"limits.fields":                   {"15", "16", "10000", "10001"},
		"limits.trailer":                  {"255B", "256B", "32KiB", "32769B"},
		"limits.idleUpstream":             {"-1", "0", "1000000", "1000001"},
	}
	keys, err := Reference()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		group, name, in := strings.Cut(key.Path, ".")
		if !in {
			continue
		}
		row, says := rows[key.Path], " must be between "
		switch group {
		case "limits":
			if row.top == "" {
				t.Errorf("%s has no row", key.Path)
			}
		case "timeouts":
			row.below, row.least, row.top, says = "999us", "1ms", "10000h", " must be at least 1ms"
		default:
			continue
		}
		for _, value := range []string{row.least, row.top} {
			if _, err := parse("c", "/", []byte(with(group+": {"+name+": "+value+"}"))); err != nil {
				t.Errorf("%s: %s is refused: %v", key.Path, value, err)
			}
		}
		for _, value := range []string{row.below, row.above} {
			if value == "" {
				continue
			}
			if _, err := parse("c", "/", []byte(with(group+": {"+name+": "+value+"}"))); err == nil || !strings.Contains(err.Error(), key.Path+":"+says) {
				t.Errorf("%s: %s = %v, want a refusal", key.Path, value, err)
			}
		}
	}
}

// Files that are no configuration at all.
func TestNotAConfiguration(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{
		{"empty", "", "needs a certificate"},
		{"comment-only", "# nothing\n", "needs a certificate"},
		{"text", "hello", "is a text and must be keys"},
		{"list", "- a\n", "is a list and must be keys"},
		{"two-documents", minimal + "---\nlisten: ':1'\n", "second document"},
		{"nul", "listen: \x00", "not text"},
		{"not-utf8", "listen: \xff", "not UTF-8"},
		{"binary", "\x7fELF\x01\x01\x00", "not text"},
		{"deep", strings.Repeat("[", maxFlow+1), "too many brackets"},
		{"deep-mapping", strings.Repeat("{a: ", maxFlow+1), "too many brackets"},
		{"large", strings.Repeat("#\n", maxFile), "at most"},
		{"alias-bomb", "a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n", "unknown key"},
		{"unclosed", "listen: [", "not YAML"},
		{"tab", "tls:\n\tcertificateFile: a\n", "not YAML"},
	} {
		t.Run(row.name, func(t *testing.T) {
			start := time.Now()
			cfg, err := parse("test.yaml", "/", []byte(row.text))
			if cfg != nil || err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("parse() = %v, %v, want error with %q", cfg, err, row.want)
			}
			if len(err.Error()) > 10000 {
				t.Errorf("message has %d octets", len(err.Error()))
			}
			if d := time.Since(start); d > 10*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	const jwt = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
	for _, text := range []string{
		"bearerToken: hunter2",
		"clusters:\n  - token: hunter2",
		"clusters: [{name: a, password: hunter2}]",
		"clusters:\n  - {name: a, password: hunter2}",
		"tls:\n  privateKey: |\n    -----BEGIN PRIVATE KEY-----\n    hunter2\n    -----END PRIVATE KEY-----\n",
		"password: 'hunter2", // a syntax error in its line
		"hunter2",
		"- hunter2: x",
		"clusters:\n  - name: a\n    bearerTokenFile: " + jwt,
		"clusters:\n  - name: a\n    server: https://u:hunter2@h\n",
		"authn: {jwksURL: 'https://u:hunter2@h'}",
		"authn: {jwksURL: 'htps://u:hunter2@h'}",
		"authn: {jwksURL: 'https://u:hunter2@h h/%'}",
		"tracing: {endpoint: 'htps://u:hunter2@h'}",
		"log: {level: " + jwt + "}",
		"listen: " + jwt,
		"clusters:\n  - name: " + jwt + "\n    address: " + jwt + "\n    aliases:\n      - " + jwt,
		jwt + ": x",
	} {
		_, err := parse("test.yaml", "/", []byte(text))
		if err == nil {
			t.Fatalf("parse(%q) is accepted", text)
		}
		// The last two rows' key and the bare text are told by kind only.
		if msg := err.Error(); strings.Contains(msg, "eyJ") || strings.Contains(msg, "hunter2") && !strings.HasPrefix(text, "- hunter2") {
			t.Errorf("parse(%q) shows a secret:\n%v", text, msg)
		}
	}
}

func TestNearest(t *testing.T) {
	keys := []string{"certificateFile", "privateKeyFile", "listen", "level", "bearerTokenFile", "clusters", "ca"}
	for _, row := range []struct{ name, want string }{
		{"certificate_file", "certificateFile"},
		{"certificatefile", "certificateFile"},
		{"CertificateFile", "certificateFile"},
		{"certificate", "certificateFile"},
		{"certficateFile", "certificateFile"},
		{"lisetn", "listen"},
		{"bearerToken", "bearerTokenFile"},
		{"cluster", "clusters"},
		{"lvl", ""},
		{"x", ""},
		{"", ""},
		{"--", ""},
		{"cb", ""},
		{"somethingElse", ""},
	} {
		if got := nearest(row.name, keys); got != row.want {
			t.Errorf("nearest(%q) = %q, want %q", row.name, got, row.want)
		}
	}
}

func TestSizeString(t *testing.T) {
	for size, want := range map[Size]string{0: "0B", 1: "1B", 1023: "1023B", 1024: "1KiB", 1536: "1536B", 1 << 20: "1MiB", 3 << 30: "3GiB", 1 << 40: "1TiB"} {
		if got := size.String(); got != want {
			t.Errorf("Size(%d).String() = %q, want %q", int64(size), got, want)
		}
		if back, err := scalarSize(want, kindString); err != nil || back != size {
			t.Errorf("scalarSize(%q) = %v, %v, want %d", want, back, err, int64(size))
		}
	}
}

func TestDurationText(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0s", 1500 * time.Millisecond: "1.5s", time.Minute: "1m", 90 * time.Second: "1m30s",
		time.Hour: "1h", 90 * time.Minute: "1h30m", time.Hour + time.Second: "1h0m1s", 24 * time.Hour: "24h", 10 * time.Minute: "10m"} {
		if got := durationText(d); got != want {
			t.Errorf("durationText(%v) = %q, want %q", d, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte(everything))
	f.Add([]byte("a: &x [*x]\n<<: *x\n? y\n: z\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4096 {
			return
		}
		cfg, err := parse("test.yaml", "/etc/spliceway", data)
		if (cfg == nil) == (err == nil) {
			t.Fatalf("parse(%q) = %v, %v", data, cfg, err)
		}
		if err != nil {
			_ = err.Error()
			return
		}
		checkRecordings(t, cfg)
		out, err := cfg.Effective()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parse("effective.yaml", "/", out); err != nil {
			t.Errorf("what is effective of %q does not load: %v\n%s", data, err, out)
		}
	})
}

// What is shown of a file can't speak to the terminal that it is shown on.
func TestErrorsAreHarmless(t *testing.T) {
	_, err := parse("test.yaml", "/", []byte("\"\x1b[31m\u202e\u0085key\": 1\n"))
	if err == nil {
		t.Fatal("parse took an unknown key")
	}
	for _, r := range err.Error() {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("the message has %q:\n%q", r, err)
		}
	}
}

func TestCarriageReturnAlone(t *testing.T) {
	if _, err := parse("test.yaml", "/", []byte("listen: \":1\"\rmetrics: {}\n")); err == nil || !strings.Contains(err.Error(), "carriage return") {
		t.Errorf("parse = %v, want a word about the carriage return", err)
	}
	if _, err := parse("test.yaml", "/", []byte(strings.ReplaceAll(minimal, "\n", "\r\n"))); err != nil {
		t.Errorf("parse of lines with CR LF = %v", err)
	}
}
