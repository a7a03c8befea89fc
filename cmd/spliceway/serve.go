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
		Long: `Run the gateway until SIGTERM or SIGINT. It then accepts no new connections, lets
requests finish, and lets streams continue for up to drain.timeout; a second signal
ends it at once. Audit events go to audit.output, diagnostics to standard error.

Certificates, keys, tokens and CA files are read again when they change. SIGHUP
reloads the whole configuration, or none of it if anything in it is wrong; open
connections keep the configuration they began with. Changes to listen,
metrics.listen, admin.socket and sandbox need a restart. SIGHUP also reopens the
audit log, as logrotate requires.

SIGUSR2 upgrades: the program file, as it is now, is started and takes over the
listening sockets. Once it serves, this process accepts no more connections and ends
with its last one, or at drain.timeout. If the new process fails to start serving,
this one carries on.

Once it serves, the process can reach only the files that the configuration needs
(sandbox.landlock). A reload or an upgrade that needs other files is refused: restart
the gateway instead.

Under systemd it is a service of type notify, with watchdog and socket activation:
sockets named spliceway belong to listen, one named metrics to metrics.listen.

The exit status is 78 if the configuration can't be used.`,
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
	command.Flags().StringVar(file, "config", "", "read the configuration from `FILE`")
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
