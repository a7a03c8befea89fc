//go:build docs

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/spliceway/spliceway/config"
	"github.com/spliceway/spliceway/internal/manpage"
	"github.com/spliceway/spliceway/internal/reference"
)

// configPage is the manual page about the configuration file.
const configPage = "spliceway-config"

// generators returns the command that writes what packages have beside the binary.
// The binary itself is built without it.
func generators() []*cobra.Command {
	var man, completions string
	command := &cobra.Command{
		Use:    "generate [--man DIR] [--completions DIR]",
		Short:  "Write the manual pages and shell completions",
		Long:   `Write the manual pages, dated by SOURCE_DATE_EPOCH, and the shell completions.`,
		Hidden: true,
		Args:   noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			if man != "" {
				if err := writeManual(command.Root(), man); err != nil {
					return err
				}
			}
			if completions != "" {
				return writeCompletions(command.Root(), completions)
			}
			return nil
		},
	}
	command.Flags().StringVar(&man, "man", "", "`DIR` for man1 and man5")
	command.Flags().StringVar(&completions, "completions", "", "`DIR` for one script a shell")
	return []*cobra.Command{command}
}

// manual is what all pages have in common.
type manual struct {
	dir  string
	date time.Time
}

func writeManual(root *cobra.Command, dir string) error {
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH must be the seconds of the date of the pages: %w", err)
	}
	m := &manual{dir: dir, date: time.Unix(seconds, 0)}
	root.InitDefaultCompletionCmd()
	if err := m.commands(root); err != nil {
		return err
	}
	return m.config()
}

// page begins a page and returns it.
func (m *manual) page(name, section, short string) *manpage.Page {
	v, _ := build()
	p := manpage.New(name, section, m.date, "spliceway "+v, "Spliceway Manual")
	p.Name(name, short)
	return p
}

func (m *manual) write(p *manpage.Page, name, section string) error {
	dir := filepath.Join(m.dir, "man"+section)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, name+"."+section), []byte(p.String()), 0o644)
}

// commands writes the pages of a command and those below it.
func (m *manual) commands(command *cobra.Command) error {
	name := pageName(command)
	p := m.page(name, "1", command.Short)
	p.Section("SYNOPSIS")
	p.Synopsis(command.UseLine())
	p.Section("DESCRIPTION")
	p.Text(command.Long)
	command.InitDefaultHelpFlag()
	writeFlags(p, "OPTIONS", command.NonInheritedFlags())
	writeFlags(p, "OPTIONS OF ALL COMMANDS OF "+strings.ToUpper(command.CommandPath()), command.InheritedFlags())
	see := []string{configPage + "(5)"}
	if command.HasParent() {
		see = append(see, pageName(command.Parent())+"(1)")
	}
	if !command.HasParent() {
		writeStatus(p)
	}
	if command.Example != "" {
		p.Section("EXAMPLES")
		p.Verbatim(strings.TrimSuffix(command.Example, "\n") + "\n")
	}
	for _, sub := range command.Commands() {
		if !sub.IsAvailableCommand() || sub.Name() == "help" {
			continue
		}
		see = append(see, pageName(sub)+"(1)")
		if err := m.commands(sub); err != nil {
			return err
		}
	}
	p.SeeAlso(see)
	return m.write(p, name, "1")
}

func pageName(command *cobra.Command) string {
	return strings.ReplaceAll(command.CommandPath(), " ", "-")
}

func writeFlags(p *manpage.Page, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	p.Section(title)
	flags.VisitAll(func(flag *pflag.Flag) {
		if flag.Hidden {
			return
		}
		name := "--" + flag.Name
		if flag.Shorthand != "" {
			name = "-" + flag.Shorthand + ", " + name
		}
		value, usage := pflag.UnquoteUsage(flag)
		if d := flag.DefValue; d != "" && d != "false" && d != "0" && d != "[]" {
			usage += fmt.Sprintf(" (default %s)", d)
		}
		p.Term(name, value, usage+"\n")
	})
}

// writeStatus writes what the statuses mean, which is the same for all commands.
func writeStatus(p *manpage.Page) {
	p.Section("EXIT STATUS")
	for _, row := range []struct {
		code int
		text string
	}{
		{0, "Done."},
		{exitRuntime, "The command failed, and said why on standard error."},
		{exitUsage, "The command line can't be used."},
		{exitConfig, "The configuration can't be used; the service is not to be started again before somebody has looked."},
	} {
		p.Term(strconv.Itoa(row.code), "", row.text+"\n")
	}
}

// config writes the page about the configuration file.
func (m *manual) config() error {
	keys, err := config.Reference()
	if err != nil {
		return err
	}
	p := m.page(configPage, "5", "Configuration file of spliceway")
	p.Section("DESCRIPTION")
	p.Text(config.About)
	p.Section("KEYS")
	for _, key := range keys {
		writeKey(p, key)
	}
	p.SeeAlso([]string{"spliceway(1)", "spliceway-check(1)", "spliceway-serve(1)"})
	return m.write(p, configPage, "5")
}

func writeKey(p *manpage.Page, key reference.Key) {
	kind := key.Type
	if key.Default != "" {
		kind += ", default " + key.Default
	}
	p.Term(key.Path, strings.TrimPrefix(kind, ", "), key.Explanation()+"\n")
}

// writeCompletions writes the scripts under the names that packages give them.
func writeCompletions(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for name, generate := range map[string]func(io.Writer) error{
		"spliceway.bash": func(w io.Writer) error { return root.GenBashCompletionV2(w, true) },
		"_spliceway":     root.GenZshCompletion,
		"spliceway.fish": func(w io.Writer) error { return root.GenFishCompletion(w, true) },
	} {
		var script strings.Builder
		if err := generate(&script); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script.String()), 0o644); err != nil {
			return err
		}
	}
	return nil
}
