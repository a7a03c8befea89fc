package record

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// The ends of the names of the files that have the content of copied files, one
// after the other, in the order of the metadata's Transfers. Nothing that a session
// says becomes part of a name.
const (
	uploadSuffix   = ".upload"
	downloadSuffix = ".download"
)

// contentSuffix is that of a Transfer's direction.
func contentSuffix(direction string) string {
	if direction == "upload" {
		return uploadSuffix
	}
	return downloadSuffix
}

// A container is one of these files. The Recorder's mutex guards it.
type container struct {
	file *os.File // nil until something is kept
	size int64
}

// Content takes the content of one copied file. Between [Recorder.Keep] and End
// there is no other one of the same direction.
type Content struct {
	recorder  *Recorder
	container *container
	suffix    string
	start     int64
	err       error
}

// Keep begins to keep the content of a file that is copied into the container or out
// of it. It returns nil if the configuration wants none kept.
func (r *Recorder) Keep(direction string) *Content {
	if !r.store.cfg.KeepFiles || r.base == "" {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &Content{recorder: r, container: &r.downloads, suffix: contentSuffix(direction)}
	if c.suffix == uploadSuffix {
		c.container = &r.uploads
	}
	c.start = c.container.size
	return c
}

// Write implements io.Writer. What can't be kept ends a strict session like anything
// else that can't be recorded: the Recorder's next call has the error. Under
// [BestEffort] only the content is not kept.
func (c *Content) Write(p []byte) (int, error) {
	r := c.recorder
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case c.err != nil:
	case r.closed:
		c.err = ErrClosed
	case r.err != nil:
		c.err = r.err
	default:
		if c.err = c.append(p); c.err != nil {
			c.cutBack()
			if r.meta.Mode == Strict {
				r.fail(c.err)
			}
		}
	}
	if c.err != nil {
		return 0, c.err
	}
	return len(p), nil
}

// append writes octets, with the Recorder's mu held, as what follows.
func (c *Content) append(p []byte) error {
	r, k := c.recorder, c.container
	if err := r.admit(len(p)); err != nil {
		return err
	}
	if k.file == nil {
		f, err := os.OpenFile(r.base+c.suffix, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, fileMode)
		if err != nil {
			return writeError(err)
		}
		k.file = f
	}
	if _, err := k.file.Write(p); err != nil {
		return writeError(err)
	}
	k.size += int64(len(p))
	r.store.used.Add(int64(len(p)))
	return nil
}

// cutBack removes what there is of the file. What can't be removed belongs to no
// Transfer.
func (c *Content) cutBack() {
	k := c.container
	if k.file == nil || k.file.Truncate(c.start) != nil {
		return
	}
	c.recorder.store.used.Add(c.start - k.size)
	k.size = c.start
}

// End ends the content. If it is whole and was kept, End returns where it begins, for
// the Transfer; otherwise what there is of it is removed.
func (c *Content) End(whole bool) (offset int64, kept bool) {
	c.recorder.mu.Lock()
	defer c.recorder.mu.Unlock()
	if c.err == nil && !whole && !c.recorder.closed {
		c.cutBack()
	}
	return c.start, c.err == nil && whole
}

// contentSize returns how much is kept, with mu held.
func (r *Recorder) contentSize() int64 { return r.uploads.size + r.downloads.size }

// eachContainer calls f for those that there are, with mu held.
func (r *Recorder) eachContainer(f func(*os.File) error) error {
	var errs []error
	for _, k := range []*container{&r.uploads, &r.downloads} {
		if k.file != nil {
			errs = append(errs, f(k.file))
		}
	}
	return errors.Join(errs...)
}

// OpenTransfer opens the content of a file that was copied through the session whose
// .cast, .seal or .json path names. The content is as long as the file was, or Read
// fails.
func OpenTransfer(path string, t *Transfer) (io.ReadCloser, error) {
	if t.Offset == nil {
		return nil, fmt.Errorf("record: the content of %q was not kept", t.Name)
	}
	digest, err := hex.DecodeString(t.SHA256)
	if err != nil || len(digest) != sha256.Size || *t.Offset < 0 || t.Size < 0 {
		return nil, fmt.Errorf("record: the content of %q has no digest", t.Name)
	}
	c := &contentReader{rest: strings.NewReader(""), left: t.Size, hash: sha256.New(), want: digest}
	if t.Size == 0 {
		return c, nil // there is no file if nothing has content
	}
	if c.file, err = os.Open(trimSuffix(path) + contentSuffix(t.Direction)); err != nil {
		return nil, fmt.Errorf("record: opening the content of a file: %w", err)
	}
	c.rest = io.NewSectionReader(c.file, *t.Offset, t.Size)
	return c, nil
}
