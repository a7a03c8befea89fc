package metrics

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
)

var update = flag.Bool("update", false, "write docs/metrics.md anew")

const page = "../docs/metrics.md"

// The committed page says what the code does. make docs rewrites it.
func TestDocument(t *testing.T) {
	got := Document()
	if *update {
		if err := os.WriteFile(page, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what the code says; run make docs", page)
	}
}

// What is described is what a scrape has, and the other way round.
func TestFamilies(t *testing.T) {
	m := New(Build{Version: "v1"})
	exercise(m)
	m.SigningKeysFetched(time.Now())
	scraped, err := m.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	described := make(map[string]Family)
	for _, f := range Families() {
		described[f.Name] = f
	}
	for _, s := range scraped {
		if !strings.HasPrefix(s.GetName(), namespace) {
			continue
		}
		f, ok := described[s.GetName()]
		delete(described, s.GetName())
		if kind := strings.ToLower(s.GetType().String()); !ok || kind != f.Type || s.GetHelp() != f.Help {
			t.Errorf("%s %s is described as %+v", s.GetName(), kind, f)
		}
		if got, want := labelsOf(s.GetMetric()[0]), names(f.Labels); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("%s has the labels %v, and is described with %v", f.Name, got, want)
		}
	}
	for name := range described {
		t.Errorf("%s is described, and not scraped", name)
	}
}

func labelsOf(m *dto.Metric) (all []string) {
	for _, l := range m.GetLabel() {
		all = append(all, l.GetName())
	}
	return all
}
