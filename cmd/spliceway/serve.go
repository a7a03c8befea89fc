package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/spliceway/spliceway/config"
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
SIGHUP loads the configuration anew, as a whole or, if anything is wrong with it,
not at all; connections that are open go on under the one that let them in. listen,
metrics.listen and admin.socket can't change. SIGHUP also opens the file of the audit log anew,
as logrotate wants it.

SIGUSR2 upgrades: the program is started anew, as its file is now, and takes over
the sockets that are listened on. Once it serves, this process takes no more
connections and ends with its last one, or at drain.timeout. If the new one does
not come to serve, this one goes on as if nothing had been.

Once it serves, the process can reach no file that the configuration does not need
(sandbox.landlock). A configuration or an upgrade that needs others is refused until
the gateway is started anew.

It is a service of type notify for systemd, with watchdog and socket activation:
sockets named spliceway are for listen, one named metrics is for metrics.listen.

A configuration that can't be used ends it with status 78.`,
		Example: `  spliceway serve --config /etc/spliceway/config.yaml`,
		Args:    noArguments,
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

// loadConfig reads a configuration. Its errors lead to status 78.
func loadConfig(file string) (*config.Config, error) {
	cfg, err := config.Load(file)
	if err == nil {
		return cfg, nil
	}
	var invalid *config.Error
	if errors.As(err, &invalid) {
		return nil, badConfig(err, "") // which says what to do
	}
	return nil, badConfig(err, "give the name of a file that can be read with --config")
}
