package stack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Recording is one recorded session, read from its two files without any code of
// the product: the formats are public.
type Recording struct {
	ID        string
	State     string // "complete" once it has ended
	Kind      string
	Protocol  string
	User      string
	Cluster   string
	Namespace string
	Pod       string
	Container string
	Command   []string
	TTY       bool
	Exit      *int // nil if the command told none
	Cause     string
	Transfers []Transfer
	Output    string `json:"-"` // what its output events say, in order
}

// Transfer is a file that was copied through a session.
type Transfer struct {
	Name      string
	Direction string // upload, download
	Size      int64
	SHA256    string
}

// Recordings reads all recordings of a directory, ended or not.
func Recordings(dir string) ([]Recording, error) {
	var all []Recording
	bases, err := RecordingBases(dir)
	for _, base := range bases {
		r, err := ReadRecording(base)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, err
}

// RecordingBases returns the paths of all recordings of a directory, without
// their suffixes.
func RecordingBases(dir string) (bases []string, err error) {
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if base, is := strings.CutSuffix(path, ".cast"); err == nil && is && !entry.IsDir() {
			bases = append(bases, base)
		}
		return err
	})
	return bases, err
}

// ReadRecording reads BASE.json and BASE.cast.
func ReadRecording(base string) (r Recording, err error) {
	text, err := os.ReadFile(base + ".json")
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil // it is being made
	}
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err == nil {
		r.Output, err = readOutput(base + ".cast")
	}
	if err != nil {
		return r, fmt.Errorf("recording %s: %w", base, err)
	}
	return r, nil
}

// readOutput joins the output events of an asciicast: after the header, each
// line is [time, code, text].
func readOutput(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	var output strings.Builder
	for i, line := range lines {
		if i == 0 || !bytes.HasSuffix(line, []byte("\n")) {
			continue // the header, or a line that is being written
		}
		var event []any
		if err := json.Unmarshal(line, &event); err != nil {
			return "", fmt.Errorf("line %d: %w", i+1, err)
		}
		if len(event) != 3 {
			return "", fmt.Errorf("line %d: %d values, want 3", i+1, len(event))
		}
		if event[1] == "o" {
			fmt.Fprint(&output, event[2])
		}
	}
	return output.String(), nil
}
