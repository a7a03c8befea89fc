package session_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"testing"

	. "github.com/spliceway/spliceway/session"
)

// watch gives a stream to a watcher in pieces of a size and returns what it reports.
func watch(t *testing.T, stream []byte, size int, from EventType) (files []File) {
	t.Helper()
	f := NewFiles(&Info{Kind: KindExec}, func(f *File) { files = append(files, *f) })
	for len(stream) > 0 {
		n := min(size, len(stream))
		if err := f.Event(&Event{Type: from, Data: stream[:n]}); err != nil {
			t.Fatal(err)
		}
		stream = stream[n:]
	}
	if err := f.Event(&Event{Type: Ended}); err != nil {
		t.Fatal(err)
	}
	return files
}

// watchAll wants the same from pieces of all sizes.
func watchAll(t *testing.T, stream []byte, want []File) {
	t.Helper()
	for _, size := range []int{len(stream) + 1, 1, 7, 511, 512, 513, 4096} {
		if got := watch(t, stream, size, Stdout); !reflect.DeepEqual(got, want) {
			t.Fatalf("in pieces of %d octets the files are\n%s\nwant\n%s", size, show(got), show(want))
		}
	}
}

func show(files []File) string {
	var b strings.Builder
	for _, f := range files {
		fmt.Fprintf(&b, "%.60q -> %.40q %d octets, %o, %x %v, sparse %v, cut %v, %s\n", f.Name, f.Link, f.Size, f.Mode, f.SHA256[:4], f.Hashed,
			f.Sparse, f.Cut, f.Direction())
	}
	return b.String()
}

// whole is a file with all of its content.
func whole(name, content string, mode uint32) File {
	return File{Name: name, Size: int64(len(content)), Mode: mode, SHA256: sha256.Sum256([]byte(content)), Hashed: true}
}

// TestTarFormats: archives that the standard library writes in each format.
func TestTarFormats(t *testing.T) {
	long := strings.Repeat("directory/", 30) + "file"
	middle := strings.Repeat("d/", 60) + "file"
	for _, format := range []tar.Format{tar.FormatUSTAR, tar.FormatGNU, tar.FormatPAX} {
		t.Run(format.String(), func(t *testing.T) {
			var b bytes.Buffer
			w := tar.NewWriter(&b)
			var want []File
			add := func(h tar.Header, content string) {
				t.Helper()
				h.Format, h.Size = format, int64(len(content))
				if err := w.WriteHeader(&h); err != nil {
					t.Fatal(err)
				}
				if _, err := io.WriteString(w, content); err != nil {
					t.Fatal(err)
				}
				switch h.Typeflag {
				case tar.TypeReg:
					want = append(want, whole(h.Name, content, uint32(h.Mode)))
				case tar.TypeLink, tar.TypeSymlink:
					want = append(want, File{Name: h.Name, Link: h.Linkname, Mode: uint32(h.Mode)})
				}
			}
			add(tar.Header{Typeflag: tar.TypeDir, Name: "d/", Mode: 0o755}, "")
			add(tar.Header{Typeflag: tar.TypeReg, Name: "d/empty", Mode: 0o600}, "")
			add(tar.Header{Typeflag: tar.TypeReg, Name: "d/exact", Mode: 0o4755}, strings.Repeat("x", 512))
			add(tar.Header{Typeflag: tar.TypeReg, Name: "d/more", Mode: 0o644}, strings.Repeat("y", 70001))
			add(tar.Header{Typeflag: tar.TypeReg, Name: middle, Mode: 0o644}, "prefix")
			add(tar.Header{Typeflag: tar.TypeSymlink, Name: "link", Linkname: "d/more", Mode: 0o777}, "")
			add(tar.Header{Typeflag: tar.TypeLink, Name: "hard", Linkname: "d/more", Mode: 0o644}, "")
			add(tar.Header{Typeflag: tar.TypeFifo, Name: "fifo", Mode: 0o644}, "")
			if format != tar.FormatUSTAR {
				add(tar.Header{Typeflag: tar.TypeReg, Name: long, Mode: 0o644}, "long")
				add(tar.Header{Typeflag: tar.TypeSymlink, Name: long + "2", Linkname: long, Mode: 0o777}, "")
				add(tar.Header{Typeflag: tar.TypeReg, Name: "späß\n", Mode: 0o644}, "unicode")
			}
			if format == tar.FormatPAX {
				if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "c", "path": "wrong"}}); err != nil {
					t.Fatal(err)
				}
			}
			add(tar.Header{Typeflag: tar.TypeReg, Name: "last", Mode: 0o644}, "last")
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			watchAll(t, b.Bytes(), want)
			// What follows the end of an archive is none of it: tar pads to its record size.
			watchAll(t, append(b.Bytes(), make([]byte, 4096)...), want)
		})
	}
}

