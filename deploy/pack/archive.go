package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// archive is a tar file with one date and no names of users.
type archive struct {
	b       bytes.Buffer
	w       *tar.Writer
	release *release
	err     error
}

func newArchive(r *release) *archive {
	a := &archive{release: r}
	a.w = tar.NewWriter(&a.b)
	return a
}

func (a *archive) folder(name string, owner int) {
	a.header(&tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755, Uid: owner, Gid: owner})
}

func (a *archive) file(name string, data []byte, mode int64) {
	a.header(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(data))})
	if _, err := a.w.Write(data); err != nil {
		a.err = errors.Join(a.err, err)
	}
}

func (a *archive) header(header *tar.Header) {
	header.ModTime = a.release.date
	if err := a.w.WriteHeader(header); err != nil {
		a.err = errors.Join(a.err, err)
	}
}

func (a *archive) bytes() ([]byte, error) {
	err := errors.Join(a.err, a.w.Close()) // which writes the end
	return a.b.Bytes(), err
}

// archiveFolder writes the files of a folder to an archive, in the order of names.
func archiveFolder(dir, name string, r *release) error {
	a := newArchive(r)
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		relative := strings.TrimPrefix(path, dir+string(filepath.Separator))
		if entry.IsDir() {
			a.folder(relative+"/", 0)
			return nil
		}
		data, err := os.ReadFile(path)
		a.file(relative, data, 0o644)
		return err
	})
	if err != nil {
		return err
	}
	data, err := a.bytes()
	if err != nil {
		return err
	}
	return os.WriteFile(name, data, 0o644)
}
