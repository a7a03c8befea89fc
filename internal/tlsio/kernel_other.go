//go:build !unix

package tlsio

import "syscall"

// kernel can't be asked here.
type kernel struct{ raw syscall.RawConn }

func (*kernel) init(syscall.RawConn)     {}
func (*kernel) silent() bool             { return true }
func (*kernel) wait() error              { return nil }
func (*kernel) read([]byte) (int, error) { return 0, errDry }
