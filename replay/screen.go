package replay

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/vt"

	"github.com/spliceway/spliceway/record"
)

// The largest screen that is kept. A cell takes some 130 octets.
const (
	maxCols = 500
	maxRows = 300
)

// ErrEmulator is of recordings that the terminal emulator cannot take.
var ErrEmulator = errors.New("replay: the terminal emulator gave up")

// A screen is a terminal without a window. It is given what the filter lets
// pass, in pieces of at most a line of text, and tells what has become of each,
// so that nothing that was visible is missed.
type screen struct {
	// seen is called after each piece that can have shown something new: rows
	// are those that were touched, from the top.
	seen func(rows []int)
	// gone is called for each line that has left the screen at the top or was
	// erased together with all others.
	gone func(line string)
	// scrolled is called behind gone for lines that have left at the top. One
	// that was full has gone on in the next row.
	scrolled func(full bool)
	// switched is called when the alternate screen is shown, or no longer. All
	// lines have gone before.
	switched func(alternate bool)
	// erased is called when lines were taken away otherwise than by scrolling.
	erased func()
	// interrupted is asked before each event, and before each piece of it: there
	// can be thousands that move every cell of a large screen. Its error ends play.
	interrupted func() error

	main, shown *vt.Emulator // the same unless the alternate screen is shown
	cols, rows  int
	clearing    bool          // lines go because all are erased
	wrapped     [maxRows]bool // rows that go on in the next one, because a text did

	splitter splitter
	filter   filter
	octets   []byte // of an event
	passed   []byte // of a token
	touched  []int
	err      error
}

func newScreen(cols, rows uint16) *screen {
	s := &screen{
		cols: bound(cols, maxCols), rows: bound(rows, maxRows),
		seen: func([]int) {}, gone: func(string) {}, scrolled: func(bool) {}, switched: func(bool) {}, erased: func() {},
		interrupted: func() error { return nil },
	}
	s.main = newEmulator(s.cols, s.rows)
	s.shown = s.main
	return s
}

func bound(n uint16, limit int) int { return min(max(int(n), 1), limit) }

func newEmulator(cols, rows int) *vt.Emulator {
	e := vt.NewEmulator(cols, rows)
	// Nobody reads its answers, for which it would wait. None is asked for by
	// what the filter lets pass; this is the second lock.
	if answers, ok := e.InputPipe().(io.Closer); ok {
		answers.Close()
	}
	return e
}

// play takes all of a recording and calls at before each event of output or
// size. Lines of the file that are no events are passed over.
func (s *screen) play(r *record.Reader, at func(time.Duration)) error {
	for {
		e, err := nextEvent(r)
		if err == io.EOF {
			return s.err
		}
		if err != nil {
			return err
		}
		if e.Code != 'o' && e.Code != 'r' {
			continue
		}
		if err := s.interrupted(); err != nil {
			return err
		}
		at(e.Time)
		if s.event(&e); s.err != nil {
			return s.err
		}
	}
}

// nextEvent returns the next line of a file that is an event.
func nextEvent(r *record.Reader) (record.Event, error) {
	for {
		e, err := r.Next()
		if !errors.Is(err, record.ErrFormat) {
			return e, err
		}
	}
}

// event takes one event. The emulator is a library that was not made for hostile
// input: what it panics with becomes an error.
func (s *screen) event(e *record.Event) {
	defer func() {
		if cause := recover(); cause != nil {
			s.err = fmt.Errorf("%w at %s: %v", ErrEmulator, Clock(e.Time), cause)
		}
	}()
	switch e.Code {
	case 'o':
		s.octets = record.AppendOctets(s.octets[:0], e.Text, false)
		s.splitter.feed(s.octets, s.take)
	case 'r':
		if cols, rows, ok := parseSize(string(e.Text)); ok {
			s.resize(bound(cols, maxCols), bound(rows, maxRows))
		}
	}
}

// parseSize parses COLSxROWS.
func parseSize(text string) (cols, rows uint16, ok bool) {
	var rest string
	n, _ := fmt.Sscanf(text, "%dx%d%s", &cols, &rows, &rest)
	return cols, rows, n == 2 && cols > 0 && rows > 0
}

// take gives a token to the emulator.
func (s *screen) take(t *token) {
	if s.err == nil {
		s.err = s.interrupted()
	}
	if s.err != nil {
		return
	}
	if t.kind == text {
		for line := t.octets; len(line) > 0; {
			n := prefix(line, s.cols)
			s.print(line[:n])
			line = line[n:]
			s.look()
		}
		return
	}
	if t.kind == escape && t.final == 'c' && len(t.octets) == 0 {
		s.reset()
		return
	}
	if t.kind == sequence && s.modes(t) {
		return
	}
	s.passed = s.filter.appendToken(s.passed[:0], t)
	if len(s.passed) == 0 {
		return
	}
	if t.kind == sequence && s.rewrites(t) {
		return
	}
	s.write(s.passed)
	if t.kind == sequence && strings.IndexByte("@PXKb", t.final) >= 0 {
		s.look()
	} else {
		s.untouch()
	}
}

// print gives text to the emulator and notes which rows it was wrapped in.
func (s *screen) print(p []byte) {
	before := s.shown.CursorPosition()
	if before.X == 0 {
		s.wrapped[before.Y] = false // a new line begins here
	}
	scrolled := s.write(p)
	after := s.shown.CursorPosition()
	for y := max(before.Y-scrolled, 0); y < after.Y; y++ {
		s.wrapped[y] = true
	}
}

// prefix returns how many octets of text the first n characters have.
func prefix(text []byte, n int) int {
	if len(text) <= n {
		return len(text)
	}
	i := 0
	for ; n > 0 && i < len(text); n-- {
		_, size := utf8.DecodeRune(text[i:])
		i += size
	}
	return i
}

