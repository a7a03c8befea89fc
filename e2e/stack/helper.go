package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/crypto/bcrypt"
)

// Helper is a running connect helper of one user.
type Helper struct {
	User       User
	Process    *Process
	ProxyURL   string // its local CONNECT proxy
	Kubeconfig string // leads through it, and has no credential
}

// Connect starts a connect helper for a user and writes a kubeconfig that leads
// through it. It is stopped with the stack.
func (s *Stack) Connect(ctx context.Context, user User) (*Helper, error) {
	listen, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(s.Dir, fmt.Sprintf("connect-%d-%s", len(s.helpers), user.Name))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	credential, err := credentialFlags(dir, user)
	if err != nil {
		return nil, err
	}
	flags := append([]string{
		"--gateway", s.GatewayAddress, "--gateway-ca", s.Authority.File,
		"--issuer", s.Issuer, "--issuer-ca", s.IssuerCA,
		"--listen", listen, "--proxy-secret-file", filepath.Join(dir, "proxy-secret"),
	}, credential...)
	h := &Helper{User: user, ProxyURL: "http://" + listen, Kubeconfig: filepath.Join(dir, "kubeconfig")}
	h.Process, err = startProcess(s.Dir, filepath.Base(dir), s.Binary, append([]string{"connect"}, flags...)...)
	if err != nil {
		return nil, err
	}
	s.helpers = append(s.helpers, h)
	if err := h.Process.waitReady(ctx, listening(listen)); err != nil {
		return nil, err
	}
	args := append([]string{"connect", "kubeconfig", "--kubeconfig", h.Kubeconfig, "--set-current", ClusterName}, flags...)
	if out, err := exec.CommandContext(ctx, s.Binary, args...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("spliceway connect kubeconfig: %w\n%s", err, out)
	}
	return h, nil
}

// Disconnect stops all helpers.
func (s *Stack) Disconnect() error {
	var errs []error
	for _, h := range s.helpers {
		errs = append(errs, h.Process.Stop())
	}
	return errors.Join(errs...)
}

// credentialFlags writes what a user signs in with to a file, and returns the
// flags that name it.
func credentialFlags(dir string, user User) ([]string, error) {
	file := filepath.Join(dir, "credential")
	if user.Password != "" {
		return []string{"--user", user.Name, "--password-file", file}, os.WriteFile(file, []byte(user.Password+"\n"), 0o600)
	}
	return []string{"--secret-file", file}, os.WriteFile(file, []byte(user.Secret+"\n"), 0o600)
}

// issuerUsers returns the users as the issuer's configuration has them: with the
// hash of the password, or with the file of the secret.
func (s *Stack) issuerUsers() ([]User, error) {
	var users []User
	for _, user := range s.Users {
		if user.Password != "" {
			hash, err := bcrypt.GenerateFromPassword([]byte(user.Password), bcrypt.MinCost)
			if err != nil {
				return nil, err
			}
			user.Password = string(hash)
		} else {
			file := filepath.Join(s.Dir, "secret-of-"+user.Name)
			if err := os.WriteFile(file, []byte(user.Secret+"\n"), 0o600); err != nil {
				return nil, err
			}
			user.Secret = file
		}
		users = append(users, user)
	}
	return users, nil
}
