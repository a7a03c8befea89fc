// Package conn forwards HTTP/1.1 between one authenticated client connection
// and the API server of its cluster.
//
// Serve runs the request loop of one client connection. A request goes through
// these steps, all on the goroutine that called Serve:
//
//	head read ─> parsed ─> rewritten ─> pooled upstream connection
//	                                        │
//	        ┌───────────────────────────────┤
//	        │ 101 on an upgrade              │ any other response
//	        v                               v
//	   both directions spliced         head rewritten, body spliced,
//	   through the Tap, then close     upstream connection back to the pool
//
// # Ownership
//
// The caller of Serve owns the client connection and closes it afterwards; in
// between only Serve and what it starts touch it. An upstream connection is
// owned by the Pool or by one exchange, never by both: it goes back only when
// request and response were complete and nothing was left over.
//
// # Goroutines
//
// A request without a body costs no goroutine of its own. Two things run beside
// the loop, one at a time, both called the uplink: what sends a body that was
// not in the buffer with its head, and, for a response or a turn that does not
// come within a moment, what waits for the client to go away. Serve waits for the
// uplink before it reads the next request and before it returns.
//
// # Ends
//
// What is not complete never looks complete: a response that fails half-way is
// cut off below the client's TLS, without a close_notify, and one whose body ends
// with the connection counts as complete only if the API server has announced its
// end. What fails before its first octet is answered instead: see Error. A client
// that has sent what nobody will read gets a second to read its answer.
//
// # Limitations
//
// HTTP/1.1 only on both sides. Trailers are not forwarded. A response may start
// before its request body is complete, but when it ends first, the connection
// is closed after it. A client that ends its side counts as gone, except on a
// stream. A client is not watched while its buffer is full of requests that it
// has sent ahead.
package conn
