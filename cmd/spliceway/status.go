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
		Short: "Show who is connected to this machine's gateway, and its health",
		Long: `Ask this machine's gateway, through its admin.socket: who is connected and since when,
which sessions and other streams are open, how much of each limit is in use, when the
configuration was loaded, when certificates expire, how old the signing keys are, and
what is wrong. After an upgrade the old process is shown too while it drains.

Run it as root or as the gateway's own user. --json prints one object per process, each
on a line. The exit status is 1 if no gateway is running.`,
		Example: `  spliceway status
  spliceway status --socket /run/spliceway/admin.sock --json > status.json
  watch spliceway status`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error { return showStatus(command, socket, asJSON) },
	}
	command.Flags().StringVar(&socket, "socket", status.DefaultSocket, "ask at `FILE`, the configuration's admin.socket")
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
