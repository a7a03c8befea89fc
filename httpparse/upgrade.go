package httpparse

import "iter"

// Protocol is what a connection speaks once both heads agree to leave HTTP/1.1.
type Protocol uint8

const (
	// ProtocolNone: no upgrade, the message is ordinary HTTP/1.1.
	ProtocolNone Protocol = iota
	// ProtocolWebSocket: RFC 6455, version 13.
	ProtocolWebSocket
	// ProtocolSPDY: SPDY/3.1 as kubectl and the API server use it for streams.
	ProtocolSPDY
)

// String returns the word that logs and metrics use: "http1", "websocket" or "spdy".
func (p Protocol) String() string {
	switch p {
	case ProtocolNone:
		return "http1"
	case ProtocolWebSocket:
		return "websocket"
	case ProtocolSPDY:
		return "spdy"
	}
	return "unknown"
}

// upgradeLines are what a head says in canonical form to upgrade to the protocol.
var upgradeLines = [...]string{
	ProtocolNone:      "",
	ProtocolWebSocket: "Connection: Upgrade\r\nUpgrade: websocket\r\n",
	ProtocolSPDY:      "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n",
}

// parseUpgrade reads the value of an Upgrade field: exactly one protocol. One that is not known is none.
//
//	Upgrade          = #protocol
//	protocol         = protocol-name ["/" protocol-version]       (RFC 9110, Section 7.8)
func parseUpgrade(value []byte) (p Protocol, ok bool) {
	element, rest, ok := nextElement(value, isSubprotocol)
	if !ok || rest != nil {
		return ProtocolNone, false
	}
	switch {
	case equalFold(element, "websocket"):
		return ProtocolWebSocket, true
	case equalFold(element, "spdy/3.1"):
		return ProtocolSPDY, true
	}
	return ProtocolNone, true
}

// bearerPrefix begins the subprotocol that carries a bearer token to the API server.
const bearerPrefix = "base64url.bearer.authorization.k8s.io."

// isBearer tells whether a subprotocol is a token in disguise.
func isBearer(subprotocol []byte) bool { return hasPrefixFold(subprotocol, bearerPrefix) }

// parseSubprotocols checks the list of subprotocols that a client offers. It has to be a strict list: the API
// server trims what Unicode calls space around each name, and would find a token behind a no-break space.
func parseSubprotocols(list []byte) (bearer, ok bool) {
	for rest := list; ; {
		var name []byte
		if name, rest, ok = nextElement(rest, isSubprotocol); !ok {
			return false, false
		}
		bearer = bearer || isBearer(name)
		if rest == nil {
			return bearer, true
		}
	}
}

// Subprotocols yields those that the request offers to the server, in the way of its upgrade.
func (r *Request) Subprotocols() iter.Seq[[]byte] {
	c := classSubprotocol
	if r.Upgrade == ProtocolSPDY {
		c = classStreamProtocol
	}
	return func(yield func([]byte) bool) {
		for i := range r.Header {
			if r.Header[i].class != c {
				continue
			}
			for rest := r.Header[i].Value; len(rest) > 0; {
				var name []byte
				var ok bool
				if name, rest, ok = nextElement(rest, isSubprotocol); !ok {
					break // an X-Stream-Protocol-Version that is no list offers nothing
				}
				if !isBearer(name) && !yield(name) {
					return
				}
			}
		}
	}
}

// offers tells whether the request offers the subprotocol to the server, and whether it offers any.
func (r *Request) offers(subprotocol []byte) (this, any bool) {
	for name := range r.Subprotocols() {
		any = true
		this = this || string(name) == string(subprotocol)
	}
	return this, any
}
