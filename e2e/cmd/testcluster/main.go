// Command testcluster builds and runs the cluster of the end-to-end tests by
// itself, to try things by hand or to keep it between test runs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spliceway/spliceway/e2e/testcluster"
)

const usage = `usage: testcluster COMMAND [flags]

  build   build and cache all programs that the tests use; start nothing
  up      start a cluster that stays; print its administrator's kubeconfig
  down    stop it and remove its directory

flags:
  -dir DIR      directory of the cluster (default: $TMPDIR/spliceway-testcluster)
  -controllers  up, build: with the real kube-controller-manager and kube-scheduler
`

var errUsage = errors.New("unknown command")

func main() {
	testcluster.Main()
	err := run(os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil:
	case errors.Is(err, errUsage), errors.Is(err, flag.ErrHelp):
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	default:
		fmt.Fprintf(os.Stderr, "testcluster: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return errUsage
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(io.Discard) // main prints the usage
	dir := flags.String("dir", filepath.Join(os.TempDir(), "spliceway-testcluster"), "")
	controllers := flags.Bool("controllers", false, "")
	if err := flags.Parse(args[1:]); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	switch args[0] {
	case "build":
		return build(ctx, *controllers, stdout, stderr)
	case "up":
		c, err := testcluster.Start(ctx, testcluster.Config{
			Dir: *dir, Controllers: *controllers, Detach: true, Log: stderr,
		})
		if err == nil {
			fmt.Fprintln(stdout, c.AdminKubeconfig)
		}
		return err
	case "down":
		c, err := testcluster.Open(*dir)
		if err != nil {
			return err
		}
		return c.Stop()
	}
	return errUsage
}

func build(ctx context.Context, controllers bool, stdout, stderr io.Writer) error {
	names := []string{"etcd", "kube-apiserver", testcluster.Kubectl, testcluster.KubectlSPDY, testcluster.Helm}
	if controllers {
		names = append(names, "kube-controller-manager", "kube-scheduler")
	}
	paths, err := testcluster.Build(ctx, stderr, names...)
	for _, name := range names {
		if path := paths[name]; path != "" {
			fmt.Fprintf(stdout, "%-24s %s\n", name, path)
		}
	}
	return err
}
