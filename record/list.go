package record

import (
	"errors"
	"iter"
	"slices"
	"strings"
	"time"
)

// A Filter chooses recordings. Its zero fields choose all.
type Filter struct {
	Since, Until time.Time // of the start; Until is not included
	User         string    // these are patterns in which * stands for any octets
	Group        string
	Cluster      string
	Namespace    string
	Pod          string
	Container    string
	Kind         string
	State        State
	Command      string // part of the command line, in any case
	Text         string // part of the .json, in any case
}

// A Recording is one of a directory.
type Recording struct {
	Metadata
	Path string // of the .cast, which is not there if the recording was deleted
}

// List yields the recordings of a store that a filter chooses, in the order of
// their starts. What can't be read is yielded as an error, and does not end the
// list.
func List(dir string, f Filter) iter.Seq2[*Recording, error] {
	return func(yield func(*Recording, error) bool) {
		for base, err := range files(dir, metaSuffix, f.Since, f.Until) {
			if err != nil {
				if !yield(nil, err) {
					return
				}
				continue
			}
			meta, err := ReadMetadata(base)
			if err == nil && !f.matches(meta) {
				continue
			}
			var found *Recording
			if err == nil {
				found = &Recording{Metadata: *meta, Path: base + castSuffix}
			}
			if !yield(found, err) {
				return
			}
		}
	}
}

func (f *Filter) matches(m *Metadata) bool {
	if !f.Since.IsZero() && m.Started.Before(f.Since) || !f.Until.IsZero() && !m.Started.Before(f.Until) {
		return false
	}
	for _, field := range [...]struct{ pattern, value string }{
		{f.User, m.User}, {f.Cluster, m.Cluster}, {f.Namespace, m.Namespace}, {f.Pod, m.Pod},
		{f.Container, m.Container}, {f.Kind, m.Kind},
	} {
		if field.pattern != "" && !glob(field.pattern, field.value) {
			return false
		}
	}
	if f.Group != "" && !slices.ContainsFunc(m.Groups, func(group string) bool { return glob(f.Group, group) }) {
		return false
	}
	if f.State != "" && f.State != m.State {
		return false
	}
	if !containsFold(m.commandLine(), f.Command) {
		return false
	}
	if f.Text == "" {
		return true
	}
	text, err := printMetadata(m)
	return err == nil && containsFold(string(text), f.Text)
}

func containsFold(s, part string) bool {
	return strings.Contains(strings.ToLower(s), strings.ToLower(part))
}

// ErrNotFound and ErrAmbiguous are why Find finds nothing.
var (
	ErrNotFound  = errors.New("record: there is no such recording")
	ErrAmbiguous = errors.New("record: several recordings begin like this")
)

// Find returns the recording whose id is or begins with prefix.
func Find(dir, prefix string) (*Recording, error) {
	var found string
	for base, err := range files(dir, metaSuffix, time.Time{}, time.Time{}) {
		switch {
		case err != nil:
			return nil, err
		case prefix == "" || !strings.HasPrefix(baseID(base), prefix):
		case found != "":
			return nil, ErrAmbiguous
		default:
			found = base
		}
	}
	if found == "" {
		return nil, ErrNotFound
	}
	meta, err := ReadMetadata(found)
	if err != nil {
		return nil, err
	}
	return &Recording{Metadata: *meta, Path: found + castSuffix}, nil
}
