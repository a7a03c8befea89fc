package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/spliceway/spliceway/cluster"
	"github.com/spliceway/spliceway/internal/authority"
)

// authorityName is the name in the certificate, before the date.
const authorityName = "spliceway CA"

func newAuthority() *cobra.Command {
	var dir, secret string
	command := &cobra.Command{
		Use:   "authority (--dir DIR | --secret NAMESPACE/NAME)",
		Short: "Make a certificate authority for tls.issuingCA, unless it exists",
		Long: `Make a certificate authority for tls.issuingCA, from which the gateway issues its own
certificates. It is written to ca.crt and ca.key in a folder or, in a pod whose account
may create secrets, to tls.crt and tls.key of a Secret. An existing one is kept.
Clients need the certificate; whoever has the key can impersonate the gateway.`,
		Example: `  spliceway authority --dir /etc/spliceway
  spliceway authority --secret access/spliceway-authority`,
		Args: noArguments,
		RunE: func(command *cobra.Command, _ []string) error {
			var made bool
			var err error
			what := secret
			if dir != "" {
				what = filepath.Join(dir, "ca.crt")
				made, err = makeAuthorityFiles(dir)
			} else {
				made, err = makeAuthoritySecret(command.Context(), secret)
			}
			if err != nil {
				return err
			}
			result := "already exists"
			if made {
				result = "created"
			}
			_, err = fmt.Fprintf(command.OutOrStdout(), "%s %s\n", what, result)
			return err
		},
	}
	command.Flags().StringVar(&dir, "dir", "", "write ca.crt and ca.key to `DIR`")
	command.Flags().StringVar(&secret, "secret", "", "create the Secret `NAMESPACE/NAME`")
	command.MarkFlagsOneRequired("dir", "secret")
	command.MarkFlagsMutuallyExclusive("dir", "secret")
	return command
}

// makeAuthorityFiles reports whether it made them. It replaces nothing.
func makeAuthorityFiles(dir string) (made bool, err error) {
	certFile, keyFile := filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.key")
	_, noCert := os.Stat(certFile)
	_, noKey := os.Stat(keyFile)
	switch {
	case noCert == nil && noKey == nil:
		return false, nil
	case noCert == nil || noKey == nil:
		return false, fmt.Errorf("only one of %s and %s exists; restore the other or remove it", certFile, keyFile)
	}
	certificate, key, err := authority.New(authorityName)
	if err != nil {
		return false, err
	}
	if err := createFile(keyFile, key, 0o600); err != nil {
		return false, err
	}
	if err := createFile(certFile, certificate, 0o644); err != nil {
		return false, errors.Join(err, os.Remove(keyFile))
	}
	return true, nil
}

// createFile writes a file that must not be there before.
func createFile(name string, content []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

// makeAuthoritySecret makes it with the account of the pod that this runs in.
func makeAuthoritySecret(ctx context.Context, secret string) (made bool, err error) {
	namespace, name, found := strings.Cut(secret, "/")
	if !found || namespace == "" || name == "" || strings.Contains(name, "/") {
		return false, usageError(fmt.Errorf("--secret %q is not NAMESPACE/NAME", secret))
	}
	local, err := cluster.New(cluster.Config{Name: "local", Address: "kubernetes.default.svc", InCluster: true})
	if err != nil {
		return false, err
	}
	certificate, key, err := authority.New(authorityName)
	if err != nil {
		return false, err
	}
	return createSecret(ctx, local, namespace, name, map[string][]byte{"tls.crt": certificate, "tls.key": key})
}
