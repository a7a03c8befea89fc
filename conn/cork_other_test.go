//go:build !linux

package conn

import (
	"syscall"
	"testing"
)

// cork can't be had here: the records may arrive one by one.
func cork(*testing.T, syscall.RawConn, bool) {}
