package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// lab is what the samples of a run share: files, the user, the upstream.
type lab struct {
	dir      string // for everything that is written; temporary
	module   string // directory of the module
	self     string // this program
	binary   string // spliceway
	user     *user
	keys     string // file with the issuer's key set
	bearer   string // the credential at the upstream
	roots    *x509.CertPool
	caFile   string
	front    keyPair // of the servers under test
	upstream server
	metrics  string // address of those of the gateway that was started last
	open     string // address of the upstream where requests need no credential
}

// server is a process that serves at a loopback address.
type server struct {
	*process
	side    string // its name; of the upstream: empty
	address string
}

// openFiles is what the largest sample needs: two connections for each tunnel.
const openFiles = 32768

// newLab writes the files, builds the gateway and starts the upstream.
func newLab(ctx context.Context, module string) (l *lab, err error) {
	l = &lab{module: module, bearer: strings.Repeat("0123456789abcdef", 58)} // as long as that of a service account
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	if l.self, err = os.Executable(); err != nil {
		return l, err
	}
	if l.dir, err = os.MkdirTemp("", "spliceway-bench-"); err != nil {
		return l, err
	}
	l.keys = filepath.Join(l.dir, "keys.json")
	if l.user, err = newUser(l.keys); err != nil {
		return l, err
	}
	if err := l.build(ctx); err != nil {
		return l, err
	}
	return l, l.startUpstream(ctx)
}

// close stops the upstream and removes the files.
func (l *lab) close() error {
	var errs []error
	if l.upstream.process != nil {
		errs = append(errs, l.upstream.stop())
	}
	if l.dir != "" {
		errs = append(errs, os.RemoveAll(l.dir))
	}
	return errors.Join(errs...)
}

// findModule returns the directory of the module, which the working directory
// must be in.
func findModule(ctx context.Context) (string, error) {
	const module = "github.com/spliceway/spliceway"
	dir, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return "", fmt.Errorf("finding module %s from the working directory: %w", module, err)
	}
	return strings.TrimSpace(string(dir)), nil
}

// build builds the gateway as a release is built.
func (l *lab) build(ctx context.Context) error {
	l.binary = filepath.Join(l.dir, "spliceway")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", l.binary, "./cmd/spliceway")
	build.Dir = l.module
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building spliceway: %w\n%s", err, out)
	}
	return nil
}

// startUpstream also makes the certificates.
func (l *lab) startUpstream(ctx context.Context) error {
	ca, err := newAuthority(l.dir)
	if err != nil {
		return err
	}
	l.roots, l.caFile = ca.pool(), ca.file
	if l.front, err = ca.issue(l.dir, "front", targetHost); err != nil {
		return err
	}
	pair, err := ca.issue(l.dir, "upstream", upstreamHost)
	if err != nil {
		return err
	}
	if l.upstream.address, err = freeAddress(); err != nil {
		return err
	}
	if l.open, err = freeAddress(); err != nil {
		return err
	}
	l.upstream.process, err = startProcess(l.dir, "upstream", l.self, "upstream", "-listen", l.upstream.address, "-open", l.open,
		"-cert", pair.cert, "-key", pair.key, "-bearer", l.bearer)
	if err != nil {
		return err
	}
	if err := l.upstream.waitReady(ctx, accepts(l.upstream.address)); err != nil {
		return err
	}
	return l.upstream.waitReady(ctx, accepts(l.open))
}

// gate is the way of the user through a server under test.
func (l *lab) gate(s *server) *gate {
	return &gate{address: s.address, roots: l.roots, user: l.user}
}
