// Package connect is the user's side of a gateway: a CONNECT proxy on the loopback interface that authenticates to the
// gateway for kubectl and everything else built on client-go, and the kubeconfig entries that lead to it.
//
//	kubectl ── CONNECT host:port ──> Proxy ── GET /resources, POST /token ──> issuer
//	                                   └──── TLS 1.3, CONNECT host:port, token, proof ──> gateway
//	kubectl <════════ octets, both ways, with half-close ═══════════════════════════════> gateway
//
// # Contract
//
//   - The proxy listens on loopback addresses only, and only for those who know its secret: 256 random bits in a
//     file of mode 0600, which WriteKubeconfig puts into proxy-url as userinfo and which clients send as Basic
//     credentials. net/http, gorilla/websocket and client-go's SPDY dialer all do.
//   - The key that tokens are bound to is made at start, lives in memory and never leaves it. So do the tokens.
//   - A token is fetched when the first connection needs it and renewed in the background by the first connection
//     after its renewal time; however many connections wait, one request is made. When the issuer is down, the token in
//     hand goes on until it expires. A failed request is remembered for some seconds, so that kubectl's retries
//     do not become wrong passwords at the issuer.
//   - When the gateway answers 401 to a token that was not fetched for this very connection, the token is dropped and
//     one more attempt is made with a new one: keys may have been rotated, clocks may differ.
//   - What a client is told about a refusal stands in the reason phrase of the answer as well as in its body, because
//     the reason phrase is all that clients show: net/http and gorilla/websocket return it as the error, client-go's
//     SPDY dialer prints it behind the status code. The same sentence is logged, with what to do about it.
//   - Everything but the tunnel itself has a deadline. A tunnel lives until both sides have closed it, one side has
//     failed, the gateway ends it, or a half-closed tunnel has been quiet for a minute.
//
// # Limitations
//
// kubectl must be told no credential of its own, but it asks for a user name when it finds none; WriteKubeconfig
// therefore writes a bearer token that says it is a placeholder. The gateway removes it.
//
// Rewriting a kubeconfig loses comments and the order of entries, as it does with kubectl config.
package connect
