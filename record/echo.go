package record

import (
	"bytes"
	"time"
	"unicode/utf8"
)

const (
	// echoPatience is for how long, and echoMisses for how many outputs that
	// are something else, the echo of typed text is waited for.
	echoPatience = 2 * time.Second
	echoMisses   = 4
	// maxTyped bounds the octets that wait for their echo.
	maxTyped = 4 << 10
)

// An echo decides which typed lines are recorded: those that the terminal
// showed. What is typed while nothing is shown is a password as a rule.
//
// A line is what is typed up to and with CR or LF. Its visible characters have
// to appear in the output, in order and each at the beginning of an output or
// behind others of them; escape sequences are passed over, and backspaces step
// back. A line with one character that does not appear in time is left out as
// a whole, as is one with keys that arrive as escape sequences that can stand
// for text. In programs that draw the screen themselves hardly a line is
// recorded. A line that is recorded has the time of its last echo.
type echo struct {
	lines []typedLine // the last one may be incomplete
	size  int         // octets of all lines
	seq   sequence    // of the input
	out   sequence    // of the output
}

// A typedLine is a line, or the beginning of one.
type typedLine struct {
	octets  []byte
	visible []rune // that have to be shown
	shown   int    // of them, how many were
	misses  int
	since   time.Duration // when what is not shown was typed
	ended   bool
	hidden  bool // it is left out
}

// input takes what was typed.
func (e *echo) input(at time.Duration, p []byte) {
	for len(p) > 0 {
		if len(e.lines) == 0 || e.lines[len(e.lines)-1].ended {
			e.lines = append(e.lines, typedLine{since: at})
		}
		r, size := utf8.DecodeRune(p)
		e.key(&e.lines[len(e.lines)-1], at, r, p[:size])
		p = p[size:]
	}
	if e.size > maxTyped {
		for i := range e.lines {
			e.hide(&e.lines[i])
		}
	}
}

// key adds a character to a line.
func (e *echo) key(l *typedLine, at time.Duration, r rune, octets []byte) {
	if !l.hidden {
		l.octets = append(l.octets, octets...)
		e.size += len(octets)
	}
	inside, text := e.seq.next(r)
	switch {
	case text:
		e.hide(l)
	case inside:
	case r == '\r' || r == '\n':
		l.ended = true
	case r == '\b' || r == 0x7f:
		if n := len(l.visible); n > 0 {
			l.visible = l.visible[:n-1]
			l.shown = min(l.shown, n-1)
		}
	case r >= ' ' && !l.hidden:
		if l.shown == len(l.visible) {
			l.since, l.misses = at, 0
		}
		l.visible = append(l.visible, r)
	}
}

func (e *echo) hide(l *typedLine) {
	e.size -= len(l.octets)
	l.hidden, l.octets, l.visible, l.shown = true, nil, nil, 0
}

// output looks for echoes and returns the lines that can be recorded, nil if
// there are none.
func (e *echo) output(at time.Duration, p []byte) []byte {
	l := e.waiting()
	if l == nil {
		e.out.skip(p) // to know where escape sequences end
		return e.release()
	}
	e.show(l, p)
	if l.shown < len(l.visible) {
		if l.misses++; l.misses > echoMisses || at-l.since > echoPatience {
			e.hide(l)
		}
	}
	return e.release()
}

// waiting returns the first line of which something was not shown, or nil. One
// output is looked at for one line only.
func (e *echo) waiting() *typedLine {
	for i := range e.lines {
		if l := &e.lines[i]; l.shown < len(l.visible) {
			return l
		}
	}
	return nil
}

// show counts the characters of a line that an output shows.
func (e *echo) show(l *typedLine, p []byte) {
	before := l.shown
	for cursor := l.shown; len(p) > 0 && l.shown < len(l.visible); {
		r, size := utf8.DecodeRune(p)
		p = p[size:]
		if inside, _ := e.out.next(r); inside {
			continue
		}
		switch {
		case r == '\b':
			cursor = max(cursor-1, 0)
		case r == '\r' && cursor == 0, r == '\a', r == 0:
		case cursor < len(l.visible) && r == l.visible[cursor]:
			cursor++
			l.shown = max(l.shown, cursor)
		default:
			e.out.skip(p)
			p = nil
		}
	}
	e.out.skip(p)
	if l.shown > before {
		l.misses = 0
	}
}

// release removes the lines at the front that are decided.
func (e *echo) release() []byte {
	var typed []byte
	n := 0
	for ; n < len(e.lines); n++ {
		l := &e.lines[n]
		if !l.ended || !l.hidden && l.shown < len(l.visible) {
			break
		}
		typed = append(typed, l.octets...)
		e.size -= len(l.octets)
	}
	e.lines = e.lines[:copy(e.lines, e.lines[n:])]
	return typed
}

// A sequence follows the escape sequences of one direction.
type sequence struct {
	state  byte // 0 outside, otherwise what began the sequence; 1 behind ESC
	params [16]byte
	n      int
}

// next takes a character. inside says that it belongs to a sequence, text
// that it ends one that can stand for a character that was typed.
func (s *sequence) next(r rune) (inside, text bool) {
	switch s.state {
	case 0:
		if r != 0x1b {
			return false, false
		}
		s.state = 1
	case 1:
		s.state, s.n = 0, 0
		if r == '[' || r == 'O' || r == ']' || r == 'P' {
			s.state = byte(r)
		}
	case 'O':
		s.state = 0
		return true, r >= 'j' && r <= 'y' || r == 'M' // the keypad's digits
	case '[':
		if r < 0x40 {
			if s.n < len(s.params) {
				s.params[s.n] = byte(r)
			}
			s.n++
			return true, false
		}
		s.state = 0
		return true, s.typed(r)
	default: // until BEL or ESC \
		if r == '\a' {
			s.state = 0
		} else if r == 0x1b {
			s.state = 1
		}
	}
	return true, false
}

// typed tells whether a control sequence from a keyboard can stand for text:
// CSI u and CSI 27 ; … ~ do, cursor and function keys don't.
func (s *sequence) typed(final rune) bool {
	switch final {
	case 'A', 'B', 'C', 'D', 'E', 'F', 'H', 'P', 'Q', 'R', 'S', 'Z', 'I', 'M', 'm', 'c', 'n', 't', 'y':
		return false
	case '~':
		return s.n >= 3 && bytes.HasPrefix(s.params[:], []byte("27;"))
	}
	return true
}

// skip takes what is not looked at.
func (s *sequence) skip(p []byte) {
	for len(p) > 0 {
		if s.state == 0 {
			i := bytes.IndexByte(p, 0x1b)
			if i < 0 {
				return
			}
			p = p[i:]
		}
		r, size := utf8.DecodeRune(p)
		s.next(r)
		p = p[size:]
	}
}
