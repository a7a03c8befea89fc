// Package status is what a running gateway says of itself: who is connected, which streams are open, how near its
// limits it is, and how old what it works with is.
//
// A [Report] is answered on the gateway's local socket, admin.socket, where [Fetch] asks for it. The socket is a Unix
// socket that only root and the gateway's own user may use: a report has names of people and of what they do. It has no
// secret: no token, no proof, nothing of what a session shows.
//
// A gateway that was upgraded in place and still drains has a socket of its own beside the one of its successor;
// [Sockets] finds both.
//
// # Limitations
//
// A report is put together from several locks, one after the other: a connection that ends meanwhile can be in one list
// and not in the other. Octets and requests of a connection are those of the requests that have ended; those of streams
// are counted as they pass.
package status
