package tlsmux

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/spliceway/spliceway/httpparse"
)

// classify finds the word for what ended a phase.
func (c *connection) classify(err error) Result {
	var parse *httpparse.Error
	var record tls.RecordHeaderError
	var refusal *Refusal
	var limited *LimitError
	switch {
	case c.mux.abort.Err() != nil:
		return ResultShutdown
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return ResultTimeout
	case errors.As(err, &limited):
		return ResultLimited
	case errors.As(err, &parse), errors.As(err, &record), errors.Is(err, errProxyHeader):
		return ResultMalformed
	case errors.As(err, &refusal):
		return ResultRefused
	case isAlert(err):
		return ResultRejected
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed),
		errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return ResultClosed
	}
	return ResultFailed
}

// isAlert tells an alert that the client has sent from one that we have: both
// are of the same type, and only crypto/tls's wrapping tells them apart.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}
