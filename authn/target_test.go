package authn

import (
	"errors"
	"strings"
	"testing"
)

func TestMatchTarget(t *testing.T) {
	long := strings.Repeat("a", 63)
	name253 := strings.Repeat("a.", 126) + "a"
	for _, row := range []struct {
		name    string
		address string
		aliases []string
		port    int
		target  string
		want    string // "" for a refusal
	}{
		{"name", "prod.int", nil, 443, "prod.int:443", "prod.int"},
		{"name-other-case", "Prod.int", nil, 443, "pROD.INT:443", "prod.int"},
		{"name-other", "prod.int", nil, 443, "test.int:443", ""},
		{"name-longer", "prod.int", nil, 443, "prod.int.evil:443", ""},
		{"name-final-dot", "prod.int", nil, 443, "prod.int.:443", ""},
		{"kelvin-sign", "kube.int", nil, 0, "\u212aube.int:443", ""},
		{"single-label", "prod", nil, 443, "prod:443", "prod"},
		{"name-253", name253, nil, 443, name253 + ":443", name253},
		{"name-254", "b" + name253, nil, 443, "b" + name253 + ":443", ""},
		{"underscore-older", "my_cluster", nil, 0, "my_cluster:443", "my_cluster"},
		{"underscore-newer", "my_cluster", nil, 443, "my_cluster:443", ""},

		{"port-other", "prod.int", nil, 443, "prod.int:6443", ""},
		{"port-any-older", "prod.int", nil, 0, "prod.int:6443", "prod.int"},
		{"port-missing", "prod.int", nil, 0, "prod.int", ""},
		{"port-empty", "prod.int", nil, 0, "prod.int:", ""},
		{"port-zero", "prod.int", nil, 0, "prod.int:0", ""},
		{"port-65535", "prod.int", nil, 0, "prod.int:65535", "prod.int"},
		{"port-65536", "prod.int", nil, 0, "prod.int:65536", ""},
		{"port-leading-zero", "prod.int", nil, 443, "prod.int:0443", ""},
		{"port-signed", "prod.int", nil, 443, "prod.int:+443", ""},
		{"port-name", "prod.int", nil, 443, "prod.int:https", ""},
		{"port-twice", "prod.int", nil, 443, "prod.int:443:443", ""},

		{"empty", "prod.int", nil, 0, "", ""},
		{"host-empty", "prod.int", nil, 0, ":443", ""},
		{"host-blank", "prod.int", nil, 0, " prod.int:443", ""},
		{"host-with-blank", "prod int", nil, 0, "prod int:443", ""},
		{"host-not-ascii", "b\u00fccher.int", nil, 0, "b\u00fccher.int:443", ""},
		{"host-nul", "prod.int", nil, 0, "prod.int\x00:443", ""},
		{"host-with-user", "prod.int", nil, 0, "ann@prod.int:443", ""},
		{"host-in-brackets", "prod.int", nil, 0, "[prod.int]:443", ""},
		{"url", "prod.int", nil, 0, "https://prod.int:443", ""},

		{"pattern", "*.int", nil, 443, "prod.int:443", "prod.int"},
		{"pattern-other-case", "*.Int", nil, 443, "PROD.iNT:443", "prod.int"},
		{"pattern-older", "*.int", nil, 0, "prod.int:443", "prod.int"},
		{"pattern-two-labels", "*.int", nil, 443, "a.prod.int:443", ""},
		{"pattern-no-label", "*.int", nil, 443, ".int:443", ""},
		{"pattern-suffix-only", "*.int", nil, 443, "int:443", ""},
		{"pattern-without-dot", "*.int", nil, 443, "print:443", ""},
		{"pattern-itself", "*.int", nil, 443, "*.int:443", ""},
		{"pattern-itself-older", "*.int", nil, 0, "*.int:443", ""},
		{"pattern-label-underscore", "*.int", nil, 443, "a_b.int:443", ""},
		{"pattern-label-brace", "*.int", nil, 0, "a{b.int:443", ""},
		{"pattern-label-hyphen-first", "*.int", nil, 443, "-a.int:443", ""},
		{"pattern-label-hyphen-last", "*.int", nil, 443, "a-.int:443", ""},
		{"pattern-label-hyphen-inside", "*.int", nil, 443, "a-b.int:443", "a-b.int"},
		{"pattern-label-63", "*.int", nil, 443, long + ".int:443", long + ".int"},
		{"pattern-label-64", "*.int", nil, 443, "a" + long + ".int:443", ""},
		{"pattern-ip", "*.0.0.1", nil, 443, "10.0.0.1:443", ""},
		{"pattern-star-inside", "a.*.int", nil, 443, "a.b.int:443", ""},
		{"pattern-bare-star", "*", nil, 443, "prod:443", ""},
		{"pattern-suffix-underscore", "*.my_net", nil, 443, "a.my_net:443", ""},

		{"alias", "10.0.0.1", []string{"a.int", "b.int"}, 443, "B.int:443", "b.int"},
		{"alias-other-port", "10.0.0.1", []string{"a.int"}, 443, "a.int:80", ""},
		{"alias-none-fits", "10.0.0.1", []string{"a.int"}, 443, "c.int:443", ""},
		{"alias-empty", "10.0.0.1", []string{""}, 0, ":443", ""},
		{"alias-is-no-pattern", "10.0.0.1", []string{"*.int"}, 443, "a.int:443", ""},
		{"alias-of-pattern", "*.int", []string{"prod"}, 443, "prod:443", ""},
		{"alias-of-unclean-address", "my_cluster", []string{"prod"}, 443, "prod:443", ""},
		{"alias-unclean-itself", "prod.int", []string{"my_cluster"}, 443, "my_cluster:443", "my_cluster"},

		{"ipv4", "10.0.0.1", nil, 443, "10.0.0.1:443", "10.0.0.1"},
		{"ipv4-other", "10.0.0.1", nil, 443, "10.0.0.11:443", ""},
		{"ipv4-octal", "10.0.0.1", nil, 443, "10.0.0.01:443", ""},
		{"ipv6", "2001:db8::1", nil, 443, "[2001:db8::1]:443", "2001:db8::1"},
		{"ipv6-bracketed-in-token", "[2001:db8::1]", nil, 443, "[2001:db8::1]:443", "2001:db8::1"},
		{"ipv6-other-spelling", "2001:db8::1", nil, 443, "[2001:DB8:0:0::0001]:443", "2001:db8::1"},
		{"ipv6-other", "2001:db8::1", nil, 443, "[2001:db8::2]:443", ""},
		{"ipv6-without-brackets", "2001:db8::1", nil, 0, "2001:db8::1:443", ""},
		{"ipv6-zone", "fe80::1", nil, 0, "[fe80::1%25eth0]:443", ""},
		{"ipv6-zone-in-both", "fe80::1%eth0", nil, 0, "[fe80::1%eth0]:443", ""},
		{"ipv4-in-brackets", "10.0.0.1", nil, 0, "[10.0.0.1]:443", ""},
		{"ipv4-mapped", "10.0.0.1", nil, 0, "[::ffff:10.0.0.1]:443", ""},
		{"ipv6-alias", "prod.int", []string{"2001:db8::1"}, 443, "[2001:db8::1]:443", "2001:db8::1"},
	} {
		t.Run(row.name, func(t *testing.T) {
			g := &Grant{Resource: Resource{Address: row.address, Aliases: row.aliases, DownstreamPort: row.port}}
			host, err := g.MatchTarget(row.target)
			if host != row.want {
				t.Errorf("MatchTarget(%q) = %q, %v, want %q", row.target, host, err, row.want)
			}
			if (row.want == "") != errors.Is(err, ErrTarget) || (row.want != "" && err != nil) {
				t.Errorf("MatchTarget(%q) error = %v", row.target, err)
			}
		})
	}
}
