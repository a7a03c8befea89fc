package replay

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/spliceway/spliceway/record"
)

// A Match is a line of a screen in which something was found.
type Match struct {
	Time   time.Duration // when it was first to be seen
	Line   string        // at its longest; wrapped rows are joined
	Before []string      // rows above it
	After  []string      // rows below it
}

// Grep returns the lines of the screen in which re finds something, in the order
// of their times. A line that grows while somebody types, or is painted again as
// it was, is one match. context is how many rows around it are given.
func Grep(ctx context.Context, r *record.Reader, re *regexp.Regexp, context int) ([]Match, error) {
	g := &grep{screen: newScreen(r.Header.Cols, r.Header.Rows), re: re, context: context}
	g.forget()
	g.screen.seen = g.seen
	g.screen.scrolled = g.scrolled
	g.screen.erased = g.changed
	g.screen.switched = func(bool) { g.forget() }
	g.screen.interrupted = ctx.Err
	err := g.screen.play(r, func(at time.Duration) { g.now = at })
	g.forget()
	slices.SortStableFunc(g.matches, func(a, b Match) int { return cmp.Compare(a.Time, b.Time) })
	return g.matches, err
}

// A grep looks for something while a recording is played.
type grep struct {
	screen  *screen
	re      *regexp.Regexp
	context int
	now     time.Duration

	open    map[int]*found // matches that may still grow, by their first row
	told    map[int]string // lines that were told and are still there, by their first row
	matches []Match        // that are settled
}

// found is a match with what was found in it.
type found struct {
	Match
	what string
}

// seen looks at the rows that have changed.
func (g *grep) seen(rows []int) {
	next := 0
	for _, y := range rows {
		if y < next {
			continue
		}
		top, bottom, line := g.line(y)
		next = bottom + 1
		g.look(top, bottom, line)
	}
}

// line returns the line that a row is part of: rows that are full go on in the
// next one.
func (g *grep) line(y int) (top, bottom int, line string) {
	top = y
	for top > 0 && g.screen.full(top-1) {
		top--
	}
	var b strings.Builder
	for bottom = top; ; bottom++ {
		text := g.screen.row(bottom)
		b.WriteString(text)
		if bottom+1 >= g.screen.rows || !g.screen.full(bottom) {
			return top, bottom, b.String()
		}
		// A blank in the last column is a blank of the line.
		for n := ansi.StringWidth(text); n < g.screen.cols; n++ {
			b.WriteByte(' ')
		}
	}
}

// look looks for something in one line.
func (g *grep) look(top, bottom int, line string) {
	what, is := "", false
	if at := g.re.FindStringIndex(line); at != nil {
		what, is = line[at[0]:at[1]], true
	}
	before := g.open[top]
	if before != nil && (!is || !grows(before, what)) {
		g.settle(top)
		before = nil
	}
	if !is {
		return
	}
	if before == nil {
		if g.told[top] == line {
			return // painted again
		}
		before = &found{Match: Match{Time: g.now}}
		g.open[top] = before
	}
	if len(line) >= len(before.Line) {
		before.Line, before.what = line, what
	}
	if g.context > 0 {
		before.Before = g.rows(top-g.context, top)
		before.After = g.rows(bottom+1, bottom+1+g.context)
	}
}

// grows tells whether what is found now is what was found before, or more of it.
func grows(before *found, what string) bool {
	return strings.HasPrefix(what, before.what) || strings.HasPrefix(before.what, what)
}

func (g *grep) rows(from, until int) []string {
	var rows []string
	for y := max(from, 0); y < min(until, g.screen.rows); y++ {
		rows = append(rows, g.screen.row(y))
	}
	return rows
}

// settle takes a match as it is.
func (g *grep) settle(top int) {
	if m := g.open[top]; m != nil {
		g.matches = append(g.matches, m.Match)
		g.told[top] = m.Line
		delete(g.open, top)
	}
}

// scrolled moves all by one row. A line of which only the first row has left,
// because it was full, is still there.
func (g *grep) scrolled(full bool) {
	if len(g.open) == 0 && len(g.told) == 0 {
		return
	}
	open, told := make(map[int]*found, len(g.open)), make(map[int]string, len(g.told))
	for top, line := range g.told {
		if top > 0 {
			told[top-1] = line
		}
	}
	if full {
		g.settle(1) // part of the same line now
	} else {
		g.settle(0)
	}
	for top, m := range g.open {
		open[max(top-1, 0)] = m
	}
	g.open, g.told = open, told
}

// changed settles all that is open: rows have moved or were erased. On the
// alternate screen, where programs paint again and again, what was told stays
// told.
func (g *grep) changed() {
	for top := range g.open {
		g.settle(top)
	}
	if !g.screen.filter.alternate {
		clear(g.told)
	}
}

// forget settles all and begins anew.
func (g *grep) forget() {
	for top := range g.open {
		g.settle(top)
	}
	g.open, g.told = make(map[int]*found), make(map[int]string)
}
