package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
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
	Name     string  `json:"name"`
	Title    string  `json:"title"`
	Unit     string  `json:"unit"`
	Gateway  summary `json:"gateway"`
	Baseline summary `json:"baseline"`
	Ratio    summary `json:"ratio"` // gateway to baseline, of the samples of one round
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

// add adds the samples of a work, by side and round.
func (r *report) add(w *work, samples [2][]float64) {
	ratios := make([]float64, len(samples[0]))
	for i := range ratios {
		ratios[i] = samples[0][i] / samples[1][i]
	}
	r.Works = append(r.Works, result{
		Name: w.name, Title: w.title, Unit: w.unit,
		Gateway:  summarize(samples[0]),
		Baseline: summarize(samples[1]),
		Ratio:    summarize(ratios),
	})
}

func (r *report) writeJSON(file string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	return os.WriteFile(file, append(data, '\n'), 0o644)
}

// print writes the table.
func (r *report) print(w io.Writer) error {
	fmt.Fprintf(w, "%s\n", &r.Machine)
	fmt.Fprintf(w, "median (least - most) of %d rounds; a round has %d requests or %d tunnels; ratio: gateway to baseline\n\n",
		r.Rounds, r.Requests, r.Watches)
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintf(table, "work\t\t%s\t%s\tratio\n", sides[0].name, sides[1].name)
	for _, work := range r.Works {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", work.Title, work.Unit,
			work.Gateway.text(1), work.Baseline.text(1), work.Ratio.text(2))
	}
	return table.Flush()
}

func (s *summary) text(digits int) string {
	return fmt.Sprintf("%.*f (%.*f - %.*f)", digits, s.Median, digits, s.Least, digits, s.Most)
}
