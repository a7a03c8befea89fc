package main

import (
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
	info, ok := debug.ReadBuildInfo()
	if ok && v == "" {
		v = info.Main.Version
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" && c == "" {
			c = setting.Value
		}
	}
	if v == "" || v == "(devel)" {
		v = "devel"
	}
	if c == "" {
		c = "unknown"
	}
	return v, c
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print version, commit and Go version",
		Example: "  spliceway version",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			v, c := build()
			_, err := fmt.Fprintf(command.OutOrStdout(), "spliceway %s (commit %s, %s, %s/%s)\n",
				v, c, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
