package record

import (
	"bytes"
	"errors"
	"hash"
	"io"
	"os"
)

// ErrContent is that the content of a copied file is not what was sealed.
var ErrContent = errors.New("record: the content of the file is not what was recorded")

// A contentReader reads the content of one file, and has ErrContent instead of
// io.EOF if it is another.
type contentReader struct {
	file *os.File // nil if there is nothing to read
	rest io.Reader
	left int64
	hash hash.Hash
	want []byte
}

func (c *contentReader) Read(p []byte) (int, error) {
	n, err := c.rest.Read(p)
	c.hash.Write(p[:n])
	c.left -= int64(n)
	if err == io.EOF && (c.left != 0 || !bytes.Equal(c.hash.Sum(nil), c.want)) {
		err = ErrContent
	}
	return n, err
}

func (c *contentReader) Close() error {
	if c.file == nil {
		return nil
	}
	return c.file.Close()
}

// checkContents reads all that was kept, and returns the error of the first file
// that is not what its Transfer says, which the seal covers.
func checkContents(base string, transfers []Transfer) (name string, err error) {
	for i := range transfers {
		t := &transfers[i]
		if t.Offset == nil {
			continue
		}
		content, err := OpenTransfer(base, t)
		if err != nil {
			return t.Name, err
		}
		_, err = io.Copy(io.Discard, content)
		content.Close()
		if err != nil {
			return t.Name, err
		}
	}
	return "", nil
}
