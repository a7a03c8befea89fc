package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/spliceway/spliceway/status"
)

func newStatus() *cobra.Command {
	var socket string
	var asJSON bool
	command := &cobra.Command{
		Use:   "status",
		Short: "Show who is connected to the gateway of this machine, and how it is",
		Long: `Ask the gateway of this machine, on its admin.socket: who is connected and since when,
which sessions and other streams are open, which limits are in use, when the
configuration was loaded, when certificates end, how old signing keys are, and what is
wrong. Of a gateway that was upgraded, the former process is shown as well while it
drains.

It has to be run as root or as the gateway's own user. --json prints one object for
each process, a line each. The status is 1 if there is no gateway.`,
		Example: `  spliceway status
  spliceway status --socket /run/spliceway/admin.sock --json > status.json
  watch spliceway status`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error { return showStatus(command, socket, asJSON) },
	}
	command.Flags().StringVar(&socket, "socket", status.DefaultSocket, "`FILE` that admin.socket of the configuration names")
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return command
}

func showStatus(command *cobra.Command, socket string, asJSON bool) error {
	out := command.OutOrStdout()
	for i, name := range status.Sockets(socket) {
		report, err := status.Fetch(command.Context(), name)
		switch {
		case err != nil && i > 0:
			continue // it has ended meanwhile, or was killed
		case err != nil:
			return err
		case asJSON:
			err = json.NewEncoder(out).Encode(report)
		default:
			if i > 0 {
				fmt.Fprintln(out)
			}
			err = report.Write(out, width(out))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
