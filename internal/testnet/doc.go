// Package testnet holds the connections, certificates and checks that the
// tests of several packages share. Nothing outside of tests imports it.
//
// # Connections
//
// [Pipe] is an in-memory connection with what net.Pipe lacks: buffers, a half
// close, a reset. Its waits are sync.Cond waits and its deadlines are timers,
// so that inside a testing/synctest bubble time moves on while both ends
// wait. It never joins two writes: one Read returns octets of one Write at
// most, as if each Write were a TCP segment that arrived alone. A test that
// wants two messages in one segment writes them with one Write.
//
// [Listen] accepts such pipes, and accept errors that the test scripts.
//
// [TCPPair] is the real thing on loopback. What only a kernel does (reset
// after close with unread data, real half close, ReadFrom) needs it.
//
// # Certificates
//
// A [CA] and what it issues are valid from 1990 to 2090, because the clock of
// a synctest bubble starts on 1 January 2000.
//
// # Leaks
//
// [Main] is the body of a package's TestMain and fails the run when
// goroutines are left after the last test.
package testnet
