package main

import (
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// names lists a folder.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e.Name()+" "+info.ModTime().String())
	}
	return all
}

// What check prints is a configuration, the same one; and it leaves no trace.
func TestCheck(t *testing.T) {
	file, dir := goodConfig(t)
	before := names(t, dir)
	effective := succeed(t, "", "check", "--config", file)
	if after := names(t, dir); !slices.Equal(before, after) {
		t.Errorf("check has changed its folder from\n%q to\n%q", before, after)
	}
	for _, want := range []string{"audience: acme\n", "streamIdle: 4h\n", "mode: \"off\"\n", "output: " + dir + "/audit.log\n"} {
		if !strings.Contains(effective, want) {
			t.Errorf("the effective configuration lacks %q:\n%s", want, effective)
		}
	}
	if strings.Contains(effective, "secret-of-the-gateway") {
		t.Errorf("the effective configuration has a secret:\n%s", effective)
	}
	elsewhere := write(t, t.TempDir(), "effective.yaml", effective)
	settings, _, _ := strings.Cut(effective, "# ")
	if again, comment, _ := strings.Cut(succeed(t, "", "check", "--config", elsewhere), "# "); again != settings || !strings.Contains(comment, dir) {
		t.Errorf("the effective configuration has another effect:\n%s\nthan\n%s", again, effective)
	}
}

func TestVersion(t *testing.T) {
	defer func(v, c string) { version, commit = v, c }(version, commit)
	version, commit = "v1.2.3", "abcdef"
	want := "spliceway v1.2.3 (commit abcdef, " + runtime.Version() + ", " + runtime.GOOS + "/" + runtime.GOARCH + ")\n"
	if got := succeed(t, "", "version"); got != want {
		t.Errorf("version prints %q, want %q", got, want)
	}
	version, commit = "", "" // as go build and go test leave them
	if got := succeed(t, "", "version"); !regexp.MustCompile(`^spliceway \S+ \(commit \S+, go\S+, \S+\)\n$`).MatchString(got) {
		t.Errorf("version without the linker prints %q", got)
	}
}