// rewrites does what the emulator does otherwise than terminals do.
func (s *screen) rewrites(t *token) bool {
	values := parameters(t.octets)
	first := 0
	if len(values) > 0 {
		first = values[0]
	}
	switch t.final {
	case 'r': // margins below the screen would let lines vanish there
		bottom := s.rows
		if len(values) > 1 && values[1] > 0 {
			bottom = min(values[1], s.rows)
		}
		if top := max(first, 1); top < bottom {
			s.write(fmt.Appendf(nil, "\x1b[%d;%dr", top, bottom))
		}
		return true
	case 'J':
		position := s.shown.CursorPosition()
		if first == 2 || first == 0 && position.X == 0 && position.Y == 0 {
			s.clear()
			return true
		}
		if first < 2 {
			s.erased()
		}
	case 'L', 'M', 'S', 'T':
		clear(s.wrapped[:])
		s.erased()
	}
	return false
}

// clear erases all, which the emulator counts as scrolling.
func (s *screen) clear() {
	s.erased()
	clear(s.wrapped[:])
	s.clearing = true
	s.write([]byte("\x1b[2J"))
	s.clearing = false
	s.untouch()
}

// modes sets private modes. The alternate screen is an emulator of its own, so
// that what scrolls off it can be seen too.
func (s *screen) modes(t *token) bool {
	if len(t.octets) == 0 || t.octets[0] != '?' || t.final != 'h' && t.final != 'l' {
		return false
	}
	for _, mode := range parameters(t.octets[1:]) {
		before := s.filter.alternate
		s.passed = s.filter.appendModes(s.passed[:0], []int{mode}, t.final)
		switch {
		case before != s.filter.alternate:
			s.change()
		case mode != 47 && mode != 1047 && mode != 1049:
			s.write(s.passed)
		}
	}
	s.untouch()
	return true
}

// change shows the other screen.
func (s *screen) change() {
	s.leave()
	s.shown = s.main
	if s.filter.alternate {
		s.shown = newEmulator(s.cols, s.rows)
	}
	s.switched(s.filter.alternate)
}

// leave lets all lines of the screen go, so that what follows comes after them.
func (s *screen) leave() {
	s.clear()
	s.write([]byte("\x1b[r\x1b[H"))
}

// reset is a full reset.
func (s *screen) reset() {
	s.leave()
	if s.filter.alternate {
		s.switched(false)
	}
	s.filter = filter{}
	s.main = newEmulator(s.cols, s.rows)
	s.shown = s.main
}

// resize keeps the line of the cursor: what is above it scrolls away if there is
// too little room.
func (s *screen) resize(cols, rows int) {
	position := s.shown.CursorPosition()
	if over := position.Y - (rows - 1); over > 0 {
		s.erased()
		s.write(fmt.Appendf(nil, "\x1b[?6l\x1b[r\x1b[H\x1b[%dM\x1b[%d;%dH", over, position.Y-over+1, position.X+1))
	}
	s.cols, s.rows = cols, rows
	s.shown.Resize(cols, rows)
	if s.shown != s.main {
		s.main.Resize(cols, rows)
	}
	s.write([]byte("\x1b7")) // what was saved may be a place that is no more
	s.untouch()
}

// write gives octets to the emulator, tells what has gone, and returns how many
// lines have.
func (s *screen) write(p []byte) int {
	s.shown.Write(p)
	past := s.shown.Scrollback()
	n := past.Len()
	for _, line := range past.Lines() {
		s.gone(lineText(line))
		if !s.clearing {
			s.scrolled(s.wrapped[0] || len(line) >= s.cols)
			copy(s.wrapped[:], s.wrapped[1:])
		}
	}
	past.Clear()
	return n
}

// look tells which rows were touched.
func (s *screen) look() {
	s.touched = s.touched[:0]
	for y, row := range s.shown.Touched() {
		if row != nil && y < s.rows {
			s.touched = append(s.touched, y)
		}
	}
	s.untouch()
	if len(s.touched) > 0 {
		s.seen(s.touched)
	}
}

// untouch forgets what was touched; what only moved was seen before.
func (s *screen) untouch() { clear(s.shown.Touched()) }

// row returns the text of a row without the blanks at its end.
func (s *screen) row(y int) string {
	var b strings.Builder
	blanks := 0
	for x := 0; x < s.cols; {
		cell := s.shown.CellAt(x, y)
		if blank(cell) {
			blanks++
			x++
			continue
		}
		for ; blanks > 0; blanks-- {
			b.WriteByte(' ')
		}
		b.WriteString(cell.Content)
		x += max(cell.Width, 1)
	}
	return b.String()
}

// full tells whether a row is filled up to the last column, so that what it says
// may go on in the next.
func (s *screen) full(y int) bool {
	if s.wrapped[y] {
		return true
	}
	last := s.shown.CellAt(s.cols-1, y)
	if !blank(last) || s.cols < 2 {
		return !blank(last)
	}
	before := s.shown.CellAt(s.cols-2, y)
	return before != nil && before.Width > 1 // it takes two columns
}

func blank(cell *uv.Cell) bool { return cell == nil || cell.Content == "" || cell.Content == " " }

// lineText returns the text of a line that has gone.
func lineText(line uv.Line) string {
	var b strings.Builder
	for x := 0; x < len(line); {
		cell := &line[x]
		if cell.Content == "" {
			b.WriteByte(' ')
		} else {
			b.WriteString(cell.Content)
		}
		x += max(cell.Width, 1)
	}
	return strings.TrimRight(b.String(), " ")
}
