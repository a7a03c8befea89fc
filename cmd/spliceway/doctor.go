package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/spliceway/spliceway/doctor"
)

// doctorFlags are the flags of doctor, beside those that it shares with connect.
type doctorFlags struct {
	connectFlags
	config, tokenFile, target, cluster, clusterCA, line string
	asJSON                                              bool
}

func newDoctor() *cobra.Command {
	var flags doctorFlags
	command := &cobra.Command{
		Use:   "doctor [--config FILE | --gateway HOST | --error TEXT]",
		Short: "Find out why a connection does not work",
		Long: `Test a connection step by step, stop at the first step that fails, and say why it failed
and what to do about it. Nothing is changed.

With --config, on the gateway's machine and as its user: configuration, signing keys,
clock, certificates, a token if there is one, and for each cluster its API server's
name, port and TLS, the gateway's credential, its right to impersonate, upgrades to
WebSocket and SPDY, and room for recordings.

With --gateway, from a user's machine: name, port and TLS of the gateway. With --issuer
and --user, as for spliceway connect, also clock, token, proof and target and, through
the gateway, the API server and upgrades.

With --error: the most likely meaning of an error line from kubectl, spliceway connect
or the gateway's log.

The status is 1 if a step fails or the line is not known.`,
		Example: `  spliceway doctor --config /etc/spliceway/config.yaml
  spliceway doctor --config config.yaml --token-file token.txt --target 10.0.0.1:443
  spliceway doctor --gateway gw.example.com --gateway-ca gw-ca.crt
  spliceway doctor --gateway gw.example.com --issuer https://issuer.example.com:8444 --user ann
  spliceway doctor --error expired`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error { return flags.run(command) },
	}
	f := command.Flags()
	f.StringVar(&flags.config, "config", "", "read the gateway's configuration from `FILE`")
	f.StringVar(&flags.tokenFile, "token-file", "", "also check the token in `FILE`")
	f.StringVar(&flags.target, "target", "", "ask for the cluster at `HOST[:PORT]`; default: what the token is for")
	f.StringVar(&flags.cluster, "cluster", "", "check only the configured cluster `NAME`")
	f.StringVar(&flags.clusterCA, "cluster-ca", "", "trust the CAs in `FILE` for the clusters' names; default: --gateway-ca")
	f.StringVar(&flags.line, "error", "", "explain the error line `TEXT`")
	f.BoolVar(&flags.asJSON, "json", false, "print JSON")
	flags.add(command)
	for _, name := range []string{"listen", "proxy-secret-file", "log-level"} {
		if err := command.PersistentFlags().MarkHidden(name); err != nil {
			panic(err) // add has defined them
		}
	}
	command.MarkFlagsOneRequired("config", "gateway", "error")
	command.MarkFlagsMutuallyExclusive("config", "gateway", "error")
	return command
}

func (f *doctorFlags) run(command *cobra.Command) error {
	switch {
	case f.line != "":
		return f.explain(command)
	case f.config != "":
		return f.tell(command, doctor.Server(command.Context(), doctor.ServerOptions{
			ConfigFile: f.config, TokenFile: f.tokenFile, Target: f.target, Cluster: f.cluster,
		}))
	}
	if err := f.complete(command, "gateway"); err != nil {
		return err
	}
	return f.tell(command, doctor.Client(command.Context(), doctor.ClientOptions{
		Connect: f.options, TokenFile: f.tokenFile, Target: f.target, TargetCA: f.clusterCA,
	}))
}

// tell prints the steps.
func (f *doctorFlags) tell(command *cobra.Command, steps []doctor.Step) error {
	var err error
	if f.asJSON {
		err = json.NewEncoder(command.OutOrStdout()).Encode(steps)
	} else {
		err = doctor.Write(command.OutOrStdout(), steps)
	}
	if cause := doctor.Cause(steps); cause != nil && err == nil {
		return fmt.Errorf("%s: %s", cause.Name, cause.Text)
	}
	return err
}

func (f *doctorFlags) explain(command *cobra.Command) error {
	known := doctor.Explain(f.line)
	if known == nil {
		return &failure{code: exitRuntime, err: errors.New("nothing is known about this error"), hint: "give the whole line, or test the connection with --config or --gateway"}
	}
	if f.asJSON {
		return json.NewEncoder(command.OutOrStdout()).Encode(known)
	}
	_, err := fmt.Fprintf(command.OutOrStdout(), "%s\n-> %s\n", known.Cause, known.Do)
	return err
}
