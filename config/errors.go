package config

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
)

// Error is all problems of a configuration file.
type Error struct {
	File     string
	Problems []Problem // at least one, in the order of the file
}

// Problem is one thing that is wrong.
type Problem struct {
	Key     string // as clusters[0].server; empty for the file as a whole
	Line    int    // counted from 1; 0 for the file as a whole
	Column  int    // in characters, counted from 1
	Message string // what is wrong and what to do

	excerpt string // the line with a caret below; empty if there is none to show
}

// Error has each problem as file:line:column: key: message, with an excerpt.
func (e *Error) Error() string {
	var b strings.Builder
	switch n := len(e.Problems); n {
	case 1:
		b.WriteString("config: 1 problem\n")
	default:
		fmt.Fprintf(&b, "config: %d problems\n", n)
	}
	for _, p := range e.Problems {
		b.WriteString(e.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
		}
		if p.Key != "" {
			b.WriteString(": " + p.Key)
		}
		b.WriteString(": " + p.Message + "\n" + p.excerpt)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// position is a place in the file, counted from 1.
type position struct{ line, column int }

func at(t *token.Token) position { return position{t.Position.Line, t.Position.Column} }

// source is the file and where its keys are.
type source struct {
	name  string
	lines [][]byte
	keys  map[string]position // by key path; of a list's element, its first octet
}

// find returns the position of a key or of the nearest one around it that is in
// the file.
func (s *source) find(key string) position {
	for key != "" {
		if at, ok := s.keys[key]; ok {
			return at
		}
		key = key[:max(strings.LastIndexAny(key, ".["), 0)]
	}
	return position{}
}

// error returns the problems sorted, with excerpts.
func (s *source) error(problems []Problem) *Error {
	for i := range problems {
		p := &problems[i]
		if p.Line > 0 && p.Line <= len(s.lines) {
			p.excerpt = excerpt(s.lines[p.Line-1], p.Line, p.Column)
		}
	}
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return &Error{File: s.name, Problems: problems}
}

const maxExcerpt = 100 // characters

// visible keeps what can't change a terminal or the order of a text, rune for rune,
// so that the caret stays where it belongs.
func visible(r rune) rune {
	if r == '\t' || unicode.IsPrint(r) {
		return r
	}
	return '?'
}

// excerpt returns a line of the file with a caret below the column.
func excerpt(line []byte, number, column int) string {
	text := []rune(strings.Map(visible, masked(string(bytes.TrimRight(line, "\r")))))
	if len(text) > maxExcerpt {
		text = append(text[:maxExcerpt:maxExcerpt], '…')
	}
	if column < 1 || column > len(text)+1 {
		return ""
	}
	var pad strings.Builder
	for _, r := range text[:column-1] {
		if r == '\t' {
			pad.WriteRune('\t') // as wide as the one above it
		} else {
			pad.WriteByte(' ')
		}
	}
	gutter := fmt.Sprintf("%6d | ", number)
	return fmt.Sprintf("%s%s\n%s| %s^\n", gutter, string(text), strings.Repeat(" ", len(gutter)-2), pad.String())
}

var (
	keyedLine = regexp.MustCompile(`^(\s*(?:-\s+)*["']?([^\s"':]+)["']?\s*:\s*)(\S.*)?$`)
	listLine  = regexp.MustCompile(`^\s*-\s`)
)

// masked returns a line without what could be a secret: values are shown of known
// keys and in lists, and there not if they look like one.
func masked(line string) string {
	if secret(line) || strings.ContainsFunc(line, func(r rune) bool { return r < ' ' && r != '\t' || r == utf8.RuneError }) {
		return unkeyed(line)
	}
	if m := keyedLine.FindStringSubmatch(line); m != nil {
		_, known := keyHomes()[m[2]]
		if m[3] == "" || known && !strings.Contains(m[3], "{") && !strings.Contains(m[3], ": ") {
			return line
		}
		return m[1] + "…" // what is unknown, and groups of keys in one line
	}
	if listLine.MatchString(line) {
		return line
	}
	return unkeyed(line)
}

// unkeyed returns no more than the key of a line.
func unkeyed(line string) string {
	if m := keyedLine.FindStringSubmatch(line); m != nil && !secret(m[2]) {
		return m[1] + "…"
	}
	blank := len(line) - len(strings.TrimLeft(line, " \t-"))
	return line[:blank] + "…"
}

// secretForms are JWTs, PEM blocks, credentials in URLs, and words too long and
// too mixed to be anything else.
var secretForms = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8}|-----BEGIN|://[^/\s]*@|[A-Za-z0-9+_=-]{48}`)

// secret reports whether s contains what looks like a secret.
func secret(s string) bool { return secretForms.MatchString(s) }

// quoted returns a value for a message.
func quoted(s string) string {
	switch {
	case secret(s):
		return "the value"
	case len(s) > 60:
		return fmt.Sprintf("%.60q…", s)
	}
	return fmt.Sprintf("%q", s)
}
