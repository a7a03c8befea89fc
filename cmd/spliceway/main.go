// Command spliceway is an authenticated, recording gateway in front of
// Kubernetes API servers, together with what it takes to use it: a token issuer
// and the helper that runs beside kubectl. See the README.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/spliceway/spliceway/replay"
)

func main() {
	os.Exit(exitCode(run(untilSignal(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)))
}

// untilSignal returns a context that ends with the first SIGINT or SIGTERM. From
// then on another one ends the process at once.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { // until the first signal or the end of the process
		<-signals
		signal.Stop(signals)
		cancel()
	}()
	return ctx
}

// run executes one command line and says on stderr what went wrong.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	root := newRoot()
	root.SetArgs(append([]string{}, args...)) // nil would stand for those of the process
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return nil
	}
	fmt.Fprintln(stderr, "spliceway:", spelled(err.Error()))
	if hint := hintFor(command, err); hint != "" {
		fmt.Fprintln(stderr, "hint:", hint)
	}
	return err
}

// spelled returns a message without what a terminal would obey: names of files,
// metadata of recordings and words of servers are in messages too. Its lines and its
// tabs, above which a caret may stand, stay.
func spelled(message string) string {
	var b strings.Builder
	for {
		i := strings.IndexAny(message, "\n\t")
		if i < 0 {
			return b.String() + replay.Printable(message)
		}
		b.WriteString(replay.Printable(message[:i]))
		b.WriteByte(message[i])
		message = message[i+1:]
	}
}

// hintFor says what to do about an error of a command, or nothing.
func hintFor(command *cobra.Command, err error) string {
	var f *failure
	switch {
	case errors.As(err, &f) && f.hint != "":
		return f.hint
	case exitCode(err) == exitUsage:
		return "see " + command.CommandPath() + " --help"
	case errors.Is(err, syscall.EADDRINUSE):
		return "another process has this port; ss -ltnp shows which"
	case errors.Is(err, syscall.EACCES) && isListen(err):
		return "a port below 1024 needs the capability CAP_NET_BIND_SERVICE"
	}
	return ""
}

func isListen(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "listen"
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
