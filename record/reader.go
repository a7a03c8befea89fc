package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// maxLine bounds the lines of files that we have not written.
const maxLine = 64 << 20

// A Header is the first line of an asciicast.
type Header struct {
	Version   Format
	Cols      uint16
	Rows      uint16
	Timestamp int64 // Unix time of the start in seconds
	Command   string
	Title     string
	ID        string // of the recording, if the file is one of ours
	CRAdded   bool   // a CR was put before every LF, see AppendOctets
	Torn      bool   // the line was cut, and there is nothing else
}

// An Event is a line of an asciicast behind the first.
type Event struct {
	Time   time.Duration // since the start
	Code   byte          // 'o' output, 'i' input, 'r' resize, 'm' marker, 'x' exit status, or another
	Stderr bool          // output that came on stderr
	Torn   bool          // the line was cut; Text is what there is of it
	Text   []byte        // valid until the next call of Next; for the octets see AppendOctets
}

// A Reader reads an asciicast of version 2 or 3, whether it is complete, still
// written, or cut anywhere.
type Reader struct {
	Header Header

	lines  *bufio.Reader
	long   []byte // a line that does not fit in the buffer
	number int    // of lines that were read
	micros int64  // time of the last event
	stderr bool   // output comes from there

	unfinished [2]carry // characters whose rest has not come, by stream
}

// ErrFormat is of files that are no asciicast of version 2 or 3, and of lines
// that are no events.
var ErrFormat = errors.New("record: no asciicast")

// NewReader reads the first line. If that is cut, there is nothing to show, and
// Next returns io.EOF.
func NewReader(r io.Reader) (*Reader, error) {
	reader := &Reader{lines: bufio.NewReaderSize(r, 64<<10)}
	line, whole, err := reader.line()
	if err != nil && err != io.EOF {
		return nil, err
	}
	if !whole {
		reader.Header = Header{Cols: defaultCols, Rows: defaultRows, Torn: true}
		// A file that is not ours may have no LF.
		if header, err := parseHeader(line); err == nil {
			reader.Header = header
		}
		return reader, nil
	}
	reader.Header, err = parseHeader(line)
	return reader, err
}

func parseHeader(line []byte) (Header, error) {
	var h struct {
		Version   Format
		Width     uint16
		Height    uint16
		Term      struct{ Cols, Rows uint16 }
		Timestamp float64
		Command   string
		Title     string
		Spliceway *struct {
			ID  string
			TTY bool
		}
	}
	if err := json.Unmarshal(line, &h); err != nil {
		return Header{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	header := Header{
		Version: h.Version, Cols: h.Width, Rows: h.Height,
		Timestamp: int64(h.Timestamp), Command: h.Command, Title: h.Title,
	}
	switch h.Version {
	case V2:
	case V3:
		header.Cols, header.Rows = h.Term.Cols, h.Term.Rows
	default:
		return Header{}, fmt.Errorf("%w of version 2 or 3, but of %d", ErrFormat, h.Version)
	}
	if header.Cols == 0 || header.Rows == 0 {
		header.Cols, header.Rows = defaultCols, defaultRows
	}
	if h.Spliceway != nil {
		header.ID, header.CRAdded = h.Spliceway.ID, !h.Spliceway.TTY
	}
	return header, nil
}

// Next returns the next event, and io.EOF behind the last. After an error that
// is ErrFormat, which is of one line, it can be called again.
func (r *Reader) Next() (Event, error) {
	for {
		line, whole, err := r.line()
		if err != nil {
			return Event{}, err
		}
		trimmed := bytes.TrimSpace(line)
		if len(trimmed) == 0 || trimmed[0] == '#' {
			continue
		}
		parsed, err := parseEvent(line)
		if err == nil && parsed.torn && whole {
			err = errNoEvent
		}
		if err != nil && !whole {
			return Event{}, io.EOF // nothing of the line can be shown
		}
		if err != nil {
			return Event{}, fmt.Errorf("%w: line %d: %w", ErrFormat, r.number, err)
		}
		if e, ok := r.event(&parsed); ok {
			return e, nil
		}
	}
}

// event makes the event of a line. It returns false for those that only say
// something of others.
func (r *Reader) event(p *parsedEvent) (Event, bool) {
	if r.Header.Version == V3 {
		r.micros += p.micros
	} else {
		r.micros = p.micros
	}
	from := stdout
	if r.stderr {
		from = stderr
	}
	switch p.code {
	case codeStream:
		if !p.torn {
			r.stderr = string(p.text) == stderr.String()
		}
		return Event{}, false
	case codeUnfinished:
		// One that is cut can have less than the one before.
		var c carry
		if c.set(AppendOctets(nil, p.text, false)); !p.torn || c.n > r.unfinished[from].n {
			r.unfinished[from] = c
		}
		return Event{}, false
	case codeOutput:
		if len(p.text) > 0 {
			r.unfinished[from] = carry{}
		}
	}
	return Event{
		Time:   time.Duration(r.micros) * time.Microsecond,
		Code:   p.code,
		Stderr: r.stderr && p.code == codeOutput,
		Torn:   p.torn,
		Text:   p.text,
	}, true
}

// line returns the next line, valid until the next call, and whether it is
// whole. Without any octet the error is io.EOF.
func (r *Reader) line() (line []byte, whole bool, err error) {
	r.number++
	line, err = r.lines.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		r.long = r.long[:0]
		for err == bufio.ErrBufferFull && len(r.long) < maxLine {
			r.long = append(r.long, line...)
			line, err = r.lines.ReadSlice('\n')
		}
		r.long = append(r.long, line...)
		line = r.long
	}
	switch {
	case err == nil:
		return line, true, nil
	case err == bufio.ErrBufferFull:
		return nil, false, fmt.Errorf("record: line %d is longer than %d octets", r.number, maxLine)
	case err == io.EOF && len(line) > 0:
		return line, false, nil
	}
	return line, false, err
}
