package record

import (
	"bytes"
	"encoding/json"
	"strconv"
	"sync"
	"time"
)

// A Format is a version of asciicast.
type Format uint8

// The versions that are written.
const (
	V2 Format = 2
	V3 Format = 3
)

// The size of a terminal that never told its size.
const (
	defaultCols = 80
	defaultRows = 24
)

// Codes of events. codeStream and codeUnfinished are ours: players ignore them.
const (
	codeOutput = 'o'
	codeInput  = 'i'
	codeMarker = 'm'
	codeResize = 'r'
	codeExit   = 'x'
	codeStream = 's'

	// codeUnfinished has the octets of a character whose rest has not come. The
	// next output of its stream has that character, if it is one.
	codeUnfinished = 'u'
)

// A stream is where output came on.
type stream uint8

const (
	stdout stream = iota
	stderr
)

func (s stream) String() string {
	if s == stderr {
		return "stderr"
	}
	return "stdout"
}

// maxEvent is from how many octets of text on an event takes no more.
const maxEvent = 64 << 10

// rooms are for the lines of all recordings: most have nothing to write at any one
// time.
var rooms = sync.Pool{New: func() any { return new([]byte) }}

// An encoder makes lines of asciicast in buf. Outputs of the same stream that
// follow one another go into one event until closeEvent is called.
type encoder struct {
	buf     []byte
	room    *[]byte // what buf is in, of rooms; nil if of its own
	format  Format
	escapes *alphabet

	last      int64 // microseconds at which the last event in buf begins
	committed int64 // last, as of what was taken from buf

	open   bool   // buf ends inside the text of an output event
	stream stream // of the open event
	start  int    // of the open event's text in buf

	announced stream // that the events before are of
	settled   stream // announced, as of what was taken from buf
	carried   [2]carry
	noted     [2]carry // of carried, what events in buf and before it say
	kept      [2]carry // noted, as of what was taken from buf
}

func newEncoder(format Format, tty bool) encoder {
	e := encoder{format: format, escapes: &escapes}
	if !tty {
		e.escapes = &addedCR
	}
	return e
}

// header appends the first line.
func (e *encoder) header(s *Session) error {
	type ours struct {
		ID  string `json:"id"`
		TTY bool   `json:"tty"`
	}
	type term struct {
		Cols uint16 `json:"cols"`
		Rows uint16 `json:"rows"`
	}
	h := struct {
		Version   Format `json:"version"`
		Width     uint16 `json:"width,omitempty"`  // v2
		Height    uint16 `json:"height,omitempty"` // v2
		Term      *term  `json:"term,omitempty"`   // v3
		Timestamp int64  `json:"timestamp"`
		Command   string `json:"command,omitempty"`
		Title     string `json:"title,omitempty"`
		Spliceway ours   `json:"spliceway"`
	}{
		Version:   e.format,
		Timestamp: s.Started.Unix(),
		Command:   s.commandLine(),
		Title:     s.title(),
		Spliceway: ours{ID: s.ID, TTY: s.TTY},
	}
	if e.format == V3 {
		h.Term = &term{Cols: s.Cols, Rows: s.Rows}
	} else {
		h.Width, h.Height = s.Cols, s.Rows
	}
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(h); err != nil {
		return err
	}
	e.buf = append(e.buf, line.Bytes()...)
	return nil
}

// output appends what came on s.
func (e *encoder) output(at time.Duration, s stream, p []byte) {
	c := &e.carried[s]
	if c.add(p) {
		return
	}
	if e.open && (e.stream != s || len(e.buf)-e.start >= maxEvent) {
		e.closeEvent()
	}
	e.openOutput(at, s)
	e.buf = c.appendTo(e.buf, p, e.escapes)
	e.noted[s] = carry{}
}

// note appends the octets that are carried, unless events say so already, so that a
// reader of what is there so far lacks nothing.
func (e *encoder) note() {
	for s := range e.carried {
		if c := e.carried[s]; c != e.noted[s] {
			e.closeEvent()
			e.announce(0, stream(s))
			e.begin(0, codeUnfinished)
			e.buf = appendRaw(e.buf, c.octets[:c.n])
			e.end()
			e.noted[s] = c
		}
	}
}

