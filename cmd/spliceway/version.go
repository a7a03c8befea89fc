package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Set by the linker; see the Makefile.
var (
	version = ""
	commit  = ""
)

// build returns the version and the commit of this binary.
func build() (string, string) {
	v, c := version, commit
	if info, ok := debug.ReadBuildInfo(); ok {
		v = cmp.Or(v, info.Main.Version)
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				c = cmp.Or(c, setting.Value)
			}
		}
	}
	if v == "" || v == "(devel)" {
		v = "devel"
	}
	return v, cmp.Or(c, "unknown")
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print version, commit and Go version",
		Long: `Print one line with the version, the commit it was built from, the version of Go, and
the operating system and architecture.`,
		Example: "  spliceway version",
		Args:    noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			v, c := build()
			_, err := fmt.Fprintf(command.OutOrStdout(), "spliceway %s (commit %s, %s, %s/%s)\n",
				v, c, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
