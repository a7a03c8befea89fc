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
	text := succeed(t, "correct horse\n", "issuer", "hash")
	hash, found := strings.CutPrefix(strings.TrimSuffix(text, "\n"), "passwordHash: ")
	if !found || bcrypt.CompareHashAndPassword([]byte(hash), []byte("correct horse")) != nil {
		t.Errorf("hash prints %q, want a line for the file with a hash of the password", text)
	}
}

func TestReadPassword(t *testing.T) {
	for _, row := range []struct{ name, stdin, want string }{
		{"line", "correct horse\n", "correct horse"},
		{"no-line-end", "correct horse", "correct horse"},
		{"crlf", "correct horse\r\n", "correct horse"},
		{"more-lines", "correct horse\nbattery\n", "correct horse"},
		{"blanks-count", " correct horse \n", " correct horse "},
		{"nothing", "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			var prompt strings.Builder
			got, err := readPassword(t.Context(), strings.NewReader(row.stdin), &prompt, "Password: ")
			if got != row.want || err != nil || prompt.Len() != 0 {
				t.Errorf("readPassword(%q) = %q, %v with prompt %q, want %q without", row.stdin, got, err, prompt.String(), row.want)
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
