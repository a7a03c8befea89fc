package main

import (
	"archive/tar"
	"bytes"
	"io"
	"testing"
	"time"
)

// The last file's padding and the end of the archive are there.
func TestArchiveIsWhole(t *testing.T) {
	a := newArchive(&release{date: time.Unix(1, 0)})
	a.folder("d/", imageUser)
	a.file("d/f", []byte("text"), 0o755)
	data, err := a.bytes()
	if err != nil || len(data) != 5*512 {
		t.Fatalf("archive of a folder and a file has %d octets, %v, want five blocks", len(data), err)
	}
	r := tar.NewReader(bytes.NewReader(data))
	for _, want := range []tar.Header{{Name: "d/", Uid: imageUser}, {Name: "d/f", Size: 4}} {
		h, err := r.Next()
		if err != nil || h.Name != want.Name || h.Uid != want.Uid || h.Size != want.Size || h.ModTime.Unix() != 1 || h.Uname != "" {
			t.Errorf("Next = %+v, %v, want %+v", h, err, want)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("Next at the end = %v, want EOF", err)
	}
}
