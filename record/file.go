package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	fileMode = 0o600
	dirMode  = 0o700
)

// A file is what a recorder appends to: a file of the operating system, but
// for tests of what can go wrong with one.
type file interface {
	io.Writer
	Truncate(size int64) error
	Sync() error
	Close() error
}

// createLocked creates a file that has this process's lock from the moment on
// at which it has its name. A lock goes with its process: a file of a recording
// that is not ended and can be locked was left by a crash.
func createLocked(path string) (*os.File, error) {
	temp := path + tempSuffix
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, fileMode)
	if err != nil {
		return nil, err
	}
	if err = lock(f); err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		f.Close()
		os.Remove(temp)
		return nil, err
	}
	return f, nil
}

// writeFile replaces a file as a whole, and has it on disk when it returns.
func writeFile(path string, text []byte, mode fs.FileMode) error {
	if err := replaceFile(path, text, mode, true); err != nil {
		return err
	}
	return syncPath(filepath.Dir(path))
}

// replaceFile replaces a file as a whole. Without sync a crash of the machine
// can leave none.
func replaceFile(path string, text []byte, mode fs.FileMode, sync bool) error {
	temp := path + tempSuffix
	f, err := os.OpenFile(temp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil && sync {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		os.Remove(temp)
	}
	return err
}

// syncPath makes the names in a directory last, or the content of a file.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// syncDirs is syncPath for the directory of a recording, by date, and the three
// above it.
func syncDirs(dir string) error {
	for range 4 {
		if err := syncPath(dir); err != nil {
			return err
		}
		dir = filepath.Dir(dir)
	}
	return nil
}

func printMetadata(m *Metadata) ([]byte, error) {
	stored := *m
	stored.Hold = nil
	text, err := json.MarshalIndent(&stored, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("record: printing metadata: %w", err)
	}
	return append(text, '\n'), nil
}

func writeMetadata(base string, m *Metadata, sync bool) error {
	text, err := printMetadata(m)
	if err != nil {
		return err
	}
	write := replaceFile(base+metaSuffix, text, fileMode, sync)
	if write == nil && sync {
		write = syncPath(filepath.Dir(base))
	}
	if write != nil {
		return fmt.Errorf("record: writing metadata: %w", write)
	}
	return nil
}

// ReadMetadata reads the metadata of the recording whose .json, .cast or .seal
// path names, and its hold.
func ReadMetadata(path string) (*Metadata, error) {
	base := trimSuffix(path)
	text, err := os.ReadFile(base + metaSuffix)
	if err != nil {
		return nil, fmt.Errorf("record: reading metadata: %w", err)
	}
	var m Metadata
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, fmt.Errorf("record: reading %s: %w", base+metaSuffix, err)
	}
	if m.Hold, err = readHold(base); err != nil {
		return nil, err
	}
	return &m, nil
}

// readHold reads the .hold file, which people write: whatever is in it, its
// maker wants the recording kept.
func readHold(base string) (*Hold, error) {
	file, err := os.Open(base + holdSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("record: reading the hold: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("record: reading the hold: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(file, maxHold))
	if err != nil {
		return nil, fmt.Errorf("record: reading the hold: %w", err)
	}
	var hold Hold
	if len(bytes.TrimSpace(text)) > 0 {
		if err := json.Unmarshal(text, &hold); err != nil {
			hold = Hold{Reason: "the .hold file is not understood: " + err.Error()}
		}
	}
	if hold.Since.IsZero() {
		hold.Since = info.ModTime()
	}
	return &hold, nil
}

// trimSuffix returns the path of a recording without the end of the name.
func trimSuffix(path string) string {
	for _, suffix := range []string{castSuffix, sealSuffix, metaSuffix, holdSuffix, uploadSuffix, downloadSuffix} {
		if base, ok := strings.CutSuffix(path, suffix); ok {
			return base
		}
	}
	return path
}
