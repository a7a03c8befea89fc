// Package httpparse reads the heads of HTTP/1.1 messages and finds the end of their bodies, for a gateway that
// forwards the octets it was given. It does no I/O and starts no goroutine.
//
// A server may be lenient; a gateway passes every ambiguity on to the next server. So whatever two parsers could read
// differently is refused here, and a head that is accepted leaves in one form only.
package httpparse
