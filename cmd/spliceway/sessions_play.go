package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/spliceway/spliceway/record"
	"github.com/spliceway/spliceway/replay"
)

func newPlay(at *place) *cobra.Command {
	var config replay.Config
	command := &cobra.Command{
		Use:   "play RECORDING",
		Short: "Play a recording in the terminal",
		Long: `Play a recording at its own pace. Space pauses and resumes, a full stop steps to the next
output, left and right move 5 seconds, up and down change the speed, q quits. You are
warned first if the terminal is smaller than the recorded one. Without a terminal, output
is written at its original pace.

The terminal gets text and what draws: movement, colours, erasing, the alternate screen.
Titles, the clipboard, queries that a terminal answers by typing, mouse and keyboard
modes, printing and the like are left out. With --unfiltered they are not, and the
recording can do to the terminal whatever the recorded program could. Afterwards the
terminal is restored.`,
		Example: `  spliceway sessions play --dir recordings 01jp8x4c2
  spliceway sessions play --dir recordings --speed 4 --idle-limit 1s --start 1m30s 01jp8x4c2
  spliceway sessions play session.cast`,
		Args: recordings(1, 1),
		RunE: func(command *cobra.Command, args []string) error {
			if config.Speed <= 0 || config.IdleLimit < 0 || config.Start < 0 {
				return usageError(errors.New("--speed must be more than 0, and --idle-limit and --start can't be negative"))
			}
			found, err := at.find(args[0])
			if err != nil {
				return err
			}
			return play(command, found, config)
		},
	}
	flags := command.Flags()
	flags.Float64VarP(&config.Speed, "speed", "s", 1, "play `FACTOR` times as fast")
	flags.DurationVarP(&config.IdleLimit, "idle-limit", "i", 0, "shorten pauses to `DURATION`; default: keep them")
	flags.DurationVar(&config.Start, "start", 0, "begin `DURATION` after the start of the recording")
	flags.BoolVar(&config.Unfiltered, "unfiltered", false, "pass on everything recorded")
	return command
}

func play(command *cobra.Command, found *record.Recording, config replay.Config) error {
	file, err := open(found)
	if err != nil {
		return err
	}
	cols, rows := file.Header.Cols, file.Header.Rows
	file.Close()
	words := command.ErrOrStderr()
	return onTerminal(command, &config, func() error {
		if config.Keys != nil {
			fmt.Fprintf(words, "%s\r\n%s\r\n", headline(found), replay.KeyHelp)
			if fits := fit(command.OutOrStdout(), cols, rows); fits != "" {
				fmt.Fprintf(words, "%s; press space to play it nevertheless\r\n", fits)
				config.Paused = true
			}
		}
		again := func() (*record.File, error) { return open(found) }
		played, err := replay.Play(command.Context(), command.OutOrStdout(), again, config)
		if config.Terminal {
			fmt.Fprintf(words, "\r\n%s\r\n", ending(command.OutOrStdout(), found, &played))
		}
		return interrupted(err)
	})
}

// onTerminal runs do with keys and the terminal in raw mode if standard input and
// output are one, and has the terminal restored behind it.
func onTerminal(command *cobra.Command, config *replay.Config, do func() error) (err error) {
	_, outIs := terminalFile(command.OutOrStdout())
	in, inIs := terminalFile(command.InOrStdin())
	config.Terminal = outIs
	if !outIs || !inIs {
		return do()
	}
	fd := int(in.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return fmt.Errorf("setting up the terminal: %w", err)
	}
	defer func() { err = errors.Join(err, term.Restore(fd, before)) }()
	ctx, cancel := context.WithCancel(command.Context())
	defer cancel()
	config.Keys = replay.ReadKeys(ctx, in)
	return do()
}

// terminalFile returns the file of a stream, and whether it is a terminal.
func terminalFile(stream any) (*os.File, bool) {
	f, ok := stream.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

// interrupted takes an interrupt for a way to end.
func interrupted(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// headline says what a recording is of.
func headline(found *record.Recording) string {
	parts := []string{found.ID}
	if !found.Started.IsZero() {
		parts = append(parts, found.Started.UTC().Format("2006-01-02 15:04:05"))
	}
	where := strings.Trim(found.Cluster+"/"+found.Namespace+"/"+found.Pod, "/")
	for _, part := range []string{found.User, found.Kind, where} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return replay.Printable(strings.Join(parts, " "))
}

// fit says that a recording is too large for a terminal, or nothing.
func fit(w io.Writer, cols, rows uint16) string {
	f, ok := terminalFile(w)
	if !ok {
		return ""
	}
	width, height, err := term.GetSize(int(f.Fd()))
	if err != nil || int(cols) <= width && int(rows) <= height {
		return ""
	}
	return fmt.Sprintf("the recording has %d columns and %d rows, this terminal %d and %d: it will not look right", cols, rows, width, height)
}

// ending says where and how a recording has ended.
func ending(w io.Writer, found *record.Recording, played *replay.Played) string {
	words := "[end at "
	if played.Quit {
		words = "[left at "
	}
	words += replay.Clock(played.Position)
	if !played.Quit && found.Exit != nil {
		words += fmt.Sprintf(", exit status %d", *found.Exit)
	}
	if !played.Quit && found.Cause != "" {
		words += ": " + replay.Printable(found.Cause)
	}
	if fits := fit(w, played.Cols, played.Rows); fits != "" {
		words += "; at its largest " + fits
	}
	return words + "]"
}

func newFollow(at *place) *cobra.Command {
	var config replay.Config
	command := &cobra.Command{
		Use:   "follow RECORDING",
		Short: "Watch a session while it is recorded",
		Long: `Show a recording so far and then what is added to it, until the session ends or you press
q or Ctrl-C. The terminal gets the same as with play. A recording left by a crash is
followed until the gateway starts again and ends it.`,
		Example: `  spliceway sessions ls --dir recordings --state recording
  spliceway sessions follow --dir recordings 01jp8x4c2`,
		Args: recordings(1, 1),
		RunE: func(command *cobra.Command, args []string) error {
			found, err := at.find(args[0])
			if err != nil {
				return err
			}
			return follow(command, found, config)
		},
	}
	command.Flags().BoolVar(&config.Unfiltered, "unfiltered", false, "pass on everything recorded")
	return command
}

func follow(command *cobra.Command, found *record.Recording, config replay.Config) error {
	words := command.ErrOrStderr()
	return onTerminal(command, &config, func() error {
		ctx, cancel := context.WithCancelCause(command.Context())
		defer cancel(nil)
		file, err := record.Follow(ctx, found.Path)
		if err != nil {
			return explainOpen(found, err)
		}
		defer file.Close()
		if config.Terminal {
			fmt.Fprintf(words, "%s\r\n", headline(found))
			if fits := fit(command.OutOrStdout(), file.Header.Cols, file.Header.Rows); fits != "" {
				fmt.Fprintf(words, "%s\r\n", fits)
			}
		}
		played, err := replay.Follow(command.OutOrStdout(), file, config, cancel)
		if config.Terminal {
			if meta, err := record.ReadMetadata(found.Path); err == nil {
				found.Metadata = *meta // as it is now
			}
			fmt.Fprintf(words, "\r\n%s\r\n", ending(command.OutOrStdout(), found, &played))
		}
		return interrupted(err)
	})
}
