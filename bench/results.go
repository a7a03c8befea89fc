package main

import (
	"context"
	"os"
	"path/filepath"
)

// resultsFolder has the results that are committed, relative to the repository's
// root.
const resultsFolder = "bench/results"

// The files in it, beside charts.
const (
	tableFile  = "table.json"
	scaleFile  = "scale.json"
	tableChart = "table.svg"
)

func (o *options) resultName() string {
	if o.scale {
		return scaleFile
	}
	return tableFile
}

// write writes the files that the options ask for.
func (r *report) write(o *options) error {
	if o.json != "" {
		if err := r.writeJSON(o.json); err != nil {
			return err
		}
	}
	if o.results == "" {
		return nil
	}
	if err := os.MkdirAll(o.results, 0o755); err != nil {
		return err
	}
	if err := r.writeJSON(filepath.Join(o.results, o.resultName())); err != nil {
		return err
	}
	if o.scale {
		return r.drawCurves(o.results)
	}
	return r.drawTable(filepath.Join(o.results, tableChart))
}

// committed returns the last result that was committed; nil: there is none.
func committed(ctx context.Context, module, name string) *report {
	data, err := git(ctx, module, "show", "HEAD:"+resultsFolder+"/"+name)
	if err != nil {
		return nil
	}
	r, err := readReport([]byte(data))
	if err != nil {
		return nil // of an other form: it does not compare
	}
	return r
}
