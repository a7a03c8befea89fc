package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/spliceway/spliceway/issuer"
)

func newIssuer() *cobra.Command {
	var file, level string
	command := &cobra.Command{
		Use:   "issuer --config FILE",
		Short: "Run a token issuer for the users in a file",
		Long: `Run an HTTPS server that issues tokens to the users in a YAML file, for development
and small teams. On its first start it creates signing keys in dataDir and, unless a
certificate is configured, a certificate authority. The file is read again when it
changes.`,
		Example: `  spliceway issuer hash                      # a password hash or a secret for the file
  spliceway issuer --config issuer.yaml`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			log, err := newLogger(command.ErrOrStderr(), level, "json")
			if err != nil {
				return usageError(err)
			}
			server, err := issuer.New(file, log.Logger)
			if err != nil {
				return badConfig(err, "")
			}
			return server.Run(command.Context(), ready)
		},
	}
	configFlag(command, &file)
	command.Flags().StringVar(&level, "log-level", "info", "log at `LEVEL`: debug, info, warn or error")
	command.AddCommand(newHash(), newRotate())
	return command
}

func newHash() *cobra.Command {
	var secret bool
	command := &cobra.Command{
		Use:   "hash [--secret]",
		Short: "Make a password hash, or a bearer secret and its hash",
		Long: `Read a password from the terminal or from standard input and print its hash for
passwordHash. With --secret, make a random bearer secret instead and print it with
its hash for secretHash. The secret is not shown again.`,
		Example: `  spliceway issuer hash
  spliceway issuer hash < password-file
  spliceway issuer hash --secret`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			out := command.OutOrStdout()
			if secret {
				text, hash := issuer.NewSecret()
				_, err := fmt.Fprintf(out, "secret:     %s\nsecretHash: %s\n", text, hash)
				return err
			}
			password, err := readPassword(command.Context(), command.InOrStdin(), command.ErrOrStderr(), "Password: ")
			if err != nil {
				return err
			}
			hash, err := issuer.HashPassword(password)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(out, "passwordHash: %s\n", hash)
			return err
		},
	}
	command.Flags().BoolVar(&secret, "secret", false, "make a bearer secret")
	return command
}

func newRotate() *cobra.Command {
	var dir string
	command := &cobra.Command{
		Use:   "rotate-key --data-dir DIR",
		Short: "Add a signing key and sign with it from now on",
		Long: `Add a signing key to the issuer's data directory. A running issuer starts to sign
with it within seconds. Older keys stay published until you delete their files, which
is safe once the last token they signed has expired. Run this as the issuer's user,
who must be able to read the key.`,
		Example: `  spliceway issuer rotate-key --data-dir /var/lib/spliceway-issuer`,
		Args:    noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			kid, path, err := issuer.RotateKey(dir)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(command.OutOrStdout(), "key %s in %s signs from now on\n", kid, path)
			return err
		},
	}
	command.Flags().StringVar(&dir, "data-dir", "", "the issuer's data directory is `DIR`")
	if err := command.MarkFlagRequired("data-dir"); err != nil {
		panic(err)
	}
	return command
}

// readPassword asks on a terminal, without echo and until ctx is done, or reads one
// line.
func readPassword(ctx context.Context, in io.Reader, prompt io.Writer, question string) (string, error) {
	if f, ok := terminalFile(in); ok {
		fmt.Fprint(prompt, question)
		defer fmt.Fprintln(prompt)
		return askPassword(ctx, int(f.Fd()))
	}
	const longest = 4096
	text, err := io.ReadAll(io.LimitReader(in, longest))
	if err != nil {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSuffix(line, "\r"), nil
}

// askPassword reads a line without echo. A read of a terminal can't be broken off:
// when ctx is done it is left behind, until the process ends, and the echo restored.
func askPassword(ctx context.Context, fd int) (string, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	type answer struct {
		text []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func() { // until a line was entered, or the process ends
		text, err := term.ReadPassword(fd)
		answers <- answer{text, err}
	}()
	select {
	case a := <-answers:
		return string(a.text), a.err
	case <-ctx.Done():
		return "", errors.Join(errors.New("no password was entered"), term.Restore(fd, before))
	}
}
