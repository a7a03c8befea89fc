package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// report is the result of a run, and its JSON form.
type report struct {
	Machine  machine  `json:"machine"`
	Rounds   int      `json:"rounds"`
	Requests int      `json:"requests"` // of one sample
	Watches  int      `json:"watches"`  // of one sample
	Works    []result `json:"works"`
}

// result is one line of the table.
type result struct {
	Name   string             `json:"name"` // of the work; with :FIGURE where it has several
	Title  string             `json:"title"`
	Unit   string             `json:"unit"`
	Sides  map[string]summary `json:"sides"`
	Ratios map[string]summary `json:"ratios"` // gateway to each other side, of the samples of one round; or to another figure
	Goals  []verdict          `json:"goals,omitempty"`
}

// verdict is a goal and what came of it.
type verdict struct {
	Of    string  `json:"of"` // a side, or "better relay"; empty: the goal is absolute
	Most  float64 `json:"most"`
	Slack float64 `json:"slack,omitempty"` // added to what the side may have, in the unit of the figure
	Value float64 `json:"value"`
	Met   bool    `json:"met"`
}

// summary is a quantity over all rounds.
type summary struct {
	Median  float64   `json:"median"`
	Least   float64   `json:"least"`
	Most    float64   `json:"most"`
	Samples []float64 `json:"samples"` // by round
}

// summarize returns the summary of at least one sample.
func summarize(samples []float64) summary {
	sorted := slices.Sorted(slices.Values(samples))
	last := len(sorted) - 1
	return summary{
		Median: (sorted[last/2] + sorted[(last+1)/2]) / 2,
		Least:  sorted[0], Most: sorted[last],
		Samples: samples,
	}
}

// add adds the figures of a work.
func (r *report) add(w *work, all samples) {
	for i, f := range w.figures {
		line := result{
			Name: w.name, Title: f.title, Unit: f.unit,
			Sides: map[string]summary{}, Ratios: map[string]summary{},
		}
		if f.name != "" {
			line.Name += ":" + f.name
		}
		for side, values := range all {
			if f.side != "" && f.side != side {
				continue
			}
			line.Sides[side] = summarize(values[i])
			if own := all[sideGateway]; own != nil && side != sideGateway {
				line.Ratios[side] = summarize(ratios(own[i], values[i]))
			}
		}
		if before := r.find(f.asPart); before != nil {
			line.Ratios[f.asPart] = summarize([]float64{line.Sides[sideGateway].Median / before.Sides[sideGateway].Median})
		}
		for _, g := range f.goals {
			line.judge(g)
		}
		r.Works = append(r.Works, line)
	}
}

// ratios divides by rounds, so that a machine that becomes slower does not count.
func ratios(a, b []float64) []float64 {
	r := make([]float64, len(a))
	for i := range r {
		r[i] = a[i] / b[i]
	}
	return r
}

// judge adds a verdict, if what it is about was measured.
func (r *result) judge(g goal) {
	from, key := r.Ratios, g.of
	switch g.of {
	case "":
		from, key = r.Sides, sideGateway
	case better:
		key = sideRelay
		if r.Ratios[sideBatching].Median > r.Ratios[sideRelay].Median {
			key = sideBatching // the gateway looks worse beside it
		}
	}
	s, measured := from[key]
	if !measured {
		return
	}
	v := verdict{Of: g.of, Most: g.most, Slack: g.slack, Value: s.Median, Met: s.Median <= g.most}
	if g.slack > 0 {
		v.Met = r.Sides[sideGateway].Median <= g.most*r.Sides[key].Median+g.slack
	}
	r.Goals = append(r.Goals, v)
}

func (r *report) writeJSON(file string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	return os.WriteFile(file, append(data, '\n'), 0o644)
}

func readReport(data []byte) (*report, error) {
	r := &report{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("reading report: %w", err)
	}
	return r, nil
}

// find returns a line of an earlier report; nil: it has none of this name.
func (r *report) find(name string) *result {
	if r == nil {
		return nil
	}
	if i := slices.IndexFunc(r.Works, func(w result) bool { return w.Name == name }); i >= 0 {
		return &r.Works[i]
	}
	return nil
}

// print writes the table. An earlier report, if there is one, gives the last
// column.
func (r *report) print(w io.Writer, earlier *report) error {
	fmt.Fprintf(w, "%s\n", &r.Machine)
	fmt.Fprintf(w, "median (least-most) of %d rounds; ratios are gateway to the other, of one round\n", r.Rounds)
	if earlier != nil {
		fmt.Fprintf(w, "before: the last committed result, of commit %s\n", earlier.Machine.Commit)
	}
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "work\tunit")
	for _, s := range sides {
		fmt.Fprintf(table, "\t%s", s.name)
	}
	for _, s := range sides[1:] {
		fmt.Fprintf(table, "\t/%s", s.name)
	}
	fmt.Fprint(table, "\tgoal\tbefore\n")
	for _, line := range r.Works {
		line.print(table, earlier.find(line.Name))
	}
	return table.Flush()
}

func (r *result) print(table io.Writer, before *result) {
	fmt.Fprintf(table, "%s\t%s", r.Title, r.Unit)
	for _, s := range sides {
		fmt.Fprintf(table, "\t%s", cell(r.Sides, s.name))
	}
	for _, s := range sides[1:] {
		fmt.Fprintf(table, "\t%s", cell(r.Ratios, s.name))
	}
	fmt.Fprintf(table, "\t%s\t%s\n", cmp.Or(r.goals(), "-"), r.change(before))
}

// goals tells what came of them, in a line.
func (r *result) goals() string {
	words := make([]string, len(r.Goals))
	for i, g := range r.Goals {
		words[i] = g.String()
	}
	return strings.Join(words, ", ")
}

// change tells a ratio of before: to the relay, or to the baseline where there is
// none. Other figures of two runs do not compare.
func (r *result) change(before *result) string {
	if before == nil {
		return "-"
	}
	for _, side := range []string{sideRelay, sideBaseline} {
		then, had := before.Ratios[side]
		now, has := r.Ratios[side]
		if had && has {
			return fmt.Sprintf("/%s %.2f -> %.2f", side, then.Median, now.Median)
		}
	}
	return "-"
}

func (v verdict) String() string {
	word := "missed"
	if v.Met {
		word = "met"
	}
	if v.Of == "" {
		return fmt.Sprintf("<= %g: %s", v.Most, word)
	}
	if v.Slack > 0 {
		return fmt.Sprintf("<= %g %s + %g: %s", v.Most, v.Of, v.Slack, word)
	}
	return fmt.Sprintf("%.2f <= %g %s: %s", v.Value, v.Most, v.Of, word)
}

func cell(from map[string]summary, side string) string {
	s, measured := from[side]
	if !measured {
		return "-"
	}
	digits := 1
	if s.Most < 10 {
		digits = 2
	}
	return fmt.Sprintf("%.*f (%.*f-%.*f)", digits, s.Median, digits, s.Least, digits, s.Most)
}
