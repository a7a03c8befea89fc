package connect

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

const (
	// hasModes: elsewhere all files seem to have mode 0666, and what is below the home directory is its owner's by
	// inherited access control.
	hasModes = runtime.GOOS != "windows"

	// proxyUser is the user of the proxy's Basic credentials; it says where the entry of a kubeconfig comes from.
	proxyUser = "spliceway"

	proxySecretOctets = 32
	// minProxySecret of a secret that somebody else has put into the file, in octets.
	minProxySecret = 32
	maxProxySecret = 512
)

// defaultProxySecretFile is $XDG_STATE_HOME/spliceway/proxy-secret, or the same under ~/.local/state.
func defaultProxySecretFile() (string, error) {
	// The XDG base directory specification: a relative path is invalid and to be ignored.
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "spliceway", "proxy-secret"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("connect: finding the state directory: %w", err)
	}
	return filepath.Join(home, ".local", "state", "spliceway", "proxy-secret"), nil
}

// LoadProxySecret returns the secret in file, which it makes when it is not there; an empty name means
// defaultProxySecretFile. A file whose mode lets others read it is refused.
func LoadProxySecret(file string) (string, error) {
	if file == "" {
		var err error
		if file, err = defaultProxySecretFile(); err != nil {
			return "", err
		}
	}
	secret, err := readProxySecret(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err = makeProxySecret(file); err == nil {
			secret, err = readProxySecret(file)
		}
	}
	if err != nil {
		return "", fmt.Errorf("connect: proxy secret: %w", err)
	}
	return secret, nil
}

func readProxySecret(file string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Size() > maxProxySecret {
		return "", fmt.Errorf("%s is not a small regular file", file)
	}
	if open := info.Mode().Perm()&0o077 != 0; open && hasModes {
		return "", fmt.Errorf("%s has mode %04o and others can read it: delete it and run spliceway connect kubeconfig again", file, info.Mode().Perm())
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	secret := strings.TrimSpace(string(data))
	if len(secret) < minProxySecret || strings.ContainsFunc(secret, notURLSafe) {
		return "", fmt.Errorf("%s holds no secret of at least %d letters, digits, - and _", file, minProxySecret)
	}
	return secret, nil
}

// notURLSafe characters would be escaped in proxy-url, and not all clients take the escape back.
func notURLSafe(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_')
}

// makeProxySecret makes the file with its content in one step; when another process is faster, that one's stays.
func makeProxySecret(file string) error {
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(dir, ".proxy-secret-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	raw := make([]byte, proxySecretOctets)
	rand.Read(raw) // never fails
	_, err = temp.WriteString(base64.RawURLEncoding.EncodeToString(raw) + "\n")
	if err := errors.Join(err, temp.Close()); err != nil {
		return err
	}
	// Unlike a rename, a link does not replace what is there.
	if err := os.Link(temp.Name(), file); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// proxyURL is the proxy-url of a kubeconfig for a proxy that listens on address.
func proxyURL(address, secret string) string {
	u := url.URL{Scheme: "http", User: url.UserPassword(proxyUser, secret), Host: address}
	return u.String()
}

// gatekeeper knows the credentials of the proxy's clients by their digest, so that lengths are not compared either.
type gatekeeper [sha256.Size]byte

func newGatekeeper(secret string) gatekeeper {
	return sha256.Sum256([]byte(proxyUser + ":" + secret))
}

// admits reports whether authorization is the value of a Proxy-Authorization field with the secret.
func (g gatekeeper) admits(authorization string) bool {
	scheme, encoded, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return false
	}
	given, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return false
	}
	sum := sha256.Sum256(given)
	return subtle.ConstantTimeCompare(sum[:], g[:]) == 1
}
