package record

import (
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// days yields the directories by date in order, of the days from since to
// until; a zero time is no bound.
func days(dir string, since, until time.Time) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		first, last := "0000/00/00", "9999/99/99"
		if !since.IsZero() {
			first = since.UTC().Format("2006/01/02")
		}
		if !until.IsZero() {
			last = until.UTC().Format("2006/01/02")
		}
		walkDays(dir, "", first, last, yield)
	}
}

// walkDays walks one of the three levels. It returns false when yield did.
func walkDays(dir, prefix, first, last string, yield func(string, error) bool) bool {
	const day = len("2006/01/02")
	if len(prefix) == day {
		return yield(filepath.Join(dir, filepath.FromSlash(prefix)), nil)
	}
	entries, err := readDir(filepath.Join(dir, filepath.FromSlash(prefix)))
	if err != nil {
		return yield("", err)
	}
	for _, entry := range entries {
		path := strings.TrimPrefix(prefix+"/"+entry.Name(), "/")
		if !entry.IsDir() || !isDate(path) || path < first[:len(path)] || path > last[:len(path)] {
			continue
		}
		if !walkDays(dir, path, first, last, yield) {
			return false
		}
	}
	return true
}

// isDate tells whether a path is the beginning of YYYY/MM/DD.
func isDate(path string) bool {
	const form = "dddd/dd/dd"
	if len(path) != len("2006") && len(path) != len("2006/01") && len(path) != len(form) {
		return false
	}
	for i := range len(path) {
		if c := path[i]; form[i] == 'd' && (c < '0' || c > '9') || form[i] == '/' && c != '/' {
			return false
		}
	}
	return true
}

// readDir is os.ReadDir for directories that may just have been removed.
func readDir(dir string) ([]fs.DirEntry, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return entries, err
}

// files yields the recordings, in order, that have a file whose name ends in
// suffix, as paths without the end.
func files(dir, suffix string, since, until time.Time) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for day, err := range days(dir, since, until) {
			if err != nil {
				yield("", err)
				return
			}
			entries, err := readDir(day)
			if err != nil {
				yield("", err)
				return
			}
			for _, entry := range entries {
				id, ok := strings.CutSuffix(entry.Name(), suffix)
				if _, err := idTime(id); !ok || err != nil {
					continue
				}
				if !yield(filepath.Join(day, id), nil) {
					return
				}
			}
		}
	}
}

// casts yields the recordings that have a .cast.
func casts(dir string) iter.Seq2[string, error] {
	return files(dir, castSuffix, time.Time{}, time.Time{})
}

func baseID(base string) string { return filepath.Base(base) }
