package record

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// followInterval is how often a recording that is followed is looked at.
const followInterval = 100 * time.Millisecond

// A File is a recording that is read. The caller must call Close.
type File struct {
	*Reader
	file *os.File
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

// OpenFile opens a .cast file as it is at the moment.
func OpenFile(path string) (*File, error) {
	file, _, err := openCast(path)
	if err != nil {
		return nil, err
	}
	return newFile(file, file)
}

// Follow opens a .cast file, of which Next waits for more until the recording
// has ended or ctx is done, whose error it then returns.
func Follow(ctx context.Context, path string) (*File, error) {
	file, _, err := openCast(path)
	if err != nil {
		return nil, err
	}
	return newFile(file, &tail{ctx: ctx, file: file, base: trimSuffix(path)})
}

func newFile(file *os.File, r io.Reader) (*File, error) {
	reader, err := NewReader(r)
	if err != nil {
		file.Close()
		return nil, err
	}
	return &File{Reader: reader, file: file}, nil
}

// A tail reads a file that grows.
type tail struct {
	ctx   context.Context
	file  *os.File
	base  string
	ended bool
}

// Read waits until there is something or the recording has ended.
func (t *tail) Read(p []byte) (int, error) {
	for {
		if err := t.ctx.Err(); err != nil {
			return 0, context.Cause(t.ctx)
		}
		n, err := t.file.Read(p)
		if n > 0 || err != io.EOF || t.ended {
			return n, err
		}
		if t.ended, err = hasEnded(t.base); err != nil {
			return 0, err
		}
		if t.ended {
			continue // what was written before it ended
		}
		if err := t.wait(); err != nil {
			return 0, err
		}
	}
}

func (t *tail) wait() error {
	timer := time.NewTimer(followInterval)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-t.ctx.Done():
		return context.Cause(t.ctx)
	}
}

// hasEnded tells whether nothing more will be written. A file that was given
// another name has no metadata.
func hasEnded(base string) (bool, error) {
	meta, err := ReadMetadata(base)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return meta.State != StateOpen, nil
}
