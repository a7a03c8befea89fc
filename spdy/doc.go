// Package spdy reads SPDY/3.1 as Kubernetes speaks it, for a gateway that forwards the octets it was given and records
// what they mean. It does no I/O and starts no goroutine.
//
// exec, attach and port-forward run on it, directly or inside a WebSocket: the client opens streams, and says of each in
// a header field what it carries.
//
//	client                                   server
//	  | SYN_STREAM 1 streamtype: error  ──────>  |
//	  |  <──────────────────────── SYN_REPLY 1   |
//	  | SYN_STREAM 3 streamtype: stdout ──────>  |
//	  |  <──────────────────────── SYN_REPLY 3   |
//	  |  <──────────────────────── DATA 3 "hi"   |
//	  |  <─────── DATA 1 {"status":"Success"}    |
//
// The peers are lenient, and each in its own way: they read a fixed number of octets of a frame whatever length it
// says to have, look at no version, and take octets left over in one header block for the beginning of the next. A
// decoder that reads any of that differently labels streams wrongly, and records nothing. So whatever two decoders
// could read differently is refused here.
//
// # Contract
//
//   - A Conn is one connection. It has one Decoder for each direction, and both may be used at the same time, each by
//     one goroutine. A Decoder takes its direction in pieces of any size.
//   - Octets are given to the Decoder before they are forwarded: the answer to a frame can not come before the
//     Decoder knows of the frame. What Next refused is not forwarded.
//   - Data of frames is handed on as it comes. It is part of what was given to Next; nothing of it is kept. A control
//     frame is kept until it is complete, then judged and reported as a whole.
//   - The events, and the frame that is refused, are the same however the octets arrived.
//   - A refusal is final for the connection: end both directions.
//   - Data allocates nothing. Nothing is ever allocated by a length that a peer declares.
//
// A Conn holds two windows of inflated header blocks, 48 KiB each at the most and 2 KiB for the usual session, up to
// 64 KiB of an incomplete control frame for each direction, and some 50 octets for each stream.
//
// # Policy
//
//	| subject                                    | choice                                                        |
//	|--------------------------------------------|---------------------------------------------------------------|
//	| version                                    | 3                                                             |
//	| types of control frames                    | SYN_STREAM SYN_REPLY RST_STREAM SETTINGS PING GOAWAY HEADERS  |
//	|                                            | WINDOW_UPDATE                                                 |
//	| lengths of control frames                  | exactly what they hold                                        |
//	| flags                                      | FIN of SYN_STREAM and DATA, CLEAR_SETTINGS                    |
//	| FIN of SYN_REPLY and HEADERS               | refused: peers don't look at all of them                      |
//	| UNIDIRECTIONAL                             | refused: servers write on such a stream all the same          |
//	| stream ids                                 | 31 bits, not zero, odd, increasing; gaps are accepted         |
//	| id of a PING, status of an RST_STREAM      | not zero                                                      |
//	| who opens streams                          | the client, not behind its GOAWAY; the server replies, once   |
//	| data of the server in front of its reply   | refused                                                       |
//	| header compression                         | zlib, window of 32 KiB, the dictionary of SPDY/3; each block  |
//	|                                            | ended by a flush, and inflating to its fields exactly         |
//	| header names                               | tokens in lower case, none twice                              |
//	| header values                              | no control octets, so no second value behind a NUL            |
//	| streamtype of an Exec                      | error stdin stdout stderr resize, each once                   |
//	| streamtype of a PortForward                | error data, with a port in canonical form                     |
//	| frames on a stream that was never opened   | refused                                                       |
//	| data behind a FIN, or on a stream reset    | of an Exec, data of that stream like any other; of a          |
//	|                                            | PortForward, data without a label                             |
//	| WINDOW_UPDATE                              | for any stream, also an unknown one: nobody heeds it          |
//	| frames behind a GOAWAY                     | accepted, but for SYN_STREAM                                  |
//
// Data on a closed stream occurs: a write and a reset cross, in a client even on their way out. And a server writes on
// when its client has reset a stream, which a client can read if it wants to; it is output like any other.
//
// # Limits
//
// It does not tell pairs of port-forward streams apart, parse sizes or statuses, match pings, hold peers to the flow
// control of SPDY/3.1, which they don't have, or bound the time that anything takes.
package spdy