// TestTarProgram: archives that the tar program writes of real files.
func TestTarProgram(t *testing.T) {
	program, err := exec.LookPath("tar")
	if err != nil {
		t.Skip("no tar")
	}
	dir := t.TempDir()
	contents := map[string]string{"a": "", "b/c": strings.Repeat("0123456789", 20000), "b/" + strings.Repeat("n", 90): "x"}
	deep := strings.Repeat("sub/", 40) + "deep"
	for name, content := range contents {
		write(t, filepath.Join(dir, name), content)
	}
	for _, format := range []string{"v7", "ustar", "oldgnu", "gnu", "posix"} {
		t.Run(format, func(t *testing.T) {
			names := []string{"a", "b"}
			var want []File
			for name, content := range contents {
				want = append(want, whole(name, content, 0o640))
			}
			if format != "v7" && format != "ustar" {
				write(t, filepath.Join(dir, deep), "deep")
				names = append(names, "sub")
				want = append(want, whole(deep, "deep", 0o640))
			}
			out, err := exec.Command(program, append([]string{"--format=" + format, "-C", dir, "-cf", "-"}, names...)...).Output()
			if err != nil {
				t.Fatal(err)
			}
			got := watch(t, out, 4096, Stdin)
			sort.Slice(got, func(i, k int) bool { return got[i].Name < got[k].Name })
			sort.Slice(want, func(i, k int) bool { return want[i].Name < want[k].Name })
			for i := range want {
				want[i].Upload = true
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("files are\n%s\nwant\n%s", show(got), show(want))
			}
		})
	}
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, 0o640); err != nil { // whatever the umask is
		t.Fatal(err)
	}
}

// TestTarSparse: of a file with holes the name and the size are told, and what follows it is read on.
func TestTarSparse(t *testing.T) {
	program, err := exec.LookPath("tar")
	if err != nil {
		t.Skip("no tar")
	}
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range int64(40) { // more parts than a header has room for
		if _, err := f.WriteAt(bytes.Repeat([]byte("data"), 1024), i<<20); err != nil {
			t.Fatal(err)
		}
	}
	info, err := f.Stat()
	if err == nil {
		err = errors.Join(f.Chmod(0o640), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "tail"), "tail")
	for _, format := range [][]string{{"--format=gnu"}, {"--format=posix"}, {"--format=posix", "--sparse-version=0.0"}, {"--format=posix", "--sparse-version=0.1"}} {
		t.Run(strings.Join(format, ""), func(t *testing.T) {
			out, err := exec.Command(program, append(format, "-S", "-C", dir, "-cf", "-", "sparse", "tail")...).Output()
			if err != nil {
				t.Fatal(err)
			}
			if len(out) > 1<<20 {
				t.Skip("the file system has no holes")
			}
			watchAll(t, out, []File{{Name: "sparse", Size: info.Size(), Mode: 0o640, Sparse: true}, whole("tail", "tail", 0o640)})
		})
	}
}

