package fuzz

import (
	"errors"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/spliceway/spliceway/authn"
)

// FuzzTarget matches targets with what a token opens. Aliases are separated by
// commas.
func FuzzTarget(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, address, aliases string, port uint16, target string) {
		r := authn.Resource{Address: address, DownstreamPort: int(port)}
		if aliases != "" {
			r.Aliases = strings.Split(aliases, ",")
		}
		got, err := (&authn.Grant{Resource: r}).MatchTarget(target)
		want, ok := permitted(&r, target)
		if (err == nil) != ok || got != want {
			t.Fatalf("%+v: MatchTarget(%q) = %q, %v, want %q, %v", r, target, got, err, want, ok)
		}
		if err != nil && (!errors.Is(err, authn.ErrTarget) || authn.Status(err) != 400) {
			t.Fatalf("MatchTarget(%q) = %v", target, err)
		}
	})
}

var (
	portForm  = regexp.MustCompile(`^[1-9][0-9]{0,4}$`)
	hostForm  = regexp.MustCompile(`^[!-~]+$`)
	labelForm = regexp.MustCompile(`^[0-9A-Za-z]([-0-9A-Za-z]{0,61}[0-9A-Za-z])?$`)
)

// permitted returns the host of a target that the resource permits, as the comment
// of MatchTarget says.
func permitted(r *authn.Resource, target string) (host string, ok bool) {
	colon := strings.LastIndexByte(target, ':')
	if colon < 0 {
		return "", false
	}
	host, digits := target[:colon], target[colon+1:]
	bracketed := strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]")
	if bracketed {
		host = host[1 : len(host)-1]
	}
	address, err := netip.ParseAddr(host)
	isIPv6 := err == nil && address.Is6() && address.Zone() == ""
	port, _ := strconv.Atoi(digits)
	if !portForm.MatchString(digits) || port > 65535 || !hostForm.MatchString(host) || bracketed != strings.Contains(host, ":") ||
		bracketed && !isIPv6 || strings.ContainsAny(host, "[]") {
		return "", false
	}
	if r.DownstreamPort != 0 && port != r.DownstreamPort {
		return "", false
	}
	host = canonical(host)
	upstream := host
	if !ofAddress(r.Address, host) {
		found := false
		for _, alias := range r.Aliases {
			found = found || canonical(alias) == host
		}
		if upstream = canonical(r.Address); !found {
			return "", false
		}
	}
	if r.DownstreamPort != 0 && !isPlain(upstream) {
		return "", false
	}
	return host, true
}

// ofAddress tells whether a host in canonical form is the one of an address or of
// its pattern.
func ofAddress(address, host string) bool {
	address = canonical(address)
	domain, isPattern := strings.CutPrefix(address, "*.")
	if !isPattern {
		return host == address
	}
	label, rest, ok := strings.Cut(host, ".")
	_, err := netip.ParseAddr(host)
	return ok && rest == domain && labelForm.MatchString(label) && err != nil
}

// canonical returns a name in lower case, and an address as it is usually written.
func canonical(host string) string {
	inner := host
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		inner = host[1 : len(host)-1]
	}
	if address, err := netip.ParseAddr(inner); err == nil && (inner == host || address.Is6() && address.Zone() == "") {
		return address.String()
	}
	b := []byte(host)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c - 'A' + 'a'
		}
	}
	return string(b)
}

// isPlain tells whether a host is an address or a name of the DNS.
func isPlain(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	for label := range strings.SplitSeq(host, ".") {
		if !labelForm.MatchString(label) {
			return false
		}
	}
	return len(host) <= 253
}

func targetSeeds(testing.TB) (seeds []seed) {
	for _, address := range []string{"10.0.0.1", "a.int", "A.int", "*.int", "[::1]", "::1", "*.*.int", "a_b.int", "::ffff:10.0.0.1", "*.0.0.1", ""} {
		for _, target := range []string{"10.0.0.1:443", "a.int:443", "A.INT:443", "[::1]:443", "::1:443", "b.a.int:443", "a.int:0443",
			"a.int:65536", "[a.int]:443", "[0:0::1]:443", "a_b.int:443", "alias.int:443", "a.int", ":443", "[fe80::1%eth0]:443", "\u212a.int:443",
			"[::ffff:10.0.0.1]:443", "10.0.0.01:443", "10.0.0.1.:443", "-.int:443"} {
			seeds = append(seeds, seed{address, "alias.int,[::2]", uint16(0), target}, seed{address, "", uint16(443), target})
		}
	}
	return seeds
}
