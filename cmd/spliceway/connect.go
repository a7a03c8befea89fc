package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/spliceway/spliceway/connect"
)

// connectFlags are the flags that connect and connect kubeconfig share.
type connectFlags struct {
	options  connect.Options
	logLevel string
}

func (f *connectFlags) add(command *cobra.Command) {
	flags := command.PersistentFlags()
	flags.StringVar(&f.options.Listen, "listen", connect.DefaultListen, "listen on the loopback address `ADDR`")
	flags.StringVar(&f.options.Gateway, "gateway", "", "connect to the gateway at `HOST[:PORT]`; default port 8443")
	flags.StringVar(&f.options.GatewayCAFile, "gateway-ca", "", "trust the CAs in `FILE` for the gateway; default: the system's")
	flags.StringVar(&f.options.GatewayServerName, "gateway-server-name", "", "expect `NAME` in the gateway's certificate; default: the host of --gateway")
	flags.StringVar(&f.options.ProxySecretFile, "proxy-secret-file", "", "keep the local proxy's secret in `FILE`; default: ~/.local/state/spliceway/proxy-secret")
	flags.StringVar(&f.options.Issuer.URL, "issuer", "", "get tokens from the issuer at `URL`")
	flags.StringVar(&f.options.Issuer.CAFile, "issuer-ca", "", "trust the CAs in `FILE` for the issuer; default: the system's")
	flags.StringVar(&f.options.Issuer.Credentials.User, "user", "", "sign in to the issuer as `NAME`")
	flags.StringVar(&f.options.Issuer.Credentials.PasswordFile, "password-file", "", "read the password from `FILE`; default: $SPLICEWAY_PASSWORD, or a prompt")
	flags.StringVar(&f.options.Issuer.Credentials.SecretFile, "secret-file", "", "read a bearer secret from `FILE`, instead of user and password; default: $SPLICEWAY_SECRET")
	flags.StringVar(&f.logLevel, "log-level", "info", "log at `LEVEL`: debug, info, warn or error")
}

// complete fills in what is not a flag of its own, and wants the named flags, of
// those that it shares, to be set.
func (f *connectFlags) complete(command *cobra.Command, required ...string) error {
	for _, name := range required {
		if flag := command.Flag(name); flag.Value.String() == "" {
			value, _ := pflag.UnquoteUsage(flag)
			return usageError(fmt.Errorf("--%s %s is required", name, value))
		}
	}
	log, err := newLogger(command.ErrOrStderr(), f.logLevel, "console")
	if err != nil {
		return usageError(err)
	}
	f.options.Log = log.Logger
	f.options.Issuer.Credentials.Prompt = func(ctx context.Context, user string) (string, error) {
		return readPassword(ctx, command.InOrStdin(), command.ErrOrStderr(), fmt.Sprintf("Password of %s: ", user))
	}
	return nil
}

func newConnect() *cobra.Command {
	var flags connectFlags
	command := &cobra.Command{
		Use:   "connect --gateway HOST --issuer URL --user NAME",
		Short: "Run the local proxy that connects kubectl to a gateway",
		Long: `Run a CONNECT proxy on loopback. It creates a key pair in memory, fetches and renews
tokens from the issuer, and carries each connection of kubectl to the gateway with a
proof that it holds the key. Run "spliceway connect kubeconfig" once with the same
flags; kubectl, helm, k9s and client-go then work as usual.`,
		Example: `  spliceway connect --gateway gw.example.com --issuer https://issuer.example.com:8444 --user ann
  spliceway connect --gateway gw.example.com --gateway-ca gw-ca.crt \
      --issuer https://issuer.example.com:8444 --issuer-ca issuer-ca.crt \
      --secret-file ~/.spliceway-secret`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := flags.complete(command, "gateway", "issuer"); err != nil {
				return err
			}
			proxy, err := connect.New(flags.options)
			if err != nil {
				return badConfig(err, "see spliceway connect --help")
			}
			return explain(proxy.Run(command.Context(), ready))
		},
	}
	flags.add(command)
	command.AddCommand(newKubeconfig(&flags))
	return command
}

func newKubeconfig(flags *connectFlags) *cobra.Command {
	var options connect.KubeconfigOptions
	var clusterCA string
	command := &cobra.Command{
		Use:   "kubeconfig --gateway-ca FILE --issuer URL --user NAME",
		Short: "Write one kubectl context for each cluster you may reach",
		Long: `Ask the issuer which clusters you may reach, and write a context for each, named
after its alias, to the kubeconfig. Everything else in the file is kept.`,
		Example: `  spliceway connect kubeconfig --gateway-ca gw-ca.crt \
      --issuer https://issuer.example.com:8444 --user ann
  kubectl config get-contexts`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			if err := flags.complete(command, "issuer"); err != nil {
				return err
			}
			if clusterCA == "" {
				clusterCA = flags.options.GatewayCAFile
			}
			return writeKubeconfig(command, flags, options, clusterCA)
		},
	}
	f := command.Flags()
	f.StringVar(&options.File, "kubeconfig", "", "change `FILE`; default: the one kubectl would use")
	f.StringVar(&options.Prefix, "prefix", "", "begin the name of every entry with `TEXT`")
	f.StringVar(&clusterCA, "cluster-ca", "", "trust the CAs in `FILE` for the clusters' names; default: --gateway-ca")
	f.StringVar(&options.SetCurrent, "set-current", "", "make the context of resource `NAME` current")
	f.BoolVar(&options.Prune, "prune", false, "remove contexts written earlier for clusters that you may no longer reach")
	return command
}

func writeKubeconfig(command *cobra.Command, flags *connectFlags, options connect.KubeconfigOptions, caFile string) (err error) {
	if caFile == "" {
		return usageError(errors.New("--gateway-ca or --cluster-ca is required: kubectl must know whom to trust"))
	}
	if options.CA, err = os.ReadFile(caFile); err != nil {
		return badConfig(fmt.Errorf("reading the CA: %w", err), "")
	}
	if options.ProxySecret, err = connect.LoadProxySecret(flags.options.ProxySecretFile); err != nil {
		return badConfig(err, "")
	}
	options.ProxyAddress, options.Issuer = flags.options.Listen, flags.options.Issuer.URL
	if options.Resources, err = connect.Resources(command.Context(), flags.options.Issuer); err != nil {
		return explain(err)
	}
	result, err := connect.WriteKubeconfig(options)
	if err != nil {
		return err
	}
	return tell(command.OutOrStdout(), result)
}

// tell prints what was done to the kubeconfig.
func tell(w io.Writer, result *connect.KubeconfigResult) error {
	lines := []string{"kubeconfig " + result.File}
	for _, group := range []struct {
		verb  string
		names []string
	}{
		{"wrote", result.Written}, {"kept", result.Kept}, {"removed", result.Pruned},
		{"skipped, because it has no host name:", result.Skipped},
	} {
		for _, name := range group.names {
			lines = append(lines, "  "+group.verb+" "+name)
		}
	}
	if result.Current != "" {
		lines = append(lines, "current context: "+result.Current)
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}

// explain adds what to do about an error of the issuer.
func explain(err error) error {
	if errors.Is(err, connect.ErrCredentials) {
		return &failure{code: exitRuntime, err: err, hint: "check --user and the password, or the secret"}
	}
	return err
}
