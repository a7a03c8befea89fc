package conn

import (
	"errors"
	"io"
	"net"
	"time"
)

// upstreamConn is one TLS connection to the API server. Its owner is the Pool
// while it is idle and one exchange otherwise.
type upstreamConn struct {
	net.Conn // TLS over socket
	socket   *socket
	reads    deadline
	writes   deadline
	reused   bool      // it has carried a request before
	round    int       // of its pool, when it was opened
	idleAt   time.Time // when it became idle; guarded by Pool.mu
	one      [1]byte   // for clean
}

func newUpstreamConn(tls net.Conn, s *socket) *upstreamConn {
	u := &upstreamConn{Conn: tls, socket: s}
	u.reads.set, u.writes.set = tls.SetReadDeadline, tls.SetWriteDeadline
	return u
}

// ended reports whether a failed Read was the end of the stream that the API
// server has announced, which under TLS is a close_notify. crypto/tls takes the
// end of the socket for one if it comes between two records; an until-close body
// that was cut off there would look complete.
func (u *upstreamConn) ended(err error) bool {
	plain := u.socket == nil || u.Conn == net.Conn(u.socket)
	return errors.Is(err, io.EOF) && (plain || !u.socket.ended)
}

// CloseWrite ends what is sent to the API server.
func (u *upstreamConn) CloseWrite() error { return closeWrite(u.Conn) }

// abort closes the connection below its TLS: it neither waits nor says goodbye.
// Any goroutine may call it.
func (u *upstreamConn) abort() {
	if u.socket != nil {
		u.socket.Close()
		return
	}
	u.Close()
}

// clean reports whether nothing is left over above the socket: no octet of a
// record that has arrived with the end of the last response.
func (u *upstreamConn) clean() bool {
	if u.socket == nil {
		return true
	}
	u.socket.dry = true
	n, err := u.Conn.Read(u.one[:])
	u.socket.dry = false
	return n == 0 && errors.Is(err, errDry)
}

// alive reports whether the connection is still open and silent, without
// waiting. Octets on an idle connection are as bad as its end.
func (u *upstreamConn) alive() bool {
	if u.reads.passed() {
		u.reads.clear() // the runtime refuses to look at a socket behind its deadline
	}
	return u.socket == nil || u.socket.silent()
}
