// Package httpparse reads the heads of HTTP/1.1 messages, finds the end of their bodies, and prints heads for the next
// hop, for a gateway that forwards the octets it was given. It does no I/O and starts no goroutine.
//
// A server may be lenient; a gateway passes every ambiguity on to the next server. So whatever two parsers could read
// differently is refused here, even where RFC 9112 would let a recipient repair it, and what is accepted leaves in one
// form only.
//
// # Contract
//
//   - Parse functions look at the head at the beginning of the buffer and return its length; the rest is the caller's.
//     They are asked again with more octets after ErrNeedMore, and keep nothing in between. Each is linear in the head.
//   - Slices in Request and Response alias the buffer. They, and with them AppendRequest, AppendResponse, Verbatim and
//     the answer to an upgrade, need it to be unchanged.
//   - Every verdict depends on the octets up to Error.Offset alone: it is the same however the octets arrived, and it is
//     given as soon as they are there.
//   - A refusal is final for the connection. It is an *Error with the status to answer.
//   - On the path of an accepted message nothing is allocated, once a Request or Response has been used.
//   - Nothing here may be used by two goroutines at once, and there are no globals that change.
//
// # What does not reach the server
//
// Of a request: Connection and all that it names, Keep-Alive, Proxy-*, TE, Trailer, HTTP2-Settings; Authorization,
// Impersonate-* with any suffix, X-Remote-*; Forwarded, X-Forwarded-*, X-Real-Ip, Audit-ID; Sec-WebSocket-Extensions;
// subprotocols that carry a token; trailer fields. Host, Upgrade, Expect, and framing that is not in canonical form, are
// printed anew. Of a response: Connection and all that it names, Keep-Alive, Proxy-*, TE, Trailer, HTTP2-Settings,
// Upgrade but for a 101, trailer fields.
//
// A field named with "_" that a peer might take for one of these, or for a framing field, is refused, and so is a
// Connection that names one that is not its sender's to remove.
//
// # Policy
//
// Where the standards leave a choice, or the house is stricter or wider than they are:
//
//	| subject                                     | choice                                                        |
//	|---------------------------------------------|---------------------------------------------------------------|
//	| HTTP/1.0, any other version                 | 505, from a server 502                                        |
//	| methods                                     | GET HEAD POST PUT PATCH DELETE OPTIONS; CONNECT and TRACE 405;|
//	|                                             | all others, lower case too, 501; PRI 505                      |
//	| target                                      | origin-form only; absolute-form and asterisk-form 400         |
//	| query octets that should be encoded         | accepted: "<>[]^`{|} ; refused: # \ and all above 0x7e        |
//	| encoded control octets in a path            | 400; accepted in a query                                      |
//	| malformed percent-encoding                  | 400 in path and query                                         |
//	| dot segments, plain, encoded, with ";..."   | 400 anywhere in a path                                        |
//	| empty path segments                         | 400, but for the last one, and behind a segment "proxy"       |
//	| encoded slashes and letters in a path       | accepted, forwarded as they are: classify the decoded path    |
//	| CRLF in front of a message                  | 400, 502                                                      |
//	| LF alone, CR alone, folded lines            | 400, 502                                                      |
//	| obs-text in field values                    | accepted                                                      |
//	| "_" and other tchar in field names          | accepted, but for twins of guarded names                      |
//	| Host                                        | one; no empty host or port, no escapes, no address zone       |
//	| Host of the outer CONNECT                   | may be missing                                                |
//	| Content-Length with leading zeros           | accepted, forwarded without them                              |
//	| Content-Length twice, even if equal         | 400, 502                                                      |
//	| Content-Length with Transfer-Encoding       | 400, 502                                                      |
//	| Transfer-Encoding but for a lone chunked    | 501, 502; empty or twice 400, 502                             |
//	| body of GET, HEAD, DELETE, OPTIONS          | accepted, forwarded                                           |
//	| chunk extensions, space around chunk sizes  | 400, 502                                                      |
//	| leading zeros of chunk sizes                | accepted up to 16 digits                                      |
//	| trailer fields                              | dropped; guarded names 400, 502                               |
//	| Connection                                  | list of tokens, 16 at most, no empty elements                 |
//	| Expect but for 100-continue                 | 417                                                           |
//	| Expect without a body                       | dropped                                                       |
//	| Upgrade to another protocol                 | dropped; the request is an ordinary one                       |
//	| Upgrade without Connection: upgrade         | dropped; the request is an ordinary one                       |
//	| Upgrade with several protocols, or twice    | 400                                                           |
//	| upgrade with a body                         | 400                                                           |
//	| upgrade to WebSocket                        | GET, version 13, one key                                      |
//	| upgrade to SPDY                             | SPDY/3.1 by POST or GET                                       |
//	| subprotocols in a request                   | a list of names, no empty elements; token names removed       |
//	| 101                                         | Connection: upgrade, the very protocol asked for, no framing, |
//	|                                             | no extensions, for WebSocket one Sec-WebSocket-Accept         |
//	| subprotocol of a 101                        | none, or one that was offered; an empty one if none was       |
//	| status                                      | 100 to 599, a space behind it                                 |
//	| 1xx and 204 with a body announced           | 502; Content-Length: 0 is dropped                             |
//	| response without framing                    | body until close, announced as such to the client             |
//
// # Limits
//
// It does not decode content codings, compare Sec-WebSocket-Accept with the key, tell what a path means, count interim
// responses, or bound the time that anything takes.
package httpparse
