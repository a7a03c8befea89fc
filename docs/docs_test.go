// Package docs holds no code: its tests hold what is written here to what is there.
package docs

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	namedTest = regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz)[A-Za-z0-9]+)`")
	link      = regexp.MustCompile(`\]\(([^)#]+)(?:#[^)]*)?\)`)
)

// pages are the documents of the project, by their path from here.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, pattern := range []string{"*.md", "../*.md"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all[name] = string(text)
		}
	}
	if len(all) < 5 {
		t.Fatalf("%d documents found", len(all))
	}
	return all
}

// A test that a document names is there.
func TestNamedTests(t *testing.T) {
	seen := 0
	sources := make(map[string][]byte) // by folder
	for name, text := range pages(t) {
		for _, m := range namedTest.FindAllStringSubmatch(text, -1) {
			seen++
			if sources[m[1]] == nil {
				sources[m[1]] = tests(t, filepath.Join("..", m[1]))
			}
			if !bytes.Contains(sources[m[1]], []byte("\nfunc "+m[2]+"(")) {
				t.Errorf("%s names %s.%s, which is not there", name, m[1], m[2])
			}
		}
	}
	if seen == 0 {
		t.Error("no document names a test")
	}
}

// tests returns the source of all tests in dir.
func tests(t *testing.T, dir string) (all []byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, source...)
	}
	return all
}

// A link to a file leads to one.
func TestLinks(t *testing.T) {
	for name, text := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(name), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
			}
		}
	}
}
