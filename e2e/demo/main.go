// Command demo starts a real Kubernetes API server, a gateway in front of it, an
// issuer and a connect helper, all on this machine, and shows kubectl going
// through them. Then it waits, for you to go on by hand, until Ctrl-C.
//
//	cd e2e && go run ./demo          # or: make demo
//	cd e2e && go run ./demo --once   # ends after the tour; so does DEMO_ONCE=1
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
	"time"

	"github.com/spliceway/spliceway/e2e/stack"
	"github.com/spliceway/spliceway/e2e/testcluster"
)

var user = stack.User{
	Name: "ann@example.com", Password: "correct horse battery staple", Groups: []string{"developers"},
}

func main() {
	testcluster.Main()
	once := flag.Bool("once", os.Getenv("DEMO_ONCE") != "", "end after the tour")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, *once); err != nil {
		fmt.Fprintf(os.Stderr, "demo: %v\n", err)
		os.Exit(1)
	}
}

// demo is everything that runs.
type demo struct {
	dir     string
	out     io.Writer
	cluster *testcluster.Cluster
	stack   *stack.Stack
	helper  *stack.Helper
}

// run starts everything, gives the tour, waits for ctx unless once is set, and
// stops everything again. The directory is kept if something has failed.
func run(ctx context.Context, out io.Writer, once bool) (err error) {
	d := &demo{out: out}
	if d.dir, err = os.MkdirTemp("", "spliceway-demo-"); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, d.stop())
		if err != nil {
			fmt.Fprintf(out, "\nlogs are in %s\n", d.dir)
			return
		}
		err = os.RemoveAll(d.dir)
	}()
	if err := d.start(ctx); err != nil {
		return err
	}
	if err := d.tour(ctx); err != nil {
		return err
	}
	if once {
		return nil
	}
	d.explain()
	<-ctx.Done()
	fmt.Fprintln(out, "\nstopping")
	return nil
}

// start starts cluster, issuer, gateway and connect helper, in this order.
func (d *demo) start(ctx context.Context) (err error) {
	fmt.Fprint(d.out, "A real Kubernetes API server behind Spliceway, on this machine.\n"+
		"The first time, Go builds etcd and Kubernetes: about 8 minutes on two cores.\n\n")

	begun := time.Now()
	d.cluster, err = testcluster.Start(ctx, testcluster.Config{Dir: filepath.Join(d.dir, "cluster"), Log: d.out})
	if err != nil {
		return err
	}
	d.step(begun, "cluster", "Kubernetes %s at %s", d.cluster.Version, d.cluster.Server)

	begun = time.Now()
	config := stack.ForCluster(d.cluster)
	config.Dir, config.Users = d.dir, []stack.User{user}
	config.Recordings = fmt.Sprintf("{mode: strict, dir: %q, minFree: 0B}", d.recordings())
	fmt.Fprintln(d.out, "building spliceway ...")
	if config.Binary, err = stack.BuildBinary(ctx, d.dir); err != nil {
		return err
	}
	d.step(begun, "binary", "%s", config.Binary)

	begun = time.Now()
	if d.stack, err = stack.Start(ctx, config); err != nil {
		return err
	}
	d.step(begun, "gateway", "%s, tokens from %s", d.stack.GatewayAddress, d.stack.Issuer)

	begun = time.Now()
	if d.helper, err = d.stack.Connect(ctx, user); err != nil {
		return err
	}
	d.step(begun, "helper", "for %s, who has no Kubernetes credential", user.Name)
	return nil
}

// recordings is the directory of the recorded sessions.
func (d *demo) recordings() string { return filepath.Join(d.dir, "recordings") }

// step tells that something is there, and how long that took.
func (d *demo) step(begun time.Time, name, format string, args ...any) {
	fmt.Fprintf(d.out, "%6.1f s  %-8s %s\n", time.Since(begun).Seconds(), name, fmt.Sprintf(format, args...))
}

// stop stops what start has started.
func (d *demo) stop() error {
	var errs []error
	if d.stack != nil {
		errs = append(errs, d.stack.Stop())
	}
	if d.cluster != nil {
		errs = append(errs, d.cluster.StopPrograms())
	}
	return errors.Join(errs...)
}
