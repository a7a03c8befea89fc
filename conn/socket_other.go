//go:build !unix

package conn

// pollOnce can't look here; the retry on a stale connection has to do.
func (s *socket) pollOnce(uintptr) bool {
	s.quiet = true
	return true
}
