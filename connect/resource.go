package connect

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spliceway/spliceway/issuer"
)

const (
	// resourcesFresh is for how long the list of resources is used without asking again.
	resourcesFresh = 5 * time.Minute
	// resourcesRetry is how old the list may be when a host is not on it: it may just have been given to the user.
	resourcesRetry = 5 * time.Second
	// forever a list is better than none: tokens decide, and the issuer may be down.
	forever = 100 * 365 * 24 * time.Hour
)

// resourceList finds the resource that a CONNECT is about.
type resourceList struct {
	lease[[]issuer.ResourceInfo]
}

func holdResources(list []issuer.ResourceInfo, now time.Time) held[[]issuer.ResourceInfo] {
	return held[[]issuer.ResourceInfo]{value: list, fetched: now, renewAt: now.Add(resourcesFresh), expires: now.Add(forever)}
}

// find returns the resource for a target, which is host:port.
func (l *resourceList) find(ctx context.Context, target string) (*issuer.ResourceInfo, error) {
	host, port, err := splitTarget(target)
	if err != nil {
		return nil, &refusal{status: http.StatusBadRequest, what: "the target is not host:port", err: err}
	}
	list, err := l.get(ctx)
	if err != nil {
		return nil, err
	}
	resource, otherPort := match(list.value, host, port)
	if resource == nil {
		// A failure does not matter here: the list in hand has given an answer.
		if list, err = l.renewed(ctx, time.Now().Add(-resourcesRetry)); err == nil {
			resource, otherPort = match(list.value, host, port)
		}
	}
	if resource != nil {
		return resource, nil
	}
	r := &refusal{
		status: http.StatusForbidden,
		what:   "no resource of yours has this host",
		detail: printable(host, maxDetail),
		hint:   "run spliceway connect kubeconfig again or ask the administrator for access",
	}
	if otherPort != 0 {
		r.what = "the resource is on another port"
		r.detail = fmt.Sprintf("%s, port %d instead of %d", printable(host, maxDetail), otherPort, port)
		r.hint = "run spliceway connect kubeconfig again"
	}
	return nil, r
}

func splitTarget(target string) (host string, port int, err error) {
	host, digits, err := net.SplitHostPort(target)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return "", 0, err
	}
	return host, int(n), nil
}

// match prefers a host that is written out to a pattern. When only the port is wrong, it returns the right one.
func match(list []issuer.ResourceInfo, host string, port int) (found *issuer.ResourceInfo, otherPort int) {
	for _, matches := range []func(*issuer.ResourceInfo, string) bool{isExactly, isPattern} {
		for i := range list {
			r := &list[i]
			switch {
			case !matches(r, host):
			case r.Port == 0 || r.Port == port:
				return r, 0
			case otherPort == 0:
				otherPort = r.Port
			}
		}
	}
	return nil, otherPort
}

func isExactly(r *issuer.ResourceInfo, host string) bool {
	if sameHost(r.Address, host) {
		return true
	}
	for _, alias := range r.Aliases {
		if sameHost(alias, host) {
			return true
		}
	}
	return false
}

// isPattern reports whether host is one label in front of the domain of an address "*.domain".
func isPattern(r *issuer.ResourceInfo, host string) bool {
	domain, ok := strings.CutPrefix(r.Address, "*")
	if !ok || len(host) <= len(domain) {
		return false
	}
	label, rest := host[:len(host)-len(domain)], host[len(host)-len(domain):]
	return strings.EqualFold(rest, domain) && !strings.Contains(label, ".")
}

// sameHost compares addresses as addresses: IPv6 can be written in several ways.
func sameHost(a, b string) bool {
	if strings.EqualFold(a, b) {
		return true
	}
	x, errX := netip.ParseAddr(a)
	y, errY := netip.ParseAddr(b)
	return errX == nil && errY == nil && x == y
}
