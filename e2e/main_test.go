package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/spliceway/spliceway/e2e/stack"
	"github.com/spliceway/spliceway/e2e/testcluster"
)

// run is what all tests of a run share. It is set by TestMain, before any test.
var run struct {
	dir      string // of everything that is written
	cluster  *testcluster.Cluster
	programs map[string]string // by name, see testcluster.Build
	binary   string            // spliceway
}

// Users of the shared stack.
var (
	ann = stack.User{Name: "ann@example.com", Password: "correct horse", Groups: []string{"developers", "on-call"}}
	vic = stack.User{Name: "vic@example.com", Secret: "vic-0123456789abcdef0123456789abcdef", Groups: []string{"viewers"}}
	ada = stack.User{Name: "ada@example.com", Secret: "ada-0123456789abcdef0123456789abcdef", Groups: []string{"admins"}}
)

func TestMain(m *testing.M) {
	testcluster.Main()
	flag.Parse()
	os.Exit(runTests(m))
}

// runTests starts what all tests share, runs them and stops it again. The logs
// are kept if something fails.
func runTests(m *testing.M) (code int) {
	var err error
	if run.dir, err = os.MkdirTemp("", "spliceway-e2e-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if code != 0 {
			fmt.Fprintf(os.Stderr, "logs are in %s\n", run.dir)
			return
		}
		os.RemoveAll(run.dir)
	}()
	if err := setUp(context.Background()); err != nil {
		fmt.Fprintf(os.Stderr, "setting up: %v\n", err)
		return 1
	}
	code = m.Run()
	if err := tearDown(); err != nil {
		fmt.Fprintf(os.Stderr, "tearing down: %v\n", err)
		return 1
	}
	return code
}

func setUp(ctx context.Context) (err error) {
	names := []string{testcluster.Kubectl, testcluster.KubectlSPDY, testcluster.Helm}
	if run.programs, err = testcluster.Build(ctx, os.Stderr, names...); err != nil {
		return err
	}
	if run.binary = os.Getenv("E2E_BINARY"); run.binary == "" && !direct() {
		if run.binary, err = stack.BuildBinary(ctx, run.dir); err != nil {
			return err
		}
	}
	if dir := os.Getenv("E2E_CLUSTER"); dir != "" {
		run.cluster, err = testcluster.Open(dir)
		return err
	}
	run.cluster, err = testcluster.Start(ctx, testcluster.Config{Dir: filepath.Join(run.dir, "cluster"), Log: os.Stderr})
	return err
}

func tearDown() error {
	var errs []error
	if shared.stack != nil {
		errs = append(errs, shared.stack.Stop())
	}
	if os.Getenv("E2E_CLUSTER") == "" {
		// Not Stop: runTests removes the logs, or keeps them.
		errs = append(errs, run.cluster.StopPrograms())
	}
	return errors.Join(errs...)
}

// direct reports whether kubectl is to go to the API server itself.
func direct() bool { return os.Getenv("E2E_DIRECT") != "" }

// shared is the gateway that most tests use, with a connect helper for each user.
var shared struct {
	once    sync.Once
	stack   *stack.Stack
	helpers map[string]*stack.Helper // by user name
	err     error
}

// sharedStack returns the shared gateway, after starting it if it is the first call.
func sharedStack(t *testing.T) *stack.Stack {
	t.Helper()
	shared.once.Do(func() {
		shared.helpers = map[string]*stack.Helper{}
		// Not the context of t: the processes are for the tests that follow as well.
		shared.stack, shared.err = startStack(context.Background(), "shared", func(c *stack.Config) {
			c.Users = []stack.User{ann, vic, ada}
		})
		for _, user := range []stack.User{ann, vic, ada} {
			if shared.err == nil {
				shared.helpers[user.Name], shared.err = shared.stack.Connect(context.Background(), user)
			}
		}
	})
	if shared.err != nil {
		t.Fatalf("starting the shared gateway: %v", shared.err)
	}
	showLogs(t, shared.stack)
	return shared.stack
}

// newStack starts a gateway for one test.
func newStack(t *testing.T, adjust func(*stack.Config)) *stack.Stack {
	t.Helper()
	if direct() {
		t.Skip("E2E_DIRECT leaves the gateway out")
	}
	s, err := startStack(t.Context(), filepath.Base(t.Name()), adjust)
	if err != nil {
		t.Fatalf("starting a gateway: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	showLogs(t, s)
	return s
}

func startStack(ctx context.Context, name string, adjust func(*stack.Config)) (*stack.Stack, error) {
	dir, err := os.MkdirTemp(run.dir, name+"-")
	if err != nil {
		return nil, err
	}
	config := stack.ForCluster(run.cluster)
	config.Binary, config.Dir = run.binary, dir
	adjust(&config)
	return stack.Start(ctx, config)
}

// showLogs shows the last lines of every process of s if t fails.
func showLogs(t *testing.T, s *stack.Stack) {
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for _, p := range s.Processes() {
			t.Logf("%s ends:\n%s", p.LogFile, p.Tail(12))
		}
	})
}
