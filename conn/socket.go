package conn

import (
	"io"
	"net"
	"syscall"
)

// socket lies between TLS and the kernel. It can answer "nothing has arrived"
// where a TCP connection can only wait.
type socket struct {
	net.Conn
	dry   bool            // Read answers errDry; owned by the owner of the upstreamConn
	ended bool            // Read has come to the end of the socket; owned by who reads
	raw   syscall.RawConn // nil: not a kernel socket

	poll  func(fd uintptr) bool // s.pollOnce, made once so that a look allocates nothing
	quiet bool                  // result of poll
}

func newSocket(c net.Conn) *socket {
	s := &socket{Conn: c}
	s.poll = s.pollOnce
	if sc, ok := c.(syscall.Conn); ok {
		if raw, err := sc.SyscallConn(); err == nil {
			s.raw = raw
		}
	}
	return s
}

func (s *socket) Read(b []byte) (int, error) {
	if s.dry {
		return 0, errDry
	}
	n, err := s.Conn.Read(b)
	s.ended = s.ended || err == io.EOF
	return n, err
}

// CloseWrite is for a connection without TLS.
func (s *socket) CloseWrite() error { return closeWrite(s.Conn) }

// silent reports whether the connection is open and nothing has arrived.
func (s *socket) silent() bool {
	if s.raw == nil {
		return true
	}
	if err := s.raw.Read(s.poll); err != nil {
		return false
	}
	return s.quiet
}

// errDry says that TLS has used up what had arrived. It is temporary, so that
// crypto/tls does not remember it as the end of the connection.
var errDry error = dryError{}

type dryError struct{}

func (dryError) Error() string   { return "conn: nothing has arrived" }
func (dryError) Timeout() bool   { return true }
func (dryError) Temporary() bool { return true }
