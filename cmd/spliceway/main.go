// Command spliceway is an authenticated, recording gateway in front of
// Kubernetes API servers, together with what it takes to use it: a token issuer
// and the helper that runs beside kubectl. See the README.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // so that a second signal ends the process at once
	os.Exit(exitCode(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)))
}

// run executes one command line and says on stderr what went wrong.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return nil
	}
	fmt.Fprintln(stderr, "spliceway:", err)
	var f *failure
	switch {
	case !errors.As(err, &f):
		fmt.Fprintln(stderr, "hint: see spliceway --help")
	case f.hint != "":
		fmt.Fprintln(stderr, "hint:", f.hint)
	}
	return err
}

// Exit codes. exitConfig is EX_CONFIG of sysexits.h: a service manager should
// not start the program again before somebody has looked.
const (
	exitRuntime = 1
	exitUsage   = 2
	exitConfig  = 78
)

// failure is the error of a command that was understood. Any other error is one
// of the command line.
type failure struct {
	code int
	err  error
	hint string // what to do about it, if there is more to say
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// exitCode is the exit status for what run returned.
func exitCode(err error) int {
	var f *failure
	switch {
	case err == nil:
		return 0
	case errors.As(err, &f):
		return f.code
	}
	return exitUsage
}

// usageError is a command line that can't be used, found by the command itself.
func usageError(err error) error { return &failure{code: exitUsage, err: err} }

// badConfig is a configuration that can't be used.
func badConfig(err error, hint string) error {
	return &failure{code: exitConfig, err: err, hint: hint}
}
