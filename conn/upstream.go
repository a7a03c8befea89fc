package conn

import (
	"errors"
	"io"
	"time"

	"github.com/spliceway/spliceway/internal/tlsio"
)

// upstreamConn is one TLS connection to the API server. Its owner is the Pool
// while it is idle and one exchange otherwise.
type upstreamConn struct {
	*tlsio.Conn
	reads  deadline
	writes deadline
	broken bool      // a Write has failed; owned by who writes
	reused bool      // it has carried a request before
	round  int       // of its pool, when it was opened
	idleAt time.Time // when it became idle; guarded by Pool.mu
}

func newUpstreamConn(c *tlsio.Conn) *upstreamConn {
	u := &upstreamConn{Conn: c}
	u.reads.set, u.writes.set = c.SetReadDeadline, c.SetWriteDeadline
	return u
}

// Write notes that it has failed. Half a request may have gone then, of which the next
// one would be the rest, although there may still be a whole response to it.
func (u *upstreamConn) Write(p []byte) (int, error) {
	n, err := u.Conn.Write(p)
	u.broken = u.broken || err != nil
	return n, err
}

// ended reports whether a failed Read was the end of the stream that the API
// server has announced, which under TLS is a close_notify. crypto/tls takes the
// end of the socket for one if it comes between two records; an until-close body
// that was cut off there would look complete.
func (u *upstreamConn) ended(err error) bool {
	return errors.Is(err, io.EOF) && !(u.Layered() && u.Socket().Ended())
}

// abort closes the connection below its TLS: it neither waits nor says goodbye.
// Any goroutine may call it.
func (u *upstreamConn) abort() { u.Socket().Close() }

// alive reports whether the connection is still open and silent, without
// waiting. Octets on an idle connection are as bad as its end.
func (u *upstreamConn) alive() bool {
	if u.reads.passed() {
		u.reads.clear() // the runtime refuses to look at a socket behind its deadline
	}
	return u.Socket().Silent()
}
