package tlsmux

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/pires/go-proxyproto"
)

// proxyBuffer holds the header of version 1 (107 octets) and the usual one of
// version 2; a longer one is read in parts.
const proxyBuffer = 256

// readProxyHeader reads the PROXY protocol header that a trusted peer must
// send. It returns the client's address, which is zero when the header names
// none (LOCAL, UNKNOWN: the peer speaks for itself, as in a health check), and
// the octets that were read behind the header.
func readProxyHeader(conn net.Conn) (client netip.AddrPort, ahead []byte, err error) {
	reader := bufio.NewReaderSize(conn, proxyBuffer)
	// The library takes a connection that was closed for a missing header.
	if _, err := reader.Peek(1); err != nil {
		return netip.AddrPort{}, nil, err
	}
	header, err := proxyproto.Read(reader)
	if err != nil {
		return netip.AddrPort{}, nil, fmt.Errorf("%w: %w", errProxyHeader, err)
	}
	if !header.Command.IsLocal() {
		source, _, ok := header.TCPAddrs()
		if !ok {
			return netip.AddrPort{}, nil, fmt.Errorf("%w: the client's address is not one of TCP", errProxyHeader)
		}
		client = unmapAddrPort(source.AddrPort())
	}
	if n := reader.Buffered(); n > 0 {
		read, _ := reader.Peek(n)
		ahead = slices.Clone(read)
	}
	return client, ahead, nil
}

var errProxyHeader = errors.New("tlsmux: no good PROXY header")

// trusts tells whether the peer is one of the load balancers.
func (cfg *Config) trusts(peer netip.AddrPort) bool {
	addr := peer.Addr().WithZone("") // a prefix contains no address with a zone
	for _, prefix := range cfg.ProxyTrusted {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// unmapPrefix turns an IPv4 network in IPv6 clothes into an IPv4 one, as
// addresses are.
func unmapPrefix(prefix netip.Prefix) (netip.Prefix, error) {
	const mapped = 96 // the bits in front of the IPv4 address
	switch {
	case !prefix.IsValid():
		return prefix, errors.New("tlsmux: a trusted prefix is not valid")
	case !prefix.Addr().Is4In6():
		return prefix.Masked(), nil
	case prefix.Bits() < mapped:
		return prefix, fmt.Errorf("tlsmux: trusted prefix %s is wider than all IPv4 addresses", prefix)
	}
	return netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-mapped).Masked(), nil
}

// addrPort returns the IP address and port of an address of the net package,
// or the zero value if it has none.
func addrPort(addr net.Addr) netip.AddrPort {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return unmapAddrPort(tcp.AddrPort())
	}
	return netip.AddrPort{}
}

func unmapAddrPort(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
