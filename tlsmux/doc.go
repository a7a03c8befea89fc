// Package tlsmux turns accepted TCP connections into authenticated tunnels.
//
//	TCP ──► PROXY header ──► outer TLS ──► CONNECT head ──► Authenticate ──► inner TLS ──► Handler
//	        trusted peers    1.3 only      one, or         the caller's     1.2, 1.3      owns the
//	        only                           GET /healthz    hook             http/1.1      Tunnel
//
// Each arrow is a [Phase]. A phase passes or ends the connection, and
// [Config.Observe] is told either with one word, the [Result]. The wire
// format is that of the GAT handshake: what is refused, in which order and
// with which status is fixed by it.
//
// # Contract
//
// One goroutine serves a connection from the first octet to the last. It
// owns the TCP connection and both TLS layers; the [Handler] has the use of
// the inner one, [Tunnel.Conn], from its call until it returns. When it
// returns the connection is closed from the inside out: close_notify of the
// inner layer, close_notify of the outer one, FIN, and then what the client
// still sends is discarded for a short time, so that a reset does not destroy
// the last words. A handler that is to end early is told so by its context.
//
// Every wait has a deadline until the tunnel is handed over. From then on
// none is set, deadlines are the handler's matter.
//
// Octets that came behind the CONNECT head, even in the same TLS record,
// belong to the tunnel and are the first that the inner handshake reads.
//
// [Mux.Configure] puts another configuration in force while connections are
// open. Each keeps the one that it began with, but for its certificate, which is
// that of the moment of its handshakes.
//
// A panic, of the handler or of a hook, ends its own connection, is logged
// with its stack and observed as [ResultPanic].
//
// # Sessions and keying material
//
// Session tickets are on for both layers, with keys of their own, so that a
// session of one layer cannot be resumed at the other. A resumed TLS 1.3
// session has keying material of its own (RFC 8446, Section 7.5): a proof made
// over it is good for that connection only, as after a full handshake.
//
// # Memory of an idle tunnel
//
// Nothing of the opening stays: the head's buffer, the parsed head, the
// PROXY reader and the octets that the client sent ahead are released. A tunnel
// has one goroutine. What is left is what crypto/tls keeps for two
// connections.
//
// # Limitations
//
// There is no HTTP/2 and no ALPN on the outer layer. A CONNECT is the first
// and only request on it. Client certificates are not asked for.
// Connections that are being opened count against the same limit as tunnels, and
// against limits of their own. Of those that a trusted peer has opened, the source
// is known only behind the PROXY header, and they count from there.
package tlsmux
