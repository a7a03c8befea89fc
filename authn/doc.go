// Package authn turns what a client shows in its CONNECT into an identity: a
// signed token (the "GAT"), a proof that the sender holds the private key the
// token names, and a target the token permits.
//
//	CONNECT 10.0.0.1:443 HTTP/1.1
//	Proxy-Authorization: Bearer <token>         Verifier.Verify   -> Grant
//	X-Token-Signature: <proof>                  Grant.VerifyProof
//	       10.0.0.1:443                         Grant.MatchTarget -> host
//
// A caller takes the three steps in this order and lets nobody in before the
// third has succeeded. A Grant without its proof is worth nothing: the token
// travels in clear inside the outer TLS and whoever has terminated such a
// connection has seen it.
//
// # Token
//
// The token is a JWS in compact form (RFC 7515), signed with ES256 by a key of
// the issuer that is found by its kid. Algorithm, issuer and audience are fixed
// when the Verifier is built. Both generations of the protocol are taken:
//
//	                         older                 newer
//	type marker "GAT"        header typ            claim typ
//	resource.gateway_metadata  absent: any port    both ports required
//
// A claim typ that is present decides: it must be "GAT" whatever the header
// says. Only resources of type KUBERNETES are granted. There is no leeway on
// exp, nbf and iat; a token is over at the instant exp, whose fraction of a
// second is cut off.
//
// Claims are read strictly, because a gateway and an issuer's own library must
// not read one token as two different people: a member given twice, a member
// whose name differs from a known one only in case, null for a member that has
// no absent form, invalid UTF-8 and quoted numbers are refused. Members that
// nothing here reads are ignored.
//
// A verified token is remembered by its SHA-256 digest until it expires, and
// only as long as its key stays in force; refusals are never remembered. The
// Grant is therefore shared between connections and must not be modified.
//
// # Identity
//
// A token names a person (claim user) or a service (claim service), never both:
//
//	"user":    {"id": "42", "username": "ann@example.com", "groups": ["dev"]}
//	"service": {"id": "7", "name": "deployer", "key": {"id": "deployer-2026"}}
//
// A person's user name is username; its groups are as given, duplicates once.
// A service's user name is the id of its key, so that the log shows which key
// acted, and its groups are its name and its id, so that RBAC can be written
// for either.
//
// Names are used exactly as written, or refused: they must be 1 to 256 octets
// of valid UTF-8, printable characters and inner plain spaces only. That keeps
// out everything an HTTP field line could not carry, the blank user name that
// an API server takes for "no impersonation", and characters that make one name
// look like another in a log. Zero-width joiners are not printable in this
// sense. There are at most 512 groups. A name that begins with "system:" is
// refused unless that very name is in VerifierConfig.AllowSystem.
//
// # Keys
//
// A KeySet holds the issuer's signing keys, from a URL or from a file. It
// refreshes them in the background, once more for a kid it does not know (at
// most every KeySetConfig.UnknownInterval, one request at a time), and keeps
// a copy on disk, so that neither a restart nor an outage of the issuer locks
// anybody out. Keys that could not be refreshed for KeySetConfig.MaxStale
// are not used any more. Key retrieval is the only thing in this package that
// does I/O.
//
// A key that leaves the issuer's document is refused from the next refresh on;
// a document without any usable key is taken for a fault of the issuer and
// leaves the keys as they were.
//
// # Concurrency
//
// All methods may be called from several goroutines at once.
package authn
