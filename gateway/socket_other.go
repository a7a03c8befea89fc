//go:build !unix

package gateway

import (
	"errors"
	"net"
	"os"
)

// duplicate fails: the gateway serves on Unix only.
func duplicate(*net.TCPListener) (*os.File, error) { return nil, errors.ErrUnsupported }
