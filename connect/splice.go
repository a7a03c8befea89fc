package connect

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	copyBuffer = 32 << 10
	// lingering is how long the open direction of a half-closed tunnel may be quiet.
	lingering = time.Minute
)

var copyBuffers = sync.Pool{New: func() any { return new([copyBuffer]byte) }}

// duplex is a connection that can be closed for writing alone.
type duplex interface {
	net.Conn
	CloseWrite() error
}

// splice copies both ways between two connections, with half-close, and returns when both ways have ended or one has
// failed. It closes both. early is what was read from client ahead.
func splice(client, upstream duplex, early []byte) (up, down int64, err error) {
	s := &splicer{client: client, upstream: upstream}
	defer s.close()
	if _, err := upstream.Write(early); err != nil {
		return 0, 0, err
	}
	results := make(chan error, 1)
	go func() { results <- s.pump(upstream, client, &up) }() // ended by close at the latest
	downErr := s.pump(client, upstream, &down)
	upErr := <-results
	return up + int64(len(early)), down, errors.Join(upErr, downErr)
}

type splicer struct {
	client, upstream duplex
	halfClosed       atomic.Bool
}

func (s *splicer) close() {
	s.client.Close()
	s.upstream.Close()
}

// pump copies src to dst until src ends, and then tells dst. On an error it closes both, which ends the other pump.
func (s *splicer) pump(dst, src duplex, total *int64) error {
	buf := copyBuffers.Get().(*[copyBuffer]byte)
	defer copyBuffers.Put(buf)
	for {
		n, err := src.Read(buf[:])
		if n > 0 {
			*total += int64(n)
			if _, err := dst.Write(buf[:n]); err != nil {
				s.close()
				return err
			}
		}
		if err == io.EOF {
			return s.finish(dst, src)
		}
		if err != nil {
			s.close()
			return err
		}
		if s.halfClosed.Load() {
			src.SetReadDeadline(time.Now().Add(lingering))
		}
	}
}

// finish passes the end of src on. From then on the other direction, which reads from dst, must not be quiet for long.
func (s *splicer) finish(dst, src duplex) error {
	s.halfClosed.Store(true)
	dst.SetReadDeadline(time.Now().Add(lingering))
	err := dst.CloseWrite()
	if err != nil {
		s.close()
	}
	if errors.Is(err, syscall.ENOTCONN) {
		return nil // dst has ended both ways already, as clients do that want nothing more
	}
	return err
}
