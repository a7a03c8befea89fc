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
		Short: "Validate a configuration and print the effective one",
		Long: `Validate a configuration and every file that it names: keys match their
certificates, certificates are valid now, tokens can be read. It contacts nobody and
opens no port. It prints the effective configuration as YAML, defaults included, with
a comment that lists the folders the gateway can still reach once it serves. The exit
status is 0, or 78 after a list of all problems.`,
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
