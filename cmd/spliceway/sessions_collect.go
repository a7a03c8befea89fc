package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/spliceway/spliceway/record"
	"github.com/spliceway/spliceway/replay"
)

func newCollect(at *place) *cobra.Command {
	return &cobra.Command{
		Use:   "collect --dir DIR [FILE...]",
		Short: "Rebuild recordings from a log stream",
		Long: `Rebuild recordings from a log that contains their lines, as the gateway prints them with
"recordings.lines: stdout", read from files or standard input. They are written to --dir
as the gateway would have written them. Other lines are skipped, and order and duplicates
do not matter. Gaps are reported, marked in the recording, and make the exit status 1.`,
		Example: `  spliceway sessions collect --dir rebuilt gateway.log
  spliceway sessions collect --dir rebuilt < gateway.log`,
		Args: cobra.ArbitraryArgs,
		RunE: func(command *cobra.Command, args []string) error {
			dir, err := at.path()
			if err != nil {
				return err
			}
			return collect(command, dir, args)
		},
	}
}

func collect(command *cobra.Command, dir string, names []string) error {
	log := command.InOrStdin()
	if len(names) > 0 {
		files, closeAll, err := openAll(names)
		if err != nil {
			return err
		}
		defer closeAll()
		log = files
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	collected, err := record.Collect(dir, log)
	incomplete := 0
	for i := range collected {
		if !collected[i].Complete() {
			incomplete++
		}
		report(command.OutOrStdout(), &collected[i])
	}
	switch {
	case err != nil:
		return err
	case len(collected) == 0:
		return errors.New("the log contains no line of a recording")
	case incomplete > 0:
		return fmt.Errorf("%d of %d recordings are not complete", incomplete, len(collected))
	}
	return nil
}

// openAll opens files to be read one after the other.
func openAll(names []string) (io.Reader, func(), error) {
	var files []io.Reader
	var closers []io.Closer
	closeAll := func() {
		for _, c := range closers {
			c.Close()
		}
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			closeAll()
			return nil, nil, err
		}
		files, closers = append(files, f), append(closers, f)
	}
	return io.MultiReader(files...), closeAll, nil
}

// report says what has become of one recording.
func report(w io.Writer, c *record.Collected) {
	word := "complete"
	if !c.Complete() {
		word = "INCOMPLETE"
	}
	fmt.Fprintf(w, "%s  %s: %d lines, %d octets, %s\n", c.ID, word, c.Lines, c.Size, replay.Printable(c.Path))
	for _, gap := range c.Gaps {
		if gap.Last < 0 {
			fmt.Fprintf(w, "  the end is missing, from line %d on\n", gap.First)
		} else {
			fmt.Fprintf(w, "  lines %d to %d are missing\n", gap.First, gap.Last)
		}
	}
	for _, gap := range c.Missing {
		fmt.Fprintf(w, "  octets %d to %d of the recording are missing\n", gap.First, gap.Last)
	}
	for _, count := range []struct {
		n    int64
		what string
	}{
		{c.Altered, "lines are not as they were written"},
		{c.Conflicts, "lines came twice and differ; the first was taken"},
		{c.Duplicates, "lines came more than once"},
	} {
		if count.n > 0 {
			fmt.Fprintf(w, "  %d %s\n", count.n, count.what)
		}
	}
}
