// Package cluster holds what the gateway knows of each API server: the names by
// which tokens and clients mean it, how to connect to it, and the gateway's own
// credential there.
//
// A [Cluster] connects with [Cluster.Dial] and authenticates with the line of
// [Cluster.Authorization] or with a client certificate. The files behind both are
// followed: [Cluster.Run] polls them, [Cluster.Refresh] looks at once, and a file
// that cannot be used leaves what was read before in force.
//
// A [Set] chooses the cluster of a connection from the CONNECT host, which
// authentication has proven to be one the token allows, and from the address of
// the token's resource. A cluster that lists the host as an alias comes first,
// then one whose address is the host or the token's address. Exactly one cluster
// must be left: nothing is guessed.
//
// # Limitations
//
// TLS 1.2 and 1.3, HTTP/1.1 by ALPN. Proxies of the environment (HTTPS_PROXY) are
// not used: the API server is dialed directly. A connection that is open when the
// authorities change stays open.
package cluster
