package replay

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"time"

	"github.com/spliceway/spliceway/record"
)

// A castHeader is the first line of an asciicast that is written here.
type castHeader struct {
	Version   record.Format `json:"version"`
	Width     uint16        `json:"width,omitempty"`
	Height    uint16        `json:"height,omitempty"`
	Term      *castTerm     `json:"term,omitempty"`
	Timestamp int64         `json:"timestamp,omitempty"`
	Command   string        `json:"command,omitempty"`
	Title     string        `json:"title,omitempty"`
	Spliceway *castOrigin   `json:"spliceway,omitempty"`
}

type castTerm struct {
	Cols uint16 `json:"cols"`
	Rows uint16 `json:"rows"`
}

type castOrigin struct {
	ID  string `json:"id"`
	TTY bool   `json:"tty"`
}

// WriteCast writes a recording as asciicast of some version. Times, text and the
// order of events stay as they are; what is no event and lines that were cut are
// completed or left out. The seal is of the file of the store and of no other.
func WriteCast(w io.Writer, r *record.Reader, version record.Format) error {
	c := &castWriter{out: bufio.NewWriter(w), version: version}
	if err := c.header(&r.Header); err != nil {
		return err
	}
	for {
		e, err := nextEvent(r)
		if err == io.EOF {
			return c.out.Flush()
		}
		if err == nil {
			err = c.event(&e)
		}
		if err != nil {
			return err
		}
	}
}

// A castWriter writes lines of asciicast.
type castWriter struct {
	out     *bufio.Writer
	version record.Format
	last    time.Duration
	stderr  bool
}

func (c *castWriter) header(h *record.Header) error {
	header := castHeader{Version: c.version, Timestamp: h.Timestamp, Command: h.Command, Title: h.Title}
	if h.ID != "" {
		header.Spliceway = &castOrigin{ID: h.ID, TTY: !h.CRAdded}
	}
	if c.version == record.V3 {
		header.Term = &castTerm{h.Cols, h.Rows}
	} else {
		header.Width, header.Height = h.Cols, h.Rows
	}
	return c.line(header)
}

// line writes a value and a line feed.
func (c *castWriter) line(v any) error {
	enc := json.NewEncoder(c.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// event writes one event. Version 2 has none for the exit status; a marker is the
// nearest that it has.
func (c *castWriter) event(e *record.Event) error {
	if e.Code == 'o' && e.Stderr != c.stderr {
		c.stderr = e.Stderr
		stream := "stdout"
		if c.stderr {
			stream = "stderr"
		}
		if err := c.write(e.Time, 's', stream); err != nil {
			return err
		}
	}
	if e.Code == 'x' && c.version == record.V2 {
		return c.write(e.Time, 'm', "exit status "+string(e.Text))
	}
	return c.write(e.Time, e.Code, string(bytes.ToValidUTF8(e.Text, []byte("\ufffd"))))
}

func (c *castWriter) write(at time.Duration, code byte, text string) error {
	shown := at
	if c.version == record.V3 {
		shown -= c.last
	}
	c.last = at
	seconds := json.Number(strconv.FormatFloat(shown.Seconds(), 'f', 6, 64))
	return c.line([]any{seconds, string(code), text})
}
