package main

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/spliceway/spliceway/record"
	"github.com/spliceway/spliceway/replay"
)

func newCat(at *place) *cobra.Command {
	return &cobra.Command{
		Use:   "cat RECORDING...",
		Short: "Print what was on the screen as plain text",
		Long: `Print the lines that were on the screen as plain text, each once, in the order in which
they scrolled off it, as a terminal emulator reconstructs them. Output of full-screen
programs, such as editors, stands between two lines that say so.`,
		Example: `  spliceway sessions cat --dir recordings 01jp8x4c2
  spliceway sessions cat session.cast > session.txt`,
		Args: recordings(1, 0),
		RunE: func(command *cobra.Command, args []string) error {
			for _, name := range args {
				if err := cat(command, at, name, len(args) > 1); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

func cat(command *cobra.Command, at *place, name string, titled bool) error {
	found, err := at.find(name)
	if err != nil {
		return err
	}
	file, err := open(found)
	if err != nil {
		return err
	}
	defer file.Close()
	if titled {
		fmt.Fprintf(command.OutOrStdout(), "==> %s <==\n", headline(found))
	}
	return replay.Transcript(command.Context(), command.OutOrStdout(), file.Reader)
}

// grepFlags are the flags of grep.
type grepFlags struct {
	filterFlags
	all, ignoreCase bool
	context         int
}

func newGrep(at *place) *cobra.Command {
	var flags grepFlags
	command := &cobra.Command{
		Use:   "grep PATTERN [RECORDING...]",
		Short: "Search what was on the screen",
		Long: `Search what was on the screen in the named recordings, in those that the flags choose, or
in all of them with --all. PATTERN is a Go regular expression (RE2). It is matched against
lines as they were visible, however they were typed, coloured, corrected or wrapped. Each
match is printed with its recording and the time since its start; -C adds the rows around
it. The exit status is 1 if nothing is found.`,
		Example: `  spliceway sessions grep --dir recordings 'rm.*-rf' 01jp8x4c2
  spliceway sessions grep --dir recordings --all -i -C 2 'password|secret'
  spliceway sessions grep --dir recordings --since 7d --namespace prod 'kubectl +delete'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError(errors.New("say what to search for: give a regular expression"))
			}
			return nil
		},
		RunE: func(command *cobra.Command, args []string) error {
			return grep(command, at, &flags, args[0], args[1:])
		},
	}
	f := command.Flags()
	flags.add(f)
	f.BoolVarP(&flags.all, "all", "a", false, "search all recordings")
	f.BoolVarP(&flags.ignoreCase, "ignore-case", "i", false, "ignore case")
	f.IntVarP(&flags.context, "context", "C", 0, "also print `N` rows before and after")
	return command
}

func grep(command *cobra.Command, at *place, flags *grepFlags, pattern string, names []string) error {
	if flags.ignoreCase {
		pattern = "(?i)" + pattern
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return usageError(err)
	}
	filter, err := flags.complete(time.Now())
	if err != nil {
		return err
	}
	if len(names) == 0 && !flags.all && filter == (record.Filter{}) {
		return &failure{code: exitUsage, err: errors.New("which recordings?"), hint: "name them, choose them by flags, or give --all"}
	}
	s := &grepSearch{command: command, re: re, context: flags.context}
	for _, name := range names {
		found, err := at.find(name)
		if err != nil {
			return err
		}
		if err := s.search(found); err != nil {
			return err
		}
	}
	if len(names) == 0 {
		if err := at.list(filter, s.search, reporter(command)); err != nil {
			return err
		}
	}
	if s.failed > 0 {
		return fmt.Errorf("%d of %d recordings could not be searched to their end", s.failed, s.searched)
	}
	if s.found == 0 {
		return fmt.Errorf("nothing was found in %d recordings", s.searched)
	}
	return nil
}

// A grepSearch counts what was found where.
type grepSearch struct {
	command                 *cobra.Command
	re                      *regexp.Regexp
	context                 int
	searched, found, failed int
}

// search searches one recording. One that can't be searched to its end does not
// keep the others from it.
func (s *grepSearch) search(found *record.Recording) error {
	if found.State == record.StateDeleted {
		return nil
	}
	s.searched++
	file, err := open(found)
	if err != nil {
		s.fail(found, err)
		return nil
	}
	defer file.Close()
	matches, err := replay.Grep(s.command.Context(), file.Reader, s.re, s.context)
	if err := s.command.Context().Err(); err != nil {
		return fmt.Errorf("searching %s: %w", found.ID, err)
	}
	if err != nil {
		s.fail(found, err)
	}
	s.found += len(matches)
	if len(matches) == 0 {
		return nil
	}
	out := s.command.OutOrStdout()
	fmt.Fprintln(out, headline(found))
	for i := range matches {
		s.print(out, &matches[i])
	}
	return nil
}

// fail says that a recording could not be searched to its end.
func (s *grepSearch) fail(found *record.Recording, err error) {
	s.failed++
	reporter(s.command)(fmt.Errorf("searching %s: %w", found.ID, err))
}

func (s *grepSearch) print(w io.Writer, m *replay.Match) {
	line := func(clock, text string) {
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("%12s  %s", clock, replay.Printable(text)), " "))
	}
	for _, row := range m.Before {
		line("", row)
	}
	line(replay.Clock(m.Time), m.Line)
	for _, row := range m.After {
		line("", row)
	}
	if s.context > 0 {
		fmt.Fprintln(w, "--")
	}
}
