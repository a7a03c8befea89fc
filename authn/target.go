package authn

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// Resource is what a token opens.
type Resource struct {
	ID             string
	Type           string   // ResourceKubernetes
	Address        string   // as the token says: host name, "*." pattern or IP address
	Aliases        []string // further names under which a client may ask for it
	DownstreamPort int      // the only port of a CONNECT target; 0 in the older generation: any
	UpstreamPort   int      // what the token says of the resource's own port; 0 in the older generation
}

// MatchTarget verifies that the token permits the CONNECT target hostport, in
// authority form, and returns its host: lower-cased, an IP address in canonical
// form and without brackets. Its errors are ErrTarget.
//
// The host must equal the resource's address ignoring the case of ASCII letters,
// or one of its aliases, or consist of one more label than an address that
// begins with "*.". IP addresses are compared as addresses. The port must equal
// the resource's downstream port, if it has one. Then, too, the host (for an
// alias: the address behind it) must be a plain DNS name or an IP address.
func (g *Grant) MatchTarget(hostport string) (host string, err error) {
	host, port, err := splitTarget(hostport)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrTarget, err)
	}
	resource := &g.Resource
	if resource.DownstreamPort != 0 && port != resource.DownstreamPort {
		return "", fmt.Errorf("%w: port %d instead of %d", ErrTarget, port, resource.DownstreamPort)
	}
	upstream := host
	if !matchAddress(resource.Address, host) {
		if !matchAlias(resource.Aliases, host) {
			return "", fmt.Errorf("%w: host %s", ErrTarget, quote(host))
		}
		upstream = canonicalHost(resource.Address)
	}
	if resource.DownstreamPort != 0 && !plainHost(upstream) {
		return "", fmt.Errorf("%w: %s is no plain host", ErrTarget, quote(upstream))
	}
	return host, nil
}

// splitTarget splits the authority form (RFC 9112, Section 3.2.3).
func splitTarget(hostport string) (host string, port int, err error) {
	host, digits, err := net.SplitHostPort(hostport)
	if err != nil {
		return "", 0, fmt.Errorf("%s is not host:port", quote(hostport))
	}
	// SplitHostPort also takes brackets around a name.
	if bracketed := hostport[0] == '['; bracketed && !isIPv6(host) {
		return "", 0, fmt.Errorf("%s has no IPv6 address in brackets", quote(hostport))
	}
	if host == "" || strings.ContainsFunc(host, notVisible) {
		return "", 0, fmt.Errorf("%s has no host", quote(hostport))
	}
	port, err = strconv.Atoi(digits)
	if err != nil || !validPort(port) || strconv.Itoa(port) != digits {
		return "", 0, fmt.Errorf("%s has no port", quote(hostport))
	}
	return canonicalHost(host), port, nil
}

func notVisible(r rune) bool { return r <= ' ' || r > '~' }

func isIPv6(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Is6() && addr.Zone() == ""
}

// canonicalHost is the form in which hosts are compared. The case of other
// letters than ASCII's is left alone: folding would equate U+212A with "k".
func canonicalHost(host string) string {
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' && isIPv6(host[1:len(host)-1]) {
		host = host[1 : len(host)-1]
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.String()
	}
	return strings.Map(lower, host)
}

func lower(r rune) rune {
	if r >= 'A' && r <= 'Z' {
		r += 'a' - 'A'
	}
	return r
}

// matchAddress reports whether the canonical host is the one that address names,
// or is of its pattern.
func matchAddress(address, host string) bool {
	address = canonicalHost(address)
	if !strings.HasPrefix(address, "*.") {
		return host == address
	}
	label, ok := strings.CutSuffix(host, address[1:])
	return ok && plainLabel(label) && !isIP(host)
}

func matchAlias(aliases []string, host string) bool {
	for _, alias := range aliases {
		if canonicalHost(alias) == host {
			return true
		}
	}
	return false
}

func isIP(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// plainHost reports whether host is an IP address or letters, digits and hyphens
// in labels (RFC 1123, Section 2.1).
func plainHost(host string) bool {
	if isIP(host) {
		return true
	}
	if len(host) > 253 {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if !plainLabel(label) {
			return false
		}
	}
	return true
}

func plainLabel(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for _, c := range []byte(label) {
		if c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}
