package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/goreleaser/nfpm/v2/files"
)

// tree collects the files of a package. Those that are made for it are written
// below dir.
type tree struct {
	release  *release
	dir      string
	format   string
	contents files.Contents
	err      error // the first one; what follows does nothing
}

// file adds a file of the source, or of an absolute path.
func (t *tree) file(source, destination string, mode os.FileMode) {
	if !filepath.IsAbs(source) {
		source = filepath.Join(t.release.root, source)
	}
	t.add(source, destination, files.TypeFile, mode)
}

// text adds a file with a text, which is a configuration file where kind says so.
func (t *tree) text(text, destination, kind string) {
	t.made([]byte(text), destination, kind)
}

// zipped adds a compressed file, without the name and the date that gzip(1) puts
// into one.
func (t *tree) zipped(text, destination string) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err == nil {
		err = w.Close()
	}
	t.fail(err)
	t.made(b.Bytes(), destination+".gz", files.TypeFile)
}

func (t *tree) made(data []byte, destination, kind string) {
	source := filepath.Join(t.dir, strings.ReplaceAll(destination, "/", "_"))
	t.fail(os.WriteFile(source, data, 0o644))
	t.add(source, destination, kind, 0o644)
}

// folder adds one that is the package's own.
func (t *tree) folder(destination string) {
	t.add("", destination, files.TypeDir, 0o755)
}

// add adds what is documentation as such, where the format knows that.
func (t *tree) add(source, destination, kind string, mode os.FileMode) {
	isDoc := strings.HasPrefix(destination, docs) || strings.HasPrefix(destination, "/usr/share/man/")
	if isDoc && t.format == "rpm" && kind == files.TypeFile {
		kind = files.TypeRPMDoc
	}
	t.contents = append(t.contents, &files.Content{
		Source:      source,
		Destination: destination,
		Type:        kind,
		FileInfo:    &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: t.release.date},
	})
}

// read returns a file of the source.
func (t *tree) read(name string) string {
	data, err := os.ReadFile(filepath.Join(t.release.root, name))
	t.fail(err)
	return string(data)
}

// match returns the files of a pattern, of which there must be one.
func (t *tree) match(pattern string) []string {
	names, err := filepath.Glob(pattern)
	t.fail(err)
	if len(names) == 0 {
		t.fail(fmt.Errorf("there is no %s", pattern))
	}
	return names
}

func (t *tree) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}
