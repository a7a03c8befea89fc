// Package audit says who did what: it reads the Kubernetes meaning of a request
// out of its method and target, and it writes the event log.
//
// # RequestInfo
//
// [RequestInfo.Parse] follows the rules by which the API server itself turns a
// path into a verb, a group and a resource, on the percent-decoded path, so that
// a request written with escapes is named for what it does. Its byte slices alias
// the target, or a buffer inside the RequestInfo where decoding was needed: they
// are valid until the target's buffer is reused or Parse is called again,
// whichever is first. A RequestInfo that is reused does not allocate.
//
// It is a description, never a permission: the API server decides, and it may
// answer 404 to what is described here as an exec. A stream is recognised by what
// was negotiated, not by [RequestInfo.Stream].
//
// # Log
//
// [Log] writes one JSON object a line, each call of Write whole lines, with the
// field names that are constants of this package and shared by the diagnostic
// logs of all others. Events, named by [FieldEvent]:
//
//	connection.opened    a client was authenticated and has a tunnel
//	connection.refused   a client was turned away, and in which phase
//	connection.closed    the end of an opened connection, with its sums
//	request              one request, when its response is complete
//
// Text that a peer chose (path, user agent, ids) is cut to a documented length,
// in which case the line says "truncated":true, and is escaped, so that no text
// can forge a line. The path is written without its query. Tokens, proofs,
// header values other than the user agent, and bodies are never written.
//
// A log that cannot be written stops nobody from working: the error is given to
// the callback of [New] or [Open], and the event is lost. A writer that blocks
// does block the caller.
//
// An event is written before the method that tells of it returns. Of a log made by
// [Open], requests are the exception: when one follows another within 20 ms, its
// line may wait so long for more, 32 KiB of lines at most. The order stays. Close
// and Reopen write what waits; a process that is killed, or ends without Close,
// loses it.
//
// # Limitations
//
// The log is not sealed or signed, and nothing rotates it; logrotate does, and
// [Log.Reopen] then follows.
package audit
