package main

import (
	"bytes"
	"errors"
	"io"
)

var errNotOneHead = errors.New("not one head without a body")

// headEnd returns the length of the head that p begins with, with its empty line;
// 0: it is not complete.
func headEnd(p []byte) int {
	const end = "\r\n\r\n"
	if at := bytes.Index(p, []byte(end)); at >= 0 {
		return at + len(end)
	}
	return 0
}

// readHead reads one head into buf, including its empty line. Nothing may follow
// it.
func readHead(r io.Reader, buf []byte) ([]byte, error) {
	for n := 0; n < len(buf); {
		m, err := r.Read(buf[n:])
		n += m
		switch end := headEnd(buf[:n]); {
		case end == n && n > 0:
			return buf[:n], nil
		case end > 0:
			return nil, errNotOneHead
		case err != nil:
			return nil, err
		}
	}
	return nil, errNotOneHead
}
