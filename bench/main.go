package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// roles are the subcommands: the processes of a measurement, and document.
var roles = map[string]func(ctx context.Context, args []string) error{
	"upstream": runUpstream,
	"relay":    runRelay,
	"baseline": runBaseline,
	"document": runDocument,
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		if role := roles[args[0]]; role != nil {
			return role(ctx, args[1:])
		}
	}
	o, err := parseOptions(args, stderr)
	if err != nil {
		return err
	}
	return measure(ctx, o, stdout, stderr)
}

// measure does what the options say, and prints and writes the report.
func measure(ctx context.Context, o *options, stdout, progress io.Writer) (err error) {
	module, err := findModule(ctx)
	if err != nil {
		return err
	}
	r := &report{
		Machine: describeMachine(ctx, module), // before the build makes it busy
		Rounds:  o.rounds, Requests: o.requests, Watches: o.watches,
	}
	l, err := newLab(ctx, module)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	for _, w := range o.works() {
		samples, err := l.interleave(ctx, &w, o, progress)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		r.add(&w, samples)
	}
	if err := r.write(o); err != nil {
		return err
	}
	return r.print(stdout, committed(ctx, module, o.resultName()))
}
