package main

import (
	"bytes"
	"io"
	"math/rand/v2"
)

// patternSize is the length after which a body repeats itself, in octets.
const patternSize = 32 << 10

// pattern is what bodies consist of. It does not compress, so that a proxy that
// wanted to cheat could not.
var pattern = func() []byte {
	p := make([]byte, patternSize)
	rand.NewChaCha8([32]byte{1}).Read(p) // never fails
	return p
}()

// writePattern writes a body of n octets.
func writePattern(w io.Writer, n int64) error {
	for n > 0 {
		part := pattern[:min(n, patternSize)]
		if _, err := w.Write(part); err != nil {
			return err
		}
		n -= int64(len(part))
	}
	return nil
}

// patternCheck is an io.Writer that takes only a body.
type patternCheck struct{ n int64 }

func (c *patternCheck) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		want := pattern[c.n%patternSize:]
		part := rest[:min(len(rest), len(want))]
		if !bytes.Equal(part, want[:len(part)]) {
			return 0, errBody
		}
		c.n += int64(len(part))
		rest = rest[len(part):]
	}
	return len(p), nil
}

// copyAll is io.CopyBuffer without its short cuts, which would pass the buffer by.
func copyAll(dst io.Writer, src io.Reader, buf []byte) (int64, error) {
	return io.CopyBuffer(struct{ io.Writer }{dst}, struct{ io.Reader }{src}, buf)
}
