package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
)

// Stdout is the name of an output that is not a file.
const Stdout = "stdout"

// fileMode: events name people and what they did.
const fileMode fs.FileMode = 0o600

// Open returns a log that writes to standard output, if name is Stdout, or
// appends to the file of that name, which is made readable by its owner only if
// it does not exist. onError is as for New.
func Open(name string, onError func(error)) (*Log, error) {
	out := &output{name: name, onError: onError}
	if name == Stdout {
		out.name, out.w = "", os.Stdout
	}
	if err := out.reopen(); err != nil {
		return nil, err
	}
	return newLog(&queue{out: out, delay: requestDelay}), nil
}

// Reopen opens the file anew by its name, so that a file that was moved away is
// let go. On error the old file stays in use. For a log that is not of a file it
// does nothing.
func (l *Log) Reopen() error { return l.queue.reopen() }

// Adopt has the log go on where other writes, a log that Open or New has returned
// and that nobody uses. The file that it wrote to before is closed, with what is left
// written to it.
func (l *Log) Adopt(other *Log) error { return l.queue.adopt(other.queue) }

// File returns the name of the file that the log is written to; empty if it is not
// of a file.
func (l *Log) File() string {
	out := l.queue.out
	out.mu.Lock()
	defer out.mu.Unlock()
	return out.name
}

// Close writes what is left and closes the file of the log. Events after that are
// errors of the log's callback, unless it is not of a file, which stays open.
func (l *Log) Close() error { return l.queue.close() }

// Lines returns a writer for lines of somebody else in the same output, one or more
// with each Write, which fall between two events and never into one. Unlike an event,
// a line that could not be written is an error of its Write, which then tells the
// octets of those that were.
func (l *Log) Lines() io.Writer { return lines{l.queue} }

type lines struct{ queue *queue }

func (l lines) Write(p []byte) (int, error) {
	return l.queue.write(p)
}

var newline = []byte{'\n'}

var errClosed = errors.New("audit: log is closed")

// output gives lines to a writer, one at a time.
type output struct {
	onError func(error)

	mu   sync.Mutex
	name string    // guarded by mu; of the file, empty if w is not ours
	w    io.Writer // guarded by mu; nil when closed
	file *os.File  // guarded by mu; w if it is ours
	torn bool      // guarded by mu; the last line was written in part
}

// report tells of lines that are lost, once for each.
func (o *output) report(lost []byte, err error) {
	if o.onError == nil || err == nil {
		return
	}
	for range bytes.Count(lost, newline) {
		o.onError(err)
	}
}

// write writes whole lines. It returns the octets of those that are written, and why
// the others are lost.
func (o *output) write(p []byte) (n int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.w == nil {
		return 0, errClosed
	}
	if o.torn { // or this line would be glued to what is there of the last one
		if _, err := o.w.Write(newline); err != nil {
			return 0, fmt.Errorf("audit: writing event: %w", err)
		}
		o.torn = false
	}
	n, err = o.w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		o.torn = n > 0 && p[n-1] != '\n'
		return bytes.LastIndexByte(p[:n], '\n') + 1, fmt.Errorf("audit: writing event: %w", err)
	}
	return n, nil
}

func (o *output) reopen() error {
	o.mu.Lock()
	name := o.name
	o.mu.Unlock()
	if name == "" {
		return nil
	}
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, fileMode)
	if err != nil {
		return fmt.Errorf("audit: opening log: %w", err)
	}
	return o.replace(name, file, file)
}

func (o *output) adopt(p *output) error {
	p.mu.Lock()
	name, w, file := p.name, p.w, p.file
	p.w, p.file = nil, nil
	p.mu.Unlock()
	return o.replace(name, w, file)
}

// replace writes to w from now on, and closes the file that was written to before.
func (o *output) replace(name string, w io.Writer, file *os.File) error {
	o.mu.Lock()
	old := o.file
	o.name, o.w, o.file, o.torn = name, w, file, false
	o.mu.Unlock()
	if old != nil {
		return old.Close()
	}
	return nil
}

func (o *output) close() error {
	o.mu.Lock()
	file := o.file
	if file != nil {
		o.w, o.file = nil, nil
	}
	o.mu.Unlock()
	if file != nil {
		return file.Close()
	}
	return nil
}