// archive is two files in ustar.
func archive(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range []string{"one", "two"} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: 1000, Format: tar.FormatUSTAR}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(bytes.Repeat([]byte{name[0]}, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestTarCut: of an archive that ends too early, all that was complete is reported, and that a file was not.
func TestTarCut(t *testing.T) {
	one, two := whole("one", strings.Repeat("o", 1000), 0o644), whole("two", strings.Repeat("t", 1000), 0o644)
	half := File{Name: "two", Size: 1000, Mode: 0o644, Cut: true}
	all := archive(t)
	for end, want := range map[int][]File{
		0: nil, 511: nil, 512 + 1000: {one}, 512 + 1024 + 100: {one}, 512 + 1024 + 512: {one, half}, 512 + 1024 + 512 + 999: {one, half},
		512 + 1024 + 512 + 1000: {one, two}, len(all): {one, two},
	} {
		watchAll(t, all[:end], want)
	}
}

// TestTarRefused: what is no tar, or becomes none, is left alone, without another try.
func TestTarRefused(t *testing.T) {
	one := whole("one", strings.Repeat("o", 1000), 0o644)
	all := archive(t)
	second := 512 + 1024
	patch := func(at int, octets string) []byte {
		b := bytes.Clone(all)
		copy(b[at:], octets)
		return b
	}
	sum := func(b []byte, at int) []byte {
		copy(b[at+148:], "        ")
		n := 0
		for _, c := range b[at : at+512] {
			n += int(c)
		}
		copy(b[at+148:], fmt.Sprintf("%06o\x00 ", n))
		return b
	}
	for _, test := range []struct {
		name   string
		stream []byte
		want   []File
	}{
		{"text", []byte(strings.Repeat("total 12\n", 400)), nil},
		{"zeros", make([]byte, 4096), nil},
		{"archive-behind-text", append([]byte("$ tar c\n"), all...), nil},
		{"archive-behind-a-block", append(bytes.Repeat([]byte("x"), 512), all...), nil},
		{"wrong-checksum", patch(second, "TWO"), []File{one}},
		{"size-that-is-none", sum(patch(second+124, "0000000x000"), second), []File{one}},
		{"negative-size", sum(patch(second+124, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), second), []File{one}},
		{"huge-size", sum(patch(second+124, "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff"), second), []File{one}},
		{"huge-long-name", sum(patch(second+156, "L"), second)[:second+512], []File{one}},
		{"no-name", sum(patch(second, "\x00\x00\x00"), second), []File{one}},
		{"zeros-between", append(append(bytes.Clone(all[:second]), make([]byte, 512)...), all[second:]...), []File{one}},
	} {
		t.Run(test.name, func(t *testing.T) { watchAll(t, test.stream, test.want) })
	}
	records := func(records string) []byte {
		h := bytes.Clone(all[:512])
		copy(h[124:], fmt.Sprintf("%011o\x00", len(records)))
		h[156] = 'x'
		padded := append([]byte(records), make([]byte, -len(records)&511)...)
		return append(append(sum(h, 0), padded...), all...)
	}
	for _, bad := range []string{
		"x", "8 path=a", "99 path=a\n", "4 =\n", "5 ab\n", "-9 path=a\n", "13 size=-123\n", "12 size=0x1\n", "23 GNU.sparse.size=1e2\n",
		"28 size=9223372036854775807\n",
	} {
		watchAll(t, records(bad), nil)
	}
	two := whole("two", strings.Repeat("t", 1000), 0o644)
	watchAll(t, records("9 path=a\n16 comment=a=\n\n\n"), []File{whole("a", strings.Repeat("o", 1000), 0o644), two})

	long := bytes.Clone(all[:512])
	copy(long[124:], "00000400000\x00") // 128 KiB, with a type for long names
	long[156] = 'L'
	watchAll(t, append(sum(long, 0), bytes.Repeat([]byte("n"), 1<<17)...), nil)
}

// TestTarOnlyWithoutTerminal: a terminal changes octets, an attach is not a command, and directions don't mix.
func TestTarOnlyWithoutTerminal(t *testing.T) {
	for _, info := range []*Info{{Kind: KindExec, TTY: true}, {Kind: KindAttach}, {Kind: KindPortForward}} {
		f := NewFiles(info, func(f *File) { t.Errorf("%+v reports %s", info, f.Name) })
		if err := f.Event(&Event{Type: Stdout, Data: archive(t)}); err != nil {
			t.Error(err)
		}
	}
	f := NewFiles(&Info{Kind: KindExec}, func(f *File) { t.Errorf("stderr or two streams mixed report %s", f.Name) })
	a := archive(t)
	for i := 0; i < len(a); i += 256 {
		for _, e := range []Event{{Type: Stderr, Data: a[i : i+256]}, {Type: []EventType{Stdin, Stdout}[i/256%2], Data: a[i : i+256]}} {
			if err := f.Event(&e); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestTarContent: the content can be kept.
func TestTarContent(t *testing.T) {
	kept := map[string]*bytes.Buffer{}
	f := NewFiles(&Info{Kind: KindExec}, func(*File) {})
	f.Content = func(f *File) io.Writer {
		if f.Name == "one" {
			return nil
		}
		kept[f.Name] = new(bytes.Buffer)
		return kept[f.Name]
	}
	if err := f.Event(&Event{Type: Stdin, Data: archive(t)}); err != nil {
		t.Fatal(err)
	}
	g := NewFiles(&Info{Kind: KindExec}, func(f *File) {
		if !f.Hashed {
			t.Errorf("where the content can't be kept the digest of %s is missing", f.Name)
		}
	})
	g.Content = func(*File) io.Writer { return fullDisk{} }
	if err := g.Event(&Event{Type: Stdin, Data: archive(t)}); err != nil {
		t.Fatal(err)
	}
	if len(kept) != 1 || kept["two"].String() != strings.Repeat("t", 1000) {
		t.Errorf("kept are %v", kept)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errDiskFull }

// TestCapturedCopies: kubectl cp in both directions, through a whole session.
func TestCapturedCopies(t *testing.T) {
	var got []string
	for _, c := range captures(t) {
		info, err := recognise(t, c.Request, c.Response)
		if err != nil {
			t.Fatal(err)
		}
		files := NewFiles(info, func(f *File) {
			got = append(got, fmt.Sprintf("%s %s %d %v %v", f.Direction(), f.Name, f.Size, f.Hashed, f.Cut))
		})
		sink := new(collector)
		s, err := New(info, Config{Sink: tee{sink, files}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := play(s, c.segments(t)); err != nil {
			t.Fatal(err)
		}
		if sink.lines()[0] != "started" {
			t.Error("a watcher takes the place of a recording")
		}
	}
	want := []string{"download f2.txt 5 true false", "upload f2.txt 5 true false"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("files are %q, want %q", got, want)
	}
}

// TestTarNoise: whatever comes, the watcher neither panics nor keeps much, and agrees with archive/tar on what both take.
func TestTarNoise(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	base := archive(t)
	for range 2000 {
		b := bytes.Clone(base)
		for range 1 + rng.IntN(3) {
			b[rng.IntN(len(b))] ^= byte(1 << rng.IntN(8))
		}
		mine := watch(t, b, 1+rng.IntN(1000), Stdout)
		if again := watch(t, b, 1+rng.IntN(1000), Stdout); !reflect.DeepEqual(mine, again) {
			t.Fatalf("pieces matter: %s, %s", show(mine), show(again))
		}
		var theirs []File
		r := tar.NewReader(bytes.NewReader(b))
		for h, err := r.Next(); err == nil; h, err = r.Next() {
			content, err := io.ReadAll(r)
			if err != nil || h.Typeflag != tar.TypeReg {
				break
			}
			theirs = append(theirs, whole(h.Name, string(content), uint32(h.Mode)&0o7777))
		}
		for i := range min(len(mine), len(theirs)) {
			if !reflect.DeepEqual(mine[i], theirs[i]) {
				t.Fatalf("file %d is %s, to archive/tar %s", i, show(mine[i:i+1]), show(theirs[i:i+1]))
			}
		}
	}
}

// tee gives each event to all the sinks in turn, up to the first that does not take it.
type tee []Sink

func (t tee) Event(e *Event) error {
	for _, sink := range t {
		if err := sink.Event(e); err != nil {
			return err
		}
	}
	return nil
}
