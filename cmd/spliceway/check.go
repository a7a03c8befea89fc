package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/spliceway/spliceway/gateway"
)

func newCheck() *cobra.Command {
	var file string
	command := &cobra.Command{
		Use:   "check --config FILE",
		Short: "Validate a configuration and print what is effective",
		Long: `Validate a configuration and every file that it names: that keys fit their
certificates, that certificates are valid now, that tokens can be read. Nothing is
contacted and no port is opened. The effective configuration, defaults included, is
printed as YAML, and as a comment in it what of the file system the gateway keeps
the right to once it serves. The status is 0, or 78 with everything that is wrong.`,
		Example: `  spliceway check --config /etc/spliceway/config.yaml
  spliceway check --config config.yaml > effective.yaml`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error { return check(command, file) },
	}
	configFlag(command, &file)
	return command
}

func check(command *cobra.Command, file string) error {
	cfg, err := loadConfig(file)
	if err != nil {
		return err
	}
	if err := cfg.CheckFiles(); err != nil {
		return badConfig(err, "")
	}
	if err := gateway.Check(cfg); err != nil {
		return badConfig(err, "")
	}
	text, err := cfg.Effective()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(command.OutOrStdout(), "%s\n%s", text, describe(cfg, file))
	return err
}
