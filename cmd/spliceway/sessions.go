package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/spliceway/spliceway/record"
)

func newSessions() *cobra.Command {
	var at place
	command := &cobra.Command{
		Use:   "sessions COMMAND",
		Short: "Find, play, search and check recorded sessions",
		Long: `Find, play, search and check what the gateway has recorded. Recordings are looked up in
--dir, or in recordings.dir of the configuration. No command here needs the gateway or a
network, and none changes a recording. A recording is named by its id, the beginning of
its id, or the path of its .cast file.

A recording may contain output that attacks the terminal it is shown on. play and follow
therefore pass on only what draws, and all other commands but export print printable
characters only; what export writes is for files and other programs.`,
		Example: `  spliceway sessions ls --dir /var/lib/spliceway/recordings --since 2h --user ann
  spliceway sessions play --dir /var/lib/spliceway/recordings 01jp8x4c2
  spliceway sessions grep --config /etc/spliceway/config.yaml --all 'rm.*-rf'`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	flags := command.PersistentFlags()
	flags.StringVar(&at.dir, "dir", "", "look for recordings in `DIR`")
	flags.StringVar(&at.config, "config", "", "without --dir, use recordings.dir of the configuration `FILE`")
	command.AddCommand(newList(&at), newShow(&at), newPlay(&at), newFollow(&at), newCat(&at), newGrep(&at),
		newExport(&at), newVerify(&at), newCollect(&at))
	return command
}

// A place is where recordings are.
type place struct{ dir, config string }

// path returns the directory of the recordings.
func (p *place) path() (string, error) {
	if p.dir != "" {
		return p.dir, nil
	}
	if p.config == "" {
		return "", &failure{
			code: exitUsage, err: errors.New("where are the recordings?"),
			hint: "name their directory with --dir, or the gateway's configuration with --config",
		}
	}
	cfg, err := loadConfig(p.config)
	if err != nil {
		return "", err
	}
	if cfg.Recordings.Dir == "" {
		return "", badConfig(fmt.Errorf("%s has no recordings.dir", p.config), "give the directory with --dir")
	}
	return cfg.Recordings.Dir, nil
}

// list returns the recordings that a filter chooses. What can't be read is told
// by report, and makes the command fail in the end.
func (p *place) list(filter record.Filter, do func(*record.Recording) error, report func(error)) error {
	dir, err := p.path()
	if err != nil {
		return err
	}
	if _, err := os.Stat(dir); err != nil {
		return &failure{code: exitRuntime, err: fmt.Errorf("reading the recordings: %w", err), hint: "name their directory with --dir, and run this as a user who may read it"}
	}
	unread := 0
	for found, err := range record.List(dir, filter) {
		if err != nil {
			unread++
			report(err)
			continue
		}
		if err := do(found); err != nil {
			return err
		}
	}
	if unread > 0 {
		return fmt.Errorf("%d recordings could not be read", unread)
	}
	return nil
}

// reporter returns a function that says what went wrong and goes on.
func reporter(command *cobra.Command) func(error) {
	return func(err error) { fmt.Fprintln(command.ErrOrStderr(), "spliceway:", spelled(err.Error())) }
}

// find returns the recording that an argument names.
func (p *place) find(name string) (*record.Recording, error) {
	if strings.ContainsRune(name, filepath.Separator) || strings.HasSuffix(name, ".cast") {
		return findFile(name)
	}
	dir, err := p.path()
	if err != nil {
		return nil, err
	}
	found, err := record.Find(dir, name)
	switch {
	case errors.Is(err, record.ErrNotFound):
		return nil, &failure{code: exitRuntime, err: fmt.Errorf("there is no recording %q", name), hint: "spliceway sessions ls lists them"}
	case errors.Is(err, record.ErrAmbiguous):
		return nil, &failure{code: exitRuntime, err: fmt.Errorf("several recordings begin with %q", name), hint: "give more of the id"}
	}
	return found, err
}

// findFile returns the recording in a .cast file, with its metadata if they are
// beside it.
func findFile(path string) (*record.Recording, error) {
	meta, err := record.ReadMetadata(path)
	if err == nil {
		return &record.Recording{Metadata: *meta, Path: strings.TrimSuffix(strings.TrimSuffix(path, ".json"), ".cast") + ".cast"}, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	id := strings.TrimSuffix(filepath.Base(path), ".cast")
	return &record.Recording{Metadata: record.Metadata{Session: record.Session{ID: id}}, Path: path}, nil
}

// open opens what find has found, as it is at the moment.
func open(found *record.Recording) (*record.File, error) {
	file, err := record.OpenFile(found.Path)
	return file, explainOpen(found, err)
}

// explainOpen says why a recording is not there.
func explainOpen(found *record.Recording, err error) error {
	if d := found.Deletion; d != nil && errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the recording %s was deleted on %s: %s", found.ID, d.Time.UTC().Format("2006-01-02 15:04:05 UTC"), d.Reason)
	}
	return err
}

// recordings wants between least and most arguments that name recordings; most
// may be 0 for any number.
func recordings(least, most int) cobra.PositionalArgs {
	return func(command *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return &failure{code: exitUsage, err: errors.New("which recording?"), hint: "give the beginning of an id; spliceway sessions ls lists them"}
		case most > 0 && len(args) > most:
			return usageError(fmt.Errorf("%s takes %d recording, and %q is one too many", command.CommandPath(), most, args[most]))
		}
		return nil
	}
}
