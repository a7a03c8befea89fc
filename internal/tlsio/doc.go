// Package tlsio makes crypto/tls move more than one record at a time, and lets a
// connection wait without holding a buffer.
//
// crypto/tls gives each record to the connection below it with a Write of its own,
// and a Read returns one record at most. A Base lies below a TLS layer and a Conn
// on top of the layers:
//
//	Conn ── inner TLS ── Base ── outer TLS ── Base ── kernel
//
// A long Write of a Conn is gathered in each Base, so that it becomes one long
// Write of the layer below and one system call at the end. What is written is
// never held back behind the end of a Write.
//
// Await waits for octets with memory for one of them. ReadArrived then returns
// what has arrived, of as many records as it finds, and does not wait.
//
// # Concurrency
//
// One goroutine reads and one writes, as for any connection; both may change.
// Close and the deadlines are for any goroutine. An alert or a key update that
// another goroutine writes meanwhile keeps its place in the order.
package tlsio
