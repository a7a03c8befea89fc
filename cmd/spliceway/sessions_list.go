package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/spliceway/spliceway/record"
	"github.com/spliceway/spliceway/replay"
)

func newList(at *place) *cobra.Command {
	var flags filterFlags
	var output string
	command := &cobra.Command{
		Use:   "ls",
		Short: "List recordings",
		Long: `List recordings, oldest first. On a terminal, lines are cut to its width, and ids to as
much as the other commands need. The state is active (being written), unended (left by a
crash, until the gateway starts again), complete, recovered (ended after a crash) or
deleted, followed by truncated, unsealed or held where that applies. -o wide adds columns,
-o json prints one object per line.`,
		Example: `  spliceway sessions ls --dir /var/lib/spliceway/recordings --since 2h
  spliceway sessions ls --dir recordings --user 'ann*' --namespace prod --command bash -o wide
  spliceway sessions ls --dir recordings --since 2026-03-09 --until 2026-03-10 -o json`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			filter, err := flags.complete(time.Now())
			if err != nil {
				return err
			}
			return list(command, at, filter, output)
		},
	}
	flags.add(command.Flags())
	command.Flags().StringVarP(&output, "output", "o", "", "print in `FORMAT`: wide or json")
	return command
}

func list(command *cobra.Command, at *place, filter record.Filter, output string) error {
	out := command.OutOrStdout()
	table := replay.Table{Width: width(out), Wide: output == "wide"}
	listed := 0
	add := func(found *record.Recording) error {
		listed++
		table.Add(found)
		return nil
	}
	switch output {
	case "":
	case "wide":
		table.Width = 0
	case "json":
		return at.list(filter, func(found *record.Recording) error { return replay.WriteJSON(out, found) }, reporter(command))
	default:
		return usageError(fmt.Errorf("-o: %q is not one of wide, json", output))
	}
	err := at.list(filter, add, reporter(command))
	if err != nil && listed == 0 {
		return err
	}
	if written := table.Write(out); err == nil {
		err = written
	}
	return err
}

// width returns the columns of a terminal, and 0 if w is none.
func width(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return columns
}

func newShow(at *place) *cobra.Command {
	var output string
	command := &cobra.Command{
		Use:   "show RECORDING...",
		Short: "Print everything known about a recording",
		Long: `Print the metadata of recordings: who, where, what, when, how it ended, which files
and ports went through it, and what has happened to the recording since.`,
		Example: `  spliceway sessions show --dir recordings 01jp8x4c2
  spliceway sessions show --dir recordings -o json 01jp8x4c2`,
		Args: recordings(1, 0),
		RunE: func(command *cobra.Command, args []string) error {
			if output != "" && output != "json" {
				return usageError(fmt.Errorf("-o: %q is not json", output))
			}
			return show(command.OutOrStdout(), at, args, output == "json")
		},
	}
	command.Flags().StringVarP(&output, "output", "o", "", "print in `FORMAT`: json")
	return command
}

func show(w io.Writer, at *place, names []string, asJSON bool) error {
	for i, name := range names {
		found, err := at.find(name)
		if err != nil {
			return err
		}
		if asJSON {
			err = replay.WriteJSON(w, found)
		} else {
			if i > 0 {
				fmt.Fprintln(w)
			}
			err = replay.WriteDetails(w, found)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
