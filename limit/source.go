package limit

import "net/netip"

// sourceBits is how much of an IPv6 address tells one site from another: a client
// usually has all addresses of a /64 to choose from. RFC 4291, Section 2.5.1.
const sourceBits = 64

// Source returns what counts as one source of connections: an IPv4 address, or the
// network of an IPv6 one. Of an address that is not valid it is the zero Addr.
func Source(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if !addr.Is6() {
		return addr
	}
	prefix, err := addr.Prefix(sourceBits)
	if err != nil {
		panic("limit: internal error: " + err.Error()) // 64 is within any IPv6 address
	}
	return prefix.Addr()
}
