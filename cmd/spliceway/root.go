package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// newRoot returns the command with all its subcommands.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "spliceway",
		Short: "Authenticated, recording gateway in front of Kubernetes API servers",
		Long: `Spliceway stands in front of Kubernetes API servers. A client proves who it is
with a signed token that is bound to its TLS connection; the gateway impersonates
that user towards the API server and forwards everything else as it came.`,
		Example: `  spliceway check --config /etc/spliceway/config.yaml
  spliceway serve --config /etc/spliceway/config.yaml
  spliceway connect kubeconfig --issuer https://issuer.example.com --user ann`,
		SilenceErrors: true, // run prints them
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
	}
	root.SetHelpCommand(&cobra.Command{Hidden: true})
	root.AddCommand(newServe(), newCheck(), newConnect(), newIssuer(), newVersion())
	for _, command := range root.Commands() {
		markFailures(command)
	}
	return root
}

// markFailures makes errors of the commands themselves failures, so that they
// can be told from errors of the command line.
func markFailures(command *cobra.Command) {
	if do := command.RunE; do != nil {
		command.RunE = func(c *cobra.Command, args []string) error {
			err := do(c, args)
			var f *failure
			if err == nil || errors.As(err, &f) {
				return err
			}
			return &failure{code: exitRuntime, err: err}
		}
	}
	for _, sub := range command.Commands() {
		markFailures(sub)
	}
}