// giveUp appends the characters that were begun and not completed.
func (e *encoder) giveUp() {
	for s := range e.carried {
		if c := &e.carried[s]; c.n > 0 {
			if e.open && e.stream != stream(s) {
				e.closeEvent()
			}
			e.openOutput(0, stream(s))
			e.buf = c.giveUp(e.buf)
			e.noted[s] = carry{}
		}
	}
	e.closeEvent()
}

func (e *encoder) openOutput(at time.Duration, s stream) {
	if e.open {
		return
	}
	e.announce(at, s)
	e.begin(at, codeOutput)
	e.open, e.stream, e.start = true, s, len(e.buf)
}

// announce says of which stream the events behind it are.
func (e *encoder) announce(at time.Duration, s stream) {
	if e.announced != s {
		e.event(at, codeStream, s.String())
		e.announced = s
	}
}

// event appends an event with text of ours or typed text.
func (e *encoder) event(at time.Duration, code byte, text string) {
	e.closeEvent()
	e.begin(at, code)
	var used int
	e.buf, used = appendText(e.buf, []byte(text), &escapes)
	e.buf = appendRaw(e.buf, []byte(text[used:]))
	e.end()
}

func (e *encoder) resize(at time.Duration, cols, rows uint16) {
	e.closeEvent()
	e.begin(at, codeResize)
	e.buf = strconv.AppendUint(e.buf, uint64(cols), 10)
	e.buf = append(e.buf, 'x')
	e.buf = strconv.AppendUint(e.buf, uint64(rows), 10)
	e.end()
}

// exit appends the exit status. Version 2 has no event for it; a marker is the
// nearest that it has.
func (e *encoder) exit(at time.Duration, code int) {
	status := strconv.Itoa(code)
	if e.format == V3 {
		e.event(at, codeExit, status)
	} else {
		e.event(at, codeMarker, "exit status "+status)
	}
}

// begin appends a line up to the text. Times never go back: what is earlier
// than the event before is of its time.
func (e *encoder) begin(at time.Duration, code byte) {
	now := max(at.Microseconds(), e.last)
	shown := now
	if e.format == V3 {
		shown -= e.last
	}
	e.last = now
	if e.buf == nil {
		e.room = rooms.Get().(*[]byte)
		e.buf = (*e.room)[:0]
	}
	e.buf = append(e.buf, '[')
	e.buf = appendSeconds(e.buf, shown)
	e.buf = append(e.buf, ',', '"', code, '"', ',', '"')
}

func (e *encoder) end() { e.buf = append(e.buf, '"', ']', '\n') }

func (e *encoder) closeEvent() {
	if e.open {
		e.end()
		e.open = false
	}
}

// taken says that all of buf was written.
func (e *encoder) taken() {
	e.committed, e.settled, e.kept = e.last, e.announced, e.noted
	e.release()
}

// drop forgets what is in buf, which could not be written. What was carried before
// it, and noted, stays.
func (e *encoder) drop() {
	e.release()
	e.open = false
	e.last, e.announced = e.committed, e.settled
	e.carried, e.noted = e.kept, e.kept
}

// release gives the memory of buf back, and what is in it with it.
func (e *encoder) release() {
	const most = 256 << 10 // octets that are worth to be kept
	if e.room != nil && cap(e.buf) <= most {
		*e.room = e.buf
		rooms.Put(e.room)
	}
	e.buf, e.room = nil, nil
}

// appendSeconds appends microseconds as seconds, with one to six decimals.
func appendSeconds(dst []byte, micros int64) []byte {
	const second = 1_000_000
	dst = strconv.AppendInt(dst, micros/second, 10)
	dst = append(dst, '.')
	fraction := micros % second
	for unit := int64(second / 10); ; unit /= 10 {
		dst = append(dst, byte('0'+fraction/unit))
		fraction %= unit
		if fraction == 0 {
			return dst
		}
	}
}
