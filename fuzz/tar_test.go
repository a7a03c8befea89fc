package fuzz

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/spliceway/spliceway/session"
)

// tarFiles returns what is reported of an archive that comes in pieces, as text, and
// wants kept content to be what the digest is of.
func tarFiles(t *testing.T, pieces [][]byte) (files []string) {
	t.Helper()
	var content bytes.Buffer
	w := session.NewFiles(&session.Info{Kind: session.KindExec}, func(f *session.File) {
		if f.Hashed && (sha256.Sum256(content.Bytes()) != f.SHA256 || int64(content.Len()) != f.Size) {
			t.Fatalf("%d octets of %q were kept, of %d", content.Len(), f.Name, f.Size)
		}
		files = append(files, fmt.Sprintf("%q %q %d %o %x %v %v", f.Name, f.Link, f.Size, f.Mode, f.SHA256, f.Sparse, f.Cut))
	})
	w.Content = func(*session.File) io.Writer {
		content.Reset()
		return &content
	}
	for _, p := range pieces {
		if err := w.Event(&session.Event{Type: session.Stdout, Data: p}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Event(&session.Event{Type: session.Ended}); err != nil {
		t.Fatal(err)
	}
	return files
}

// tarSeeds are archives of every format.
func tarSeeds(testing.TB) (seeds []seed) {
	for format := range uint8(4) {
		seeds = append(seeds, seed{format, "a", "b/c", int64(0o644), []byte("content")})
		seeds = append(seeds, seed{format, strings.Repeat("long/", 40), strings.Repeat("ü", 90) + "\n", int64(0o4755), bytes.Repeat([]byte{0}, 1024)})
		seeds = append(seeds, seed{format, "../up", "", int64(0), []byte{}})
	}
	return seeds
}

// FuzzTar: of what archive/tar writes, the same files are reported with the same
// sizes, modes and digests; of anything else, the same however it is cut.
func FuzzTar(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, format uint8, first, second string, mode int64, content []byte) {
		if len(content) > 4<<10 {
			return
		}
		raw := tarFiles(t, [][]byte{content})
		for cut := range splits(content) {
			if got := tarFiles(t, cut); !slices.Equal(got, raw) {
				t.Fatalf("in pieces %q: %q, want %q", cut, got, raw)
			}
		}
		var archive bytes.Buffer
		var want []string
		w := tar.NewWriter(&archive)
		for i, name := range []string{first, second} {
			body := content[:len(content)/(i+1)]
			h := &tar.Header{Name: name, Mode: mode & 0o7777, Size: int64(len(body)), Typeflag: tar.TypeReg, Format: tar.Format(1<<(format%4)) &^ 1}
			if name == "" || strings.HasSuffix(name, "/") || w.WriteHeader(h) != nil {
				return // archive/tar does not write it, or as a directory
			}
			if _, err := w.Write(body); err != nil {
				t.Fatal(err)
			}
			want = append(want, fmt.Sprintf("%q %q %d %o %x %v %v", name, "", len(body), h.Mode, sha256.Sum256(body), false, false))
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if got := tarFiles(t, slices.Collect(slices.Chunk(archive.Bytes(), 1000))); !slices.Equal(got, want) {
			t.Fatalf("reported are\n%q, want\n%q", got, want)
		}
	})
}
