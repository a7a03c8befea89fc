package connect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
)

// Environment variables that a password or a bearer secret is taken from.
const (
	envPassword = "SPLICEWAY_PASSWORD"
	envSecret   = "SPLICEWAY_SECRET"
)

// maxCredential bounds what is read from a file, in octets.
const maxCredential = 4 << 10

// Credentials says who the user is to the issuer. A bearer secret goes before a password, a file before the
// environment, the environment before the prompt. Neither has a place on a command line, where all can see it.
type Credentials struct {
	// User is the user's name; not used with a bearer secret.
	User string
	// PasswordFile holds the password; a line end behind it is ignored. It is read for every request, so that a
	// password that has been changed is taken up.
	PasswordFile string
	// SecretFile holds a bearer secret, likewise.
	SecretFile string
	// Prompt asks for the password of user, until ctx is done. It is called once, and its answer kept in memory. If nil,
	// nobody is asked.
	Prompt func(ctx context.Context, user string) (string, error)
	// Getenv is os.Getenv if nil.
	Getenv func(string) string
}

// credentialSource puts credentials into requests. Safe for concurrent use.
type credentialSource struct {
	options Credentials

	mu       sync.Mutex
	prompted string // guarded by mu; empty: not asked yet
}

func newCredentialSource(options Credentials) (*credentialSource, error) {
	if options.Getenv == nil {
		options.Getenv = os.Getenv
	}
	c := &credentialSource{options: options}
	if c.isBearer() {
		return c, nil
	}
	if options.User == "" {
		return nil, fmt.Errorf("connect: there is neither a user name nor a bearer secret (a file, or %s)", envSecret)
	}
	if strings.Contains(options.User, ":") {
		return nil, fmt.Errorf("connect: user name %q has a colon", options.User)
	}
	if options.PasswordFile == "" && options.Getenv(envPassword) == "" && options.Prompt == nil {
		return nil, fmt.Errorf("connect: there is no password for %q (a file, or %s)", options.User, envPassword)
	}
	return c, nil
}

func (c *credentialSource) isBearer() bool {
	return c.options.SecretFile != "" || c.options.Getenv(envSecret) != ""
}

// authorize adds the Authorization field to a request to the issuer. Its error is part of a sentence.
func (c *credentialSource) authorize(r *http.Request) error {
	if c.isBearer() {
		secret, err := c.fromFile(c.options.SecretFile, envSecret)
		if err != nil {
			return fmt.Errorf("reading the bearer secret: %w", err)
		}
		r.Header.Set("Authorization", "Bearer "+secret)
		return nil
	}
	password, err := c.password(r.Context())
	if err != nil {
		return fmt.Errorf("reading the password: %w", err)
	}
	r.SetBasicAuth(c.options.User, password)
	return nil
}

func (c *credentialSource) password(ctx context.Context) (string, error) {
	if c.options.PasswordFile != "" || c.options.Getenv(envPassword) != "" {
		return c.fromFile(c.options.PasswordFile, envPassword)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.prompted == "" {
		password, err := c.options.Prompt(ctx, c.options.User)
		if err != nil {
			return "", err
		}
		if password == "" {
			return "", errors.New("nothing was entered")
		}
		c.prompted = password
	}
	return c.prompted, nil
}

// fromFile returns the first line of a file or, without a file, the value of a variable.
func (c *credentialSource) fromFile(file, variable string) (string, error) {
	if file == "" {
		return c.options.Getenv(variable), nil
	}
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxCredential+1)) // it may be a device, which has no size
	if err != nil {
		return "", err
	}
	if len(data) > maxCredential {
		return "", fmt.Errorf("%s is larger than %d octets", file, maxCredential)
	}
	value := strings.TrimRight(string(data), "\r\n")
	if value == "" || strings.ContainsAny(value, "\r\n\x00") {
		return "", fmt.Errorf("%s does not hold one line", file)
	}
	return value, nil
}
