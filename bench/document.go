package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// runDocument is the subcommand that writes the generated parts of a document from
// the results in a folder:
//
//	bench document bench/results docs/performance.md
func runDocument(_ context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("usage: bench document RESULTS FILE")
	}
	table, err := loadReport(filepath.Join(args[0], tableFile))
	if err != nil {
		return err
	}
	scale, err := loadReport(filepath.Join(args[0], scaleFile))
	if err != nil {
		return err
	}
	text, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	for _, part := range []struct{ name, text string }{
		{"machine", table.Machine.String() + ".\n"},
		{"table", table.markdown()},
		{"curves", scale.markdownCurves()},
		{"sizing", sizing(table, scale)},
	} {
		if text, err = replacePart(text, part.name, part.text); err != nil {
			return err
		}
	}
	return os.WriteFile(args[1], text, 0o644)
}

func loadReport(file string) (*report, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return readReport(data)
}

// replacePart replaces what stands between the lines <!-- NAME --> and
// <!-- end -->.
func replacePart(text []byte, name, with string) ([]byte, error) {
	begin, end := []byte("<!-- "+name+" -->\n"), []byte("<!-- end -->")
	before, rest, found := bytes.Cut(text, begin)
	if !found {
		return nil, fmt.Errorf("the document has no part %q", name)
	}
	at := bytes.Index(rest, end)
	if at < 0 {
		return nil, fmt.Errorf("part %q of the document has no end", name)
	}
	return bytes.Join([][]byte{before, begin, []byte(with), rest[at:]}, nil), nil
}

// markdown is the table without the spread, which is in the JSON.
func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Medians of %s.\n\n", plural(r.Rounds, "round"))
	b.WriteString("| work | unit |")
	for _, s := range sides {
		fmt.Fprintf(&b, " %s |", s.name)
	}
	b.WriteString(" to relay | to baseline | goal |\n|---|---|" + strings.Repeat("---:|", len(sides)+2) + "---|\n")
	for _, line := range r.Works {
		fmt.Fprintf(&b, "| %s | %s |", line.Title, line.Unit)
		for _, s := range sides {
			fmt.Fprintf(&b, " %s |", median(line.Sides, s.name))
		}
		fmt.Fprintf(&b, " %s | %s | %s |\n", median(line.Ratios, sideRelay), median(line.Ratios, sideBaseline), line.goals())
	}
	return b.String()
}

// median prints a figure with three digits, or all before the point.
func median(from map[string]summary, side string) string {
	s, measured := from[side]
	switch {
	case !measured:
		return ""
	case s.Median >= 100:
		return fmt.Sprintf("%.0f", s.Median)
	case s.Median >= 10:
		return fmt.Sprintf("%.1f", s.Median)
	}
	return fmt.Sprintf("%.2f", s.Median)
}

// markdownCurves has for each curve a table and its charts.
func (r *report) markdownCurves() string {
	var b strings.Builder
	for _, c := range curves {
		fmt.Fprintf(&b, "### By %s\n\n| %s |", c.axis, c.axis)
		for _, f := range c.figures() {
			for _, side := range scaleSides {
				fmt.Fprintf(&b, " %s, %s, %s |", f.name, f.unit, side)
			}
		}
		b.WriteString("\n|---:|" + strings.Repeat("---:|", len(c.figures())*len(scaleSides)) + "\n")
		for _, x := range r.points(&c) {
			fmt.Fprintf(&b, "| %d |", x)
			for _, f := range c.figures() {
				line := r.find(pointName(c.name, x) + ":" + f.name)
				for _, side := range scaleSides {
					cell := ""
					if line != nil {
						cell = median(line.Sides, side)
					}
					fmt.Fprintf(&b, " %s |", cell)
				}
			}
			b.WriteString("\n")
		}
		b.WriteString("\n")
		for _, f := range c.figures() {
			fmt.Fprintf(&b, "![%s, %s](../%s/%s)\n", c.name, f.name, resultsFolder, curveFile(&c, &f))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// sizing estimates what a core and a GiB carry.
func sizing(table, scale *report) string {
	var b strings.Builder
	say := func(name, text string, of func(median float64) float64) {
		line := table.find(name)
		if line == nil {
			line = scale.find(name)
		}
		if s, measured := line.of(sideGateway); measured {
			fmt.Fprintf(&b, text+"\n", of(s.Median))
		}
	}
	perSecond := func(us float64) float64 { return 1e6 / us }
	say("request/size=4KiB/tunnels=16", "- One core carries about %.0f small requests a second at full load.", perSecond)
	say("request/size=4KiB/tunnels=16/rate=1000:cpu", "- At light load, where each request wakes it up, %.0f requests a second take a core.", perSecond)
	say(setUpFull, "- One core opens about %.0f tunnels a second.", perSecond)
	say("setup/keys=resumed", "- With resumed sessions: %.0f.", perSecond)
	say("watch/state=idle", "- One GiB holds about %.0f idle watch tunnels.", func(kib float64) float64 { return 1 << 20 / kib })
	say("watch/state=events", "- One core forwards about %.0f watch events a second.", perSecond)
	say("download/coding=length", "- One core moves about %.0f MB/s of downloads.", func(ns float64) float64 { return 1e3 / ns })
	say("keystroke/recorded=yes:cpu", "- One core serves about %.0f recorded terminals in which 5 keys a second are pressed.",
		func(us float64) float64 { return 1e6 / us / 5 })
	b.WriteString("\nPlan with half of these: the rest is for handshakes after a network fault, when all clients come back at once.\n")
	return b.String()
}

// of returns a side's figure; a line that is nil has none.
func (r *result) of(side string) (s summary, measured bool) {
	if r == nil {
		return summary{}, false
	}
	s, measured = r.Sides[side]
	return s, measured
}
