package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// aReport has every line that a run has, each figure 2 at the gateway and 4 elsewhere.
func aReport(works []work) *report {
	r := &report{Rounds: 1}
	for _, w := range works {
		all := samples{}
		for _, s := range sides {
			values := make([]float64, len(w.figures))
			for i := range values {
				values[i] = 4
				if s.name == sideGateway {
					values[i] = 2
				}
			}
			all.add(s.name, values)
		}
		r.add(&w, all)
	}
	return r
}

func tableOptions(t *testing.T, args ...string) *options {
	t.Helper()
	o, err := parseOptions(args, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// The page in docs is written from results, and its parts are those of the code.
func TestDocumentIsWrittenFromResults(t *testing.T) {
	dir := t.TempDir()
	for _, args := range [][]string{{"-results", dir}, {"-scale", "-results", dir}} {
		o := tableOptions(t, args...)
		if err := aReport(o.works()).write(o); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile("../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "page.md")
	if err := os.WriteFile(file, page, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // it can be written again
		if err := runDocument(t.Context(), []string{dir, file}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\n| GET, 4 KiB, 16 tunnels | µs | 2.00 | 4.00 | 4.00 | 4.00 | 0.50 | 0.50 | 0.50 <= 1.15 better relay: met |\n",
		"\n| 1000 | 2.00 | 4.00 | 4.00 |",
		"carries about 500000 small requests",
		"](../bench/results/bodies-upload.svg)",
	} {
		if n := bytes.Count(got, []byte(want)); n != 1 {
			t.Errorf("%q is %d times in the page, want once:\n%s", want, n, got)
		}
	}
	if strings.Contains(string(got), "%!") {
		t.Errorf("a figure is missing:\n%s", got)
	}
}

// A chart has a line or bar of each side, and each file that the page shows is drawn.
func TestChartsAreDrawn(t *testing.T) {
	dir := t.TempDir()
	for _, args := range [][]string{{"-results", dir}, {"-scale", "-results", dir}} {
		o := tableOptions(t, args...)
		if err := aReport(o.works()).write(o); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{tableChart}
	for _, c := range curves {
		for _, f := range c.figures() {
			want = append(want, curveFile(&c, &f))
		}
	}
	for _, name := range want {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, side := range []string{sideRelay, sideBaseline} {
			if !bytes.Contains(data, []byte(side)) {
				t.Errorf("%s does not name %s", name, side)
			}
		}
	}
}

func TestReplacePartRefuses(t *testing.T) {
	for _, text := range []string{"", "<!-- table -->\n", "<!-- end -->\n<!-- table -->\n"} {
		if got, err := replacePart([]byte(text), "table", "x"); err == nil {
			t.Errorf("replacePart(%q) = %q, want an error", text, got)
		}
	}
}

// What is committed is read back as the last result.
func TestCommittedResultsAreRead(t *testing.T) {
	for _, name := range []string{tableFile, scaleFile} {
		r, err := loadReport(filepath.Join("results", name))
		if err != nil {
			t.Error(err)
			continue
		}
		if len(r.Works) == 0 || r.Works[0].Sides[sideGateway].Median <= 0 {
			t.Errorf("%s has no figures of the gateway", name)
		}
	}
}
