package replay

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spliceway/spliceway/record"
)

// A file by another program: comments, other codes, numbers in other forms.
const foreign = `{"version": 2, "width": 90, "height": 20, "timestamp": 1773064931, "title": "</script><script>alert(1)</script>", "env": {"TERM": "xterm"}}
[0.5, "o", "a\u001b[31mb"]
[1, "i", "x"]
[1.25, "r", "100x50"]
this is no event
[2.000001, "m", "here"]
[3, "o", "end`

func cast(t *testing.T, r *record.Reader, version record.Format) string {
	t.Helper()
	var b bytes.Buffer
	if err := WriteCast(&b, r, version); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestWriteCast(t *testing.T) {
	const title = `"timestamp":1773064931,"title":"</script><script>alert(1)</script>"}`
	for version, want := range map[record.Format]string{
		record.V2: `{"version":2,"width":90,"height":20,` + title + `
[0.500000,"o","a\u001b[31mb"]
[1.000000,"i","x"]
[1.250000,"r","100x50"]
[2.000001,"m","here"]
[3.000000,"o","end"]
`,
		record.V3: `{"version":3,"term":{"cols":90,"rows":20},` + title + `
[0.500000,"o","a\u001b[31mb"]
[0.500000,"i","x"]
[0.250000,"r","100x50"]
[0.750001,"m","here"]
[0.999999,"o","end"]
`,
	} {
		r, err := record.NewReader(strings.NewReader(foreign))
		if err != nil {
			t.Fatal(err)
		}
		got := cast(t, r, version)
		if got != want {
			t.Errorf("as version %d it is\n%s\nwant\n%s", version, got, want)
		}
		// There and back.
		r, err = record.NewReader(strings.NewReader(got))
		if err != nil {
			t.Fatal(err)
		}
		if again := cast(t, r, version); again != got {
			t.Errorf("read again it is\n%s\nand was\n%s", again, got)
		}
	}
}

// Standard error and the exit status are kept from version 3 to 2 and back.
func TestWriteCastOurs(t *testing.T) {
	const ours = `{"version":3,"term":{"cols":80,"rows":24},"spliceway":{"id":"x","tty":false}}
[0.000000,"o","out\r\n"]
[0.000000,"s","stderr"]
[1.000000,"o","err\r\n"]
[0.000000,"s","stdout"]
[1.000000,"o","out\r\n"]
[0.000000,"x","7"]
`
	r, err := record.NewReader(strings.NewReader(ours))
	if err != nil {
		t.Fatal(err)
	}
	got := cast(t, r, record.V3)
	// The reader says of an output where it came from; when that was said is lost.
	want := strings.NewReplacer(`[0.000000,"s","stderr"]`+"\n"+`[1.000000`, `[1.000000,"s","stderr"]`+"\n"+`[0.000000`,
		`[0.000000,"s","stdout"]`+"\n"+`[1.000000`, `[1.000000,"s","stdout"]`+"\n"+`[0.000000`).Replace(ours)
	if got != want {
		t.Errorf("it is\n%s\nwant\n%s", got, want)
	}
	if r, err = record.NewReader(strings.NewReader(ours)); err != nil {
		t.Fatal(err)
	}
	if got := cast(t, r, record.V2); !strings.HasSuffix(got, "\n[2.000000,\"m\",\"exit status 7\"]\n") {
		t.Errorf("as version 2 it is\n%s", got)
	}
}

// A page has three scripts and data, whatever the recording says.
func TestWritePage(t *testing.T) {
	r, err := record.NewReader(strings.NewReader(foreign))
	if err != nil {
		t.Fatal(err)
	}
	meta := &record.Metadata{Session: record.Session{User: `<img src=x onerror="alert(1)">`, Command: []string{"</td></table><script>"}}}
	var b strings.Builder
	if err := writePage(&b, r, meta, 2*time.Second, []byte("PLAYER"), []byte("STYLE")); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	for what, want := range map[string]int{"<script": 4, "</script": 4, "<img": 0, "</table": 1, "<title": 1} {
		if got := strings.Count(page, what); got != want {
			t.Errorf("the page has %d times %s, want %d:\n%s", got, what, want, page)
		}
	}
	for _, want := range []string{
		"<script>PLAYER</script>", "<style>STYLE</style>", `"idleTimeLimit": 2}`, "default-src 'none'; script-src 'sha256-",
		"<title>&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;</title>", "&lt;img src=x onerror=&#34;alert(1)&#34;&gt;",
		digest([]byte("PLAYER")), digest([]byte(pageScript)),
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	data := regexp.MustCompile(`id="cast">([A-Za-z0-9+/=]*)</script>`).FindStringSubmatch(page)
	if data == nil {
		t.Fatal("the page has no recording")
	}
	text, err := base64.StdEncoding.DecodeString(data[1])
	if err != nil || !strings.HasSuffix(string(text), "[3.000000,\"o\",\"end\"]\n") {
		t.Errorf("the recording in the page is %q, %v", text, err)
	}
}

func TestWritePageRefusesPlayer(t *testing.T) {
	for _, player := range []string{"a</ScRipt>b", "<!-- <script>", "</style>"} {
		r, err := record.NewReader(strings.NewReader(foreign))
		if err != nil {
			t.Fatal(err)
		}
		if err := writePage(new(strings.Builder), r, nil, 0, []byte(player), nil); err == nil {
			t.Errorf("a player with %q is taken", player)
		}
	}
}

func TestWriteHTML(t *testing.T) {
	r, err := record.NewReader(strings.NewReader(foreign))
	if err != nil {
		t.Fatal(err)
	}
	err = WriteHTML(new(strings.Builder), r, nil, 0)
	if has := len(playerScript) > 0; has && err != nil || !has && !errors.Is(err, ErrNoPlayer) {
		t.Errorf("WriteHTML = %v, and the player has %d octets", err, len(playerScript))
	}
}

// Whatever a copied file is called, what is saved of it stays in the directory.
func TestSaveFiles(t *testing.T) {
	recordings := t.TempDir()
	store, err := record.Open(record.Config{Dir: recordings, KeepFiles: true})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	r, err := store.Start(record.Session{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"../../../etc/passwd", "/", "..", "a\x1b[2Jb", strings.Repeat("x", 5000), "same", "same"}
	wanted := []string{"0001-download-passwd", "0002-download-", "0003-download-..", "0004-download-a__2Jb",
		"0005-download-" + strings.Repeat("x", 100), "0006-download-same", "0007-download-same"}
	var transfers []record.Transfer
	for _, name := range names {
		content := r.Keep("download")
		if _, err := io.WriteString(content, name); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256([]byte(name))
		offset, _ := content.End(true)
		transfers = append(transfers, record.Transfer{
			Name: name, Direction: "download", Size: int64(len(name)), SHA256: hex.EncodeToString(sum[:]), Offset: &offset,
		})
	}
	if err := r.Close(record.End{Transfers: transfers}); err != nil {
		t.Fatal(err)
	}
	found, err := record.Find(recordings, r.ID())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var saved []string
	err = SaveFiles(dir, found, func(name string, _ *record.Transfer) error {
		saved = append(saved, name)
		return nil
	})
	if err != nil || !slices.Equal(saved, wanted) {
		t.Fatalf("SaveFiles saves %q, %v, want %q", saved, err, wanted)
	}
	for i, name := range wanted {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != names[i] {
			t.Errorf("%s has %q, %v", name, got, err)
		}
	}
	if err := SaveFiles(dir, found, func(string, *record.Transfer) error { return nil }); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the second SaveFiles = %v, want that the files are there", err)
	}
}
