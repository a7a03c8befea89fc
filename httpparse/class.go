package httpparse

// class is what a field name stands for. It decides what is checked of a field and whether it is forwarded.
type class uint8

const (
	classOrdinary         class = iota // forwarded as it came
	classHost                          // Host
	classContentLength                 // Content-Length
	classTransferEncoding              // Transfer-Encoding
	classConnection                    // Connection
	classUpgrade                       // Upgrade
	classExpect                        // Expect
	classHop                           // Keep-Alive, Proxy-*, TE, Trailer, HTTP2-Settings: for one hop only
	classIdentity                      // Authorization, Impersonate-*, X-Remote-*: who asks
	classOrigin                        // Forwarded, X-Forwarded-*, X-Real-Ip, Audit-ID: what the gateway says of a request
	classExtensions                    // Sec-WebSocket-Extensions
	classSubprotocol                   // Sec-WebSocket-Protocol
	classKey                           // Sec-WebSocket-Key
	classVersion                       // Sec-WebSocket-Version
	classAccept                        // Sec-WebSocket-Accept
	classStreamProtocol                // X-Stream-Protocol-Version
)

// classSet is a set of classes, one bit each.
type classSet uint32

const (
	// single are the fields that a head may have once. RFC 9112, Section 3.2 (Host); whoever takes the first and
	// whoever takes the last of the others would see two messages.
	single = classSet(1<<classHost | 1<<classContentLength | 1<<classTransferEncoding | 1<<classUpgrade |
		1<<classExpect | 1<<classKey | 1<<classVersion | 1<<classAccept)

	// singleInResponse are those that make a list in a request, and one choice of it in a response.
	singleInResponse = single | classSet(1<<classSubprotocol|1<<classStreamProtocol)

	// dropped are the fields that are never forwarded in either direction as they came; what is still true of
	// them behind the gateway is printed anew. RFC 9110, Section 7.6.1.
	dropped = classSet(1<<classConnection | 1<<classUpgrade | 1<<classHop)

	// droppedFromRequest are, in addition, those that a client has no say in.
	droppedFromRequest = dropped | classSet(1<<classHost|1<<classExpect|1<<classIdentity|1<<classOrigin|
		1<<classExtensions)

	// framing are the fields that say where a body ends.
	framing = classSet(1<<classContentLength | 1<<classTransferEncoding)

	// nominable are the fields with a meaning that a peer may name in Connection. Naming another one would
	// make the next hop lose what the gateway or the framing relies on.
	nominable = classSet(1<<classOrdinary | 1<<classHop | 1<<classUpgrade | 1<<classExtensions)
)

// has tells whether c is in the set.
func (s classSet) has(c class) bool { return s>>c&1 != 0 }

// classify returns the class of a field name. Most names are told apart by their first letter and their length; at most
// one of the names or beginnings that a line compares with can match, which is why their classes can be or-ed.
func classify(name []byte) class {
	if len(name) == 0 {
		return classOrdinary
	}
	switch lower(name[0]) {
	case 'a':
		return classifyA(name)
	case 'c':
		return match(name, "content-length", classContentLength) | match(name, "connection", classConnection)
	case 'e':
		return match(name, "expect", classExpect)
	case 'f':
		return match(name, "forwarded", classOrigin)
	case 'h':
		return match(name, "host", classHost) | match(name, "http2-settings", classHop)
	case 'i':
		return matchPrefix(name, "impersonate-", classIdentity)
	case 'k':
		return match(name, "keep-alive", classHop)
	case 'p':
		return matchPrefix(name, "proxy-", classHop)
	case 's':
		return classifyWebSocket(name)
	case 't':
		return match(name, "transfer-encoding", classTransferEncoding) | match(name, "te", classHop) |
			match(name, "trailer", classHop)
	case 'u':
		return match(name, "upgrade", classUpgrade)
	case 'x':
		return classifyX(name)
	}
	return classOrdinary
}

func classifyA(name []byte) class {
	return match(name, "authorization", classIdentity) | match(name, "audit-id", classOrigin)
}

func classifyX(name []byte) class {
	return match(name, "x-real-ip", classOrigin) | match(name, "x-stream-protocol-version", classStreamProtocol) |
		matchPrefix(name, "x-forwarded-", classOrigin) | matchPrefix(name, "x-remote-", classIdentity)
}

func classifyWebSocket(name []byte) class {
	const prefix = "sec-websocket-"
	if !hasPrefixFold(name, prefix) {
		return classOrdinary
	}
	name = name[len(prefix):]
	return match(name, "extensions", classExtensions) | match(name, "protocol", classSubprotocol) |
		match(name, "key", classKey) | match(name, "version", classVersion) | match(name, "accept", classAccept)
}

// match returns c if name is s, and classOrdinary, which is zero, if not.
func match(name []byte, s string, c class) class {
	if equalFold(name, s) {
		return c
	}
	return classOrdinary
}

// matchPrefix returns c if name begins with s, and classOrdinary, which is zero, if not.
func matchPrefix(name []byte, s string, c class) class {
	if hasPrefixFold(name, s) {
		return c
	}
	return classOrdinary
}

// longestTwin bounds what is looked at of a name for underscores: it is more than any whole name that is guarded, and
// enough for the beginnings.
const longestTwin = 32

// classifyTwin returns the class that name has for a peer that takes "_" for "-", as everything built on CGI does.
func classifyTwin(name []byte) class {
	var folded [longestTwin]byte
	n := copy(folded[:], name)
	for i, c := range folded[:n] {
		if c == '_' {
			folded[i] = '-'
		}
	}
	return classify(folded[:n])
}
