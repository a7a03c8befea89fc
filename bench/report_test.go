package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestSummarize(t *testing.T) {
	for _, row := range []struct {
		samples             []float64
		median, least, most float64
	}{
		{[]float64{3}, 3, 3, 3},
		{[]float64{4, 2}, 3, 2, 4},
		{[]float64{9, 1, 5}, 5, 1, 9},
		{[]float64{8, 1, 2, 100}, 5, 1, 100},
	} {
		given := slices.Clone(row.samples)
		got := summarize(row.samples)
		if got.Median != row.median || got.Least != row.least || got.Most != row.most {
			t.Errorf("summarize(%v) = %+v", given, got)
		}
		if !slices.Equal(got.Samples, given) {
			t.Errorf("summarize(%v) has samples %v, not in their order", given, got.Samples)
		}
	}
}

// A machine that becomes slower from round to round does not move the ratio,
// because it is taken within rounds.
func TestReportRatioIsOfRounds(t *testing.T) {
	var r report
	r.add(&work{name: "w", title: "a work", unit: "µs"}, [2][]float64{{10, 20, 40}, {20, 40, 80}})
	if got := r.Works[0].Ratio; got.Least != 0.5 || got.Most != 0.5 {
		t.Errorf("ratio = %+v, want 0.5 in each round", got)
	}
	var out bytes.Buffer
	if err := r.print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a work", "µs", "20.0 (10.0 - 40.0)", "40.0 (20.0 - 80.0)", "0.50 (0.50 - 0.50)"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in the table:\n%s", want, &out)
		}
	}
}

func TestCPUModel(t *testing.T) {
	const text = "processor\t: 0\nvendor_id\t: X\nmodel\t\t: 1\nmodel name\t: Some CPU @ 2.0GHz\nmodel name\t: other\n"
	if got := cpuModel([]byte(text)); got != "Some CPU @ 2.0GHz" {
		t.Errorf("cpuModel = %q", got)
	}
	if got := cpuModel([]byte("processor: 0\n")); got != "" {
		t.Errorf("cpuModel without a model = %q", got)
	}
}
