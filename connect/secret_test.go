package connect

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestProxySecretIsMadeOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "spliceway", "proxy-secret")
	secrets := make([]string, 8)
	var makers sync.WaitGroup
	for i := range secrets {
		makers.Go(func() {
			var err error
			if secrets[i], err = LoadProxySecret(file); err != nil {
				t.Errorf("LoadProxySecret = %v", err)
			}
		})
	}
	makers.Wait()
	for _, secret := range secrets {
		if secret != secrets[0] || len(secret) != 43 {
			t.Fatalf("secrets of processes that start together: %q", secrets)
		}
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v, want mode 0600", info.Mode(), err)
	}
	if left, _ := os.ReadDir(filepath.Dir(file)); len(left) != 1 {
		t.Errorf("%d files in the state directory, want 1", len(left))
	}
}

func TestProxySecretDefaultPlace(t *testing.T) {
	t.Setenv("HOME", "/home/alice")
	for state, want := range map[string]string{
		"/state":   "/state/spliceway/proxy-secret",
		"relative": "/home/alice/.local/state/spliceway/proxy-secret",
		"":         "/home/alice/.local/state/spliceway/proxy-secret",
	} {
		t.Setenv("XDG_STATE_HOME", state)
		if got, err := defaultProxySecretFile(); got != want || err != nil {
			t.Errorf("with XDG_STATE_HOME=%q: %q, %v, want %q", state, got, err, want)
		}
	}
}

func TestUnfitProxySecrets(t *testing.T) {
	tests := []struct {
		name, data string
		mode       os.FileMode
		want       string
	}{
		{"readable-by-others", strings.Repeat("a", 43), 0o644, "mode 0644"},
		{"short", "abc", 0o600, "at least 32"},
		{"not-for-urls", strings.Repeat("a/", 43), 0o600, "at least 32"},
		{"large", strings.Repeat("a", 1000), 0o600, "small regular file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(file, []byte(tt.data), tt.mode); err != nil {
				t.Fatal(err)
			}
			if _, err := LoadProxySecret(file); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("LoadProxySecret = %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestProxyURLReadsBack(t *testing.T) {
	u, err := url.Parse(proxyURL("[::1]:8445", "se-cret_1"))
	if err != nil {
		t.Fatal(err)
	}
	if password, _ := u.User.Password(); u.Scheme != "http" || u.Host != "[::1]:8445" || u.User.Username() != "spliceway" || password != "se-cret_1" {
		t.Errorf("proxyURL reads back as %+v", u)
	}
}

func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		writeTestFile(t, filepath.Join(dir, name), []byte(text))
		return filepath.Join(dir, name)
	}
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == name {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	ask := func(answer string, err error) func(context.Context, string) (string, error) {
		return func(context.Context, string) (string, error) { return answer, err }
	}
	const basic = "Basic YTpwYXNz" // a:pass
	tests := []struct {
		name    string
		options Credentials
		want    string
		err     string
	}{
		{"secret-file", Credentials{SecretFile: file("secret", "s3cret\n")}, "Bearer s3cret", ""},
		{"secret-env", Credentials{Getenv: env(envSecret, "s3cret")}, "Bearer s3cret", ""},
		{"secret-before-password", Credentials{User: "a", PasswordFile: file("p", "pass"), Getenv: env(envSecret, "x")}, "Bearer x", ""},
		{"password-file", Credentials{User: "a", PasswordFile: file("pw", "pass\r\n")}, basic, ""},
		{"password-file-before-env", Credentials{User: "a", PasswordFile: file("pw", "pass"), Getenv: env(envPassword, "x")}, basic, ""},
		{"password-env", Credentials{User: "a", Getenv: env(envPassword, "pass"), Prompt: ask("no", nil)}, basic, ""},
		{"prompt", Credentials{User: "a", Prompt: ask("pass", nil)}, basic, ""},
		{"prompt-fails", Credentials{User: "a", Prompt: ask("", errors.New("no terminal"))}, "", "no terminal"},
		{"prompt-empty", Credentials{User: "a", Prompt: ask("", nil)}, "", "nothing was entered"},
		{"two-lines", Credentials{User: "a", PasswordFile: file("two", "a\nb\n")}, "", "one line"},
		{"missing-file", Credentials{User: "a", PasswordFile: filepath.Join(dir, "none")}, "", "no such file"},
		{"nothing", Credentials{}, "", "neither a user name nor"},
		{"no-password", Credentials{User: "a"}, "", "no password"},
		{"colon", Credentials{User: "a:b", Prompt: ask("x", nil)}, "", "colon"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.options.Getenv == nil {
				tt.options.Getenv = env()
			}
			r, _ := http.NewRequest("GET", "https://issuer.example.com", nil)
			source, err := newCredentialSource(tt.options)
			if err == nil {
				err = source.authorize(r)
			}
			if got := r.Header.Get("Authorization"); got != tt.want {
				t.Errorf("Authorization = %q, want %q", got, tt.want)
			}
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error = %v, want %q", err, tt.err)
			}
		})
	}
}

func TestPromptIsAskedOnce(t *testing.T) {
	asked := 0
	source, err := newCredentialSource(Credentials{User: "a", Getenv: func(string) string { return "" }, Prompt: func(_ context.Context, user string) (string, error) {
		asked++
		return "pass for " + user, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		r, _ := http.NewRequest("GET", "https://issuer.example.com", nil)
		if err := source.authorize(r); err != nil {
			t.Fatal(err)
		}
		if _, password, _ := r.BasicAuth(); password != "pass for a" {
			t.Errorf("password = %q", password)
		}
	}
	if asked != 1 {
		t.Errorf("the user was asked %d times, want once", asked)
	}
}
