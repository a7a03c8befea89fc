package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/spliceway/spliceway/record"
	"github.com/spliceway/spliceway/replay"
)

// pageIdle is the longest pause in a page.
const pageIdle = 2 * time.Second

func newExport(at *place) *cobra.Command {
	var format, output, files string
	command := &cobra.Command{
		Use:   "export RECORDING",
		Short: "Write a recording for other programs",
		Long: `Write a recording to standard output or a file. The format cast is the recording as
stored, which is what its seal covers; v2 and v3 are asciicast of that version, text is
what cat prints, and html is a self-contained page that plays the recording in a browser
without a network.

With --files, write instead the content of copied files, if recordings.keepFiles kept it,
to a folder: one file each, named by a number followed by its own name.`,
		Example: `  spliceway sessions export --dir recordings --format html --output session.html 01jp8x4c2
  spliceway sessions export --dir recordings --format v3 01jp8x4c2 > session.cast
  spliceway sessions export --dir recordings --files evidence 01jp8x4c2`,
		Args: recordings(1, 1),
		RunE: func(command *cobra.Command, args []string) error {
			write, ok := exporters[format]
			if !ok {
				return usageError(fmt.Errorf("--format: %q is not one of cast, v2, v3, text, html", format))
			}
			found, err := at.find(args[0])
			if err != nil {
				return err
			}
			if files != "" {
				return saveFiles(command, found, files)
			}
			return export(command, found, write, output)
		},
	}
	command.Flags().StringVarP(&format, "format", "f", "cast", "write in `FORMAT`: cast, v2, v3, text or html")
	command.Flags().StringVarP(&output, "output", "o", "", "write to `FILE`, which must not exist; default: standard output")
	command.Flags().StringVar(&files, "files", "", "write the content of copied files to `FOLDER`, which is created if its parent exists")
	command.MarkFlagsMutuallyExclusive("files", "format")
	command.MarkFlagsMutuallyExclusive("files", "output")
	return command
}

// saveFiles writes the content of copied files, and names them.
func saveFiles(command *cobra.Command, found *record.Recording, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	saved := 0
	err := replay.SaveFiles(dir, found, func(name string, t *record.Transfer) error {
		saved++
		_, err := fmt.Fprintf(command.OutOrStdout(), "%s  %s\n", name, replay.Printable(t.Name))
		return err
	})
	if err == nil && saved == 0 {
		return errors.New("the recording has no file content; only with recordings.keepFiles is it kept")
	}
	return err
}

// An exporter writes a recording in some format.
type exporter func(*cobra.Command, io.Writer, *record.Recording, *record.Reader) error

func export(command *cobra.Command, found *record.Recording, write exporter, output string) error {
	file, err := open(found)
	if err != nil {
		return err
	}
	defer file.Close()
	if output == "" {
		return explainExport(write(command, command.OutOrStdout(), found, file.Reader))
	}
	f, err := os.OpenFile(output, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = explainExport(write(command, f, found, file.Reader))
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		os.Remove(output)
	}
	return err
}

// exporters write the formats.
var exporters = map[string]exporter{
	"cast": func(_ *cobra.Command, w io.Writer, found *record.Recording, _ *record.Reader) error {
		return copyFile(w, found.Path)
	},
	"v2": func(_ *cobra.Command, w io.Writer, _ *record.Recording, r *record.Reader) error {
		return replay.WriteCast(w, r, record.V2)
	},
	"v3": func(_ *cobra.Command, w io.Writer, _ *record.Recording, r *record.Reader) error {
		return replay.WriteCast(w, r, record.V3)
	},
	"text": func(command *cobra.Command, w io.Writer, _ *record.Recording, r *record.Reader) error {
		return replay.Transcript(command.Context(), w, r)
	},
	"html": func(_ *cobra.Command, w io.Writer, found *record.Recording, r *record.Reader) error {
		meta := &found.Metadata
		if found.Version == 0 {
			meta = nil // a file without metadata
		}
		return replay.WriteHTML(w, r, meta, pageIdle)
	},
}

// explainExport says how to get what this binary lacks.
func explainExport(err error) error {
	if errors.Is(err, replay.ErrNoPlayer) {
		return &failure{code: exitRuntime, err: err, hint: "make player build makes one with it"}
	}
	return err
}

func copyFile(w io.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}
