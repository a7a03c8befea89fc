package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// newRoot returns the command with all its subcommands.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "spliceway",
		Short: "Authenticated, recording gateway in front of Kubernetes API servers",
		Long: `Spliceway is a gateway in front of Kubernetes API servers. A client authenticates
with a signed token bound to its TLS connection; the gateway impersonates that user
to the API server and forwards everything else unchanged.`,
		Example: `  spliceway check --config /etc/spliceway/config.yaml
  spliceway serve --config /etc/spliceway/config.yaml
  spliceway connect kubeconfig --issuer https://issuer.example.com --user ann`,
		SilenceErrors: true, // run prints them
		SilenceUsage:  true,

		DisableFlagsInUseLine: true,

		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error { return command.Help() },
	}
	root.SetHelpCommand(newHelp())
	root.AddCommand(newServe(), newCheck(), newDoctor(), newConnect(), newIssuer(), newAuthority(), newSessions(), newStatus(), newVersion())
	root.AddCommand(generators()...)
	for _, command := range root.Commands() {
		markFailures(command)
	}
	return root
}

// newHelp is help as a command, for those who don't write --help.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show the help of a command",
		Long:  `Show what --help shows.`,
		Example: `  spliceway help serve
  spliceway help connect kubeconfig`,
		RunE: func(help *cobra.Command, args []string) error {
			command, rest, err := help.Root().Find(args)
			if err == nil {
				err = noArguments(command, rest)
			}
			if err != nil {
				return err
			}
			command.InitDefaultHelpFlag()
			return command.Help()
		},
	}
}

// noArguments refuses arguments: no command takes any.
func noArguments(command *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !command.HasAvailableSubCommands() {
		return &failure{code: exitUsage, err: fmt.Errorf("%s takes no arguments, and %q is one", command.CommandPath(), args[0])}
	}
	f := &failure{code: exitUsage, err: fmt.Errorf("unknown command %q for %q", args[0], command.CommandPath())}
	command.SuggestionsMinimumDistance = 2 // letters; cobra has this default elsewhere only
	if near := command.SuggestionsFor(args[0]); len(near) > 0 {
		f.hint = fmt.Sprintf("did you mean %s %s?", command.CommandPath(), near[0])
	}
	return f
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
