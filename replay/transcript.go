package replay

import (
	"bufio"
	"context"
	"io"
	"time"

	"github.com/spliceway/spliceway/record"
)

// Transcript writes what was on the screen as plain text: each line once, when it
// left the screen, and at the end those that are left. What a program that takes
// the whole screen has shown is between two lines that say so.
func Transcript(ctx context.Context, w io.Writer, r *record.Reader) error {
	s := newScreen(r.Header.Cols, r.Header.Rows)
	out := bufio.NewWriter(w)
	var now time.Duration
	blank := 0 // lines that are only written if another follows
	line := func(text string) {
		if text == "" {
			blank++
			return
		}
		for ; blank > 0; blank-- {
			out.WriteByte('\n')
		}
		out.WriteString(Printable(text))
		out.WriteByte('\n')
	}
	s.gone = line
	s.switched = func(alternate bool) {
		blank = 0
		if alternate {
			line("--- " + Clock(now) + " a program takes the whole screen ---")
		} else {
			line("--- " + Clock(now) + " the program gives it back ---")
		}
	}
	s.interrupted = func() error { return context.Cause(ctx) }
	err := s.play(r, func(at time.Duration) { now = at })
	for y := range s.rows {
		line(s.row(y))
	}
	if flushed := out.Flush(); err == nil {
		err = flushed
	}
	return err
}
