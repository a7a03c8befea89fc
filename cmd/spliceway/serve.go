package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/spliceway/spliceway/config"
	"github.com/spliceway/spliceway/gateway"
	"github.com/spliceway/spliceway/metrics"
)

const hintCheck = "spliceway check --config FILE tells all that is wrong with a configuration"

func newServe() *cobra.Command {
	var file string
	command := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Run the gateway",
		Long: `Run the gateway until SIGTERM or SIGINT. It then takes no new connections, lets
requests end, and lets streams go on for drain.timeout; a second signal ends it at
once. Audit events go to audit.output, diagnostics to standard error.

Certificates, keys, tokens and authorities are read again when their files change.
A configuration that can't be used ends it with status 78.`,
		Example: `  spliceway serve --config /etc/spliceway/config.yaml`,
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return serve(command, file)
		},
	}
	configFlag(command, &file)
	return command
}

// configFlag adds the required flag --config.
func configFlag(command *cobra.Command, file *string) {
	command.Flags().StringVar(file, "config", "", "configuration `FILE`, YAML")
	if err := command.MarkFlagRequired("config"); err != nil {
		panic(err) // the flag is defined one line above
	}
}

func serve(command *cobra.Command, file string) error {
	cfg, err := loadConfig(file)
	if err != nil {
		return err
	}
	log, err := newLogger(command.ErrOrStderr(), cfg.Log.Level, cfg.Log.Format)
	if err != nil {
		return badConfig(err, hintCheck)
	}
	v, c := build()
	g, err := gateway.New(cfg, metrics.Build{Version: v, Commit: c}, log)
	if err != nil {
		return badConfig(err, hintCheck)
	}
	return g.Run(command.Context())
}

// loadConfig reads a configuration. Its errors lead to status 78.
func loadConfig(file string) (*config.Config, error) {
	cfg, err := config.Load(file)
	if err == nil {
		return cfg, nil
	}
	var invalid *config.Error
	if errors.As(err, &invalid) {
		return nil, badConfig(err, "")
	}
	return nil, badConfig(fmt.Errorf("reading the configuration: %w", err), "")
}
