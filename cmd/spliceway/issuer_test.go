package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

func TestIssuerHash(t *testing.T) {
	for name, stdin := range map[string]string{"line": "correct horse\n", "no-line-end": "correct horse", "crlf": "correct horse\r\nmore\n"} {
		t.Run(name, func(t *testing.T) {
			text := succeed(t, stdin, "issuer", "hash")
			hash, found := strings.CutPrefix(strings.TrimSuffix(text, "\n"), "passwordHash: ")
			if !found || bcrypt.CompareHashAndPassword([]byte(hash), []byte("correct horse")) != nil {
				t.Errorf("hash prints %q, want a line for the file with a hash of the password", text)
			}
		})
	}
}

func TestIssuerHashSecret(t *testing.T) {
	lines := regexp.MustCompile(`^secret:     (\S{40,})\nsecretHash: sha256:([0-9a-f]{64})\n$`).FindStringSubmatch(succeed(t, "", "issuer", "hash", "--secret"))
	if lines == nil || fmt.Sprintf("%x", sha256.Sum256([]byte(lines[1]))) != lines[2] {
		t.Errorf("hash --secret prints %q, want a secret and its digest", lines)
	}
}

func TestIssuerRotateKey(t *testing.T) {
	dir := t.TempDir()
	text := succeed(t, "", "issuer", "rotate-key", "--data-dir", dir)
	line := regexp.MustCompile(`^key \S+ in (\S+) signs from now on\n$`).FindStringSubmatch(text)
	if line == nil || !strings.HasPrefix(line[1], filepath.Join(dir, "keys")) {
		t.Fatalf("rotate-key prints %q", text)
	}
	if info, err := os.Stat(line[1]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's file: %v, %v, want mode 0600", info, err)
	}
}
