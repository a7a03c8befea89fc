package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Result is how a step ended.
type Result string

// The results of steps.
const (
	OK         Result = "ok"
	Failed     Result = "failed"
	Skipped    Result = "skipped"     // it could not be tried, and Text says why
	NotReached Result = "not reached" // a step before it has failed
)

// Step is one step of a way.
type Step struct {
	Name   string `json:"step"`
	About  string `json:"about,omitempty"` // the cluster or the host
	Result Result `json:"result"`
	Text   string `json:"text,omitempty"` // what was found, or the cause in one sentence
	Do     string `json:"do,omitempty"`   // about the cause
}

// fault is the error of a step whose cause is known.
type fault struct {
	cause, do string
}

func (f *fault) Error() string { return f.cause }

func faultf(do, format string, args ...any) error { return &fault{fmt.Sprintf(format, args...), do} }

// skip is the error of a step that can't be tried, and why.
type skip string

func (s skip) Error() string { return string(s) }

// check is a step that is still to be made. run returns what it has found.
type check struct {
	name, about string
	run         func(ctx context.Context) (found string, err error)
}

// walk makes checks in their order, until one fails.
func walk(ctx context.Context, checks []check) []Step {
	steps := make([]Step, 0, len(checks))
	failed := false
	for _, c := range checks {
		step := Step{Name: c.name, About: c.about, Result: NotReached}
		if !failed {
			found, err := c.run(ctx)
			step.end(found, err)
			failed = step.Result == Failed
		}
		steps = append(steps, step)
	}
	return steps
}

func (s *Step) end(found string, err error) {
	var known *fault
	var skipped skip
	switch {
	case err == nil:
		s.Result, s.Text = OK, found
	case errors.As(err, &skipped):
		s.Result, s.Text = Skipped, string(skipped)
	case errors.As(err, &known):
		s.Result, s.Text, s.Do = Failed, known.cause, known.do
	default:
		s.Result, s.Text = Failed, err.Error()
	}
}

// Cause returns the step that has failed, nil if none has.
func Cause(steps []Step) *Step {
	for i := range steps {
		if steps[i].Result == Failed {
			return &steps[i]
		}
	}
	return nil
}

// Write writes steps as text, a line each, with what to do behind the one that has failed.
func Write(w io.Writer, steps []Step) error {
	for _, s := range steps {
		name := s.Name
		if s.About != "" {
			name += " (" + s.About + ")"
		}
		line := fmt.Sprintf("%-12s%-36s %s", s.Result, visible(name), visible(s.Text))
		if s.Do != "" {
			line += fmt.Sprintf("\n%-12s-> %s", "", visible(s.Do))
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	return nil
}

// visible returns s without what a terminal would obey: servers have chosen some of the words.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
}
