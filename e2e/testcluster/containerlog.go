package testcluster

import (
	"bytes"
	"fmt"
	"os"
	"sync"
	"time"
)

// output receives one output stream of the process and passes it on to the
// log and to the attached clients.
type output struct {
	c      *container
	stream string
	line   []byte // not yet logged
}

func (o *output) Write(p []byte) (int, error) {
	o.c.mu.Lock()
	clients := make([]*attachment, 0, len(o.c.attached))
	for a := range o.c.attached {
		clients = append(clients, a)
	}
	o.c.mu.Unlock()
	for _, a := range clients {
		w := a.stdout
		if o.stream == "stderr" {
			w = a.stderr
		}
		if w == nil {
			continue
		}
		if _, err := w.Write(p); err != nil {
			a.leave()
		}
	}
	o.line = append(o.line, p...)
	for {
		i := bytes.IndexByte(o.line, '\n')
		if i < 0 {
			break
		}
		o.c.log.write(o.stream, "F", o.line[:i])
		o.line = o.line[i+1:]
	}
	if len(o.line) >= maxLogLine {
		o.flush()
	}
	return len(p), nil
}

// flush logs an unfinished line as a partial one.
func (o *output) flush() {
	if len(o.line) > 0 {
		o.c.log.write(o.stream, "P", o.line)
		o.line = nil
	}
}

const maxLogLine = 16 << 10 // as containerd

// logFile is a container log in the format of the CRI, which the library that
// serves logs reads: "TIME STREAM TAG TEXT".
type logFile struct {
	path string
	mu   sync.Mutex
	file *os.File
}

func createLog(path string) (*logFile, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	return &logFile{path: path, file: file}, err
}

func (l *logFile) write(stream, tag string, text []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.file, "%s %s %s %s\n", time.Now().UTC().Format(time.RFC3339Nano), stream, tag, text)
}

func (l *logFile) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.file.Close()
}
