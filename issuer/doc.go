// Package issuer is a small token issuer: an HTTPS server that knows its users from one YAML file and mints
// the tokens ("GATs") that a gateway takes in a CONNECT. It is meant for development and for small teams; a
// larger organisation has an identity provider and puts its own issuer in this place.
//
// # Endpoints
//
//	GET  /keys       the public signing keys as a JWK set (RFC 7517), cacheable, without authentication
//	GET  /resources  what the caller may reach: {"resources":[{"name","address","aliases","port","type"}]}
//	POST /token      {"publicKey","resource"} to {"token","expiresAt","renewAt"}
//	GET  /healthz    200 while the server runs, without authentication
//
// A caller authenticates with HTTP Basic (a user and a password, RFC 7617) or with a Bearer secret (a user's or
// a service's, RFC 6750). Every refusal is JSON, {"error":"one sentence"}, with the status that says whose fault
// it is. The wire types are exported, because the client of package connect speaks them too.
//
// # Contract
//
//   - Tokens are ES256 and nothing else, bound to the caller's ECDSA key (P-256, P-384 or P-521), and are accepted
//     by both generations of gateways: the type marker stands in the header and in the payload, and
//     gateway_metadata is present exactly when the resource has a port.
//   - The file holds bcrypt hashes of passwords and SHA-256 digests of secrets, never the thing itself; a
//     secretFile holds a secret, of which only the digest is kept in memory. Make them with [HashPassword]
//     and [NewSecret].
//   - An unknown user costs as much time as a wrong password, provided that all hashes have the same cost, as
//     those of HashPassword do. Five failures of one user from one address close that pair for a growing while,
//     at most a minute; secrets of 256 random bits cannot be guessed and are not throttled.
//   - The file is read again when it changes. A file that does not load leaves the one before in force and is
//     reported as an error once. A change of listen, tls or dataDir waits for the next start.
//   - Everything is bounded: heads, bodies, connections, the failure table, the number of passwords checked at a time.
//
// # Signing keys and their rotation
//
// The directory dataDir/keys holds one PKCS #8 PEM file for each key, readable by its owner only. Every key is
// published; the one whose file name sorts last signs. The first start makes the first key, [RotateKey] adds
// one, and a running server takes it up within seconds. Delete the file of an old key when the last token that it
// signed has expired. Gateways ask for an unknown key id at once, so that rotation needs no waiting period.
//
// # The server's certificate
//
// With no certificate pair configured the server makes a certificate authority of its own, dataDir/tls/ca.crt, and
// certificates for tls.hosts under it, renewed in memory. Clients and gateways are given ca.crt.
//
// # Limitations
//
// There is no revocation: a token lives until it expires (tokenLifetime), even when its user has been deleted
// from the file. There are no refresh tokens, no second factor and no sign-in page.
package issuer
