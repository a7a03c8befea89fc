package replay

import (
	"bytes"
	"encoding/base64"
	"errors"
	"regexp"
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
