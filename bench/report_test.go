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
	var r, before report
	w := &work{name: "w", figures: []figure{{title: "a work", unit: "µs", goals: []goal{{of: sideRelay, most: 0.4}, {most: 30}, {of: sideBatching, most: 1}}}}}
	r.add(w, samples{sideGateway: {{10, 20, 40}}, sideRelay: {{20, 40, 80}}})
	before.add(w, samples{sideGateway: {{1}}, sideRelay: {{4}}})
	if got := r.Works[0].Ratios[sideRelay]; got.Least != 0.5 || got.Most != 0.5 {
		t.Errorf("ratio = %+v, want 0.5 in each round", got)
	}
	var out bytes.Buffer
	if err := r.print(&out, &before); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a work", "µs", "20.0 (10.0-40.0)", "40.0 (20.0-80.0)", "0.50 (0.50-0.50)",
		"0.50 <= 0.4 relay: missed, <= 30: met", "/relay 0.25 -> 0.50"} {
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

func TestGoalIsTheBetterRelay(t *testing.T) {
	for _, row := range []struct{ relay, batching, want float64 }{{2, 4, 0.5}, {4, 2, 0.5}, {2, 2, 0.5}} {
		var r report
		r.add(&work{name: "w", figures: []figure{{goals: []goal{{of: better, most: 0.5}}}}},
			samples{sideGateway: {{1}}, sideRelay: {{row.relay}}, sideBatching: {{row.batching}}})
		got := r.Works[0].Goals
		if len(got) != 1 || got[0].Value != row.want || !got[0].Met {
			t.Errorf("relays %g and %g: %+v, want %g, met", row.relay, row.batching, got, row.want)
		}
	}
}

func TestFiguresOfOneWorkHaveNames(t *testing.T) {
	var r report
	r.add(&work{name: "w", figures: []figure{{name: "cpu"}, {name: "p99"}}}, samples{sideGateway: {{1, 2}, {3, 4}}})
	if len(r.Works) != 2 || r.Works[0].Name != "w:cpu" || r.Works[1].Name != "w:p99" || r.Works[1].Sides[sideGateway].Median != 3.5 {
		t.Errorf("works = %+v", r.Works)
	}
}

// A slow relay may be exceeded by the slack, and a goal may be of an earlier line.
func TestGoalsOfOtherKinds(t *testing.T) {
	var r report
	r.add(&work{name: "a", figures: []figure{{goals: []goal{{of: sideRelay, most: 1, slack: 50}}}}},
		samples{sideGateway: {{140}}, sideRelay: {{100}}})
	r.add(&work{name: "b", figures: []figure{{asPart: "a", goals: []goal{{of: "a", most: 0.5}}}}}, samples{sideGateway: {{100}}})
	if g := r.Works[0].Goals[0]; !g.Met || g.Value != 1.4 {
		t.Errorf("with slack: %+v, want 1.4, met", g)
	}
	if g := r.Works[1].Goals[0]; g.Met || g.Value != 100.0/140 {
		t.Errorf("of an earlier line: %+v, want %g, missed", g, 100.0/140)
	}
}
