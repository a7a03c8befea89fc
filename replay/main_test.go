package replay

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/spliceway/spliceway/internal/testnet"
	"github.com/spliceway/spliceway/record"
)

func TestMain(m *testing.M) { testnet.Main(m) }

// start is when the sessions of the tests started.
var start = time.Date(2026, 3, 9, 14, 2, 11, 0, time.UTC)

// output is what a session wrote at some time.
type output struct {
	at   time.Duration
	text string
}

// recorded has package record make a recording with a terminal of 40 columns and
// 6 rows, and returns it.
func recorded(t testing.TB, format record.Format, outputs ...output) *record.Recording {
	t.Helper()
	dir := t.TempDir()
	store, err := record.Open(record.Config{Dir: dir, Format: format})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	r, err := store.Start(record.Session{
		Started: start, Kind: "exec", User: "ann", Cluster: "prod", Namespace: "default", Pod: "web-0",
		Command: []string{"bash"}, TTY: true, Cols: 40, Rows: 6,
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var last time.Duration
	for _, o := range outputs {
		if err := r.Output(o.at, []byte(o.text)); err != nil {
			t.Fatal(err)
		}
		last = o.at
	}
	if err := r.Exit(last, 3); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(record.End{}); err != nil {
		t.Fatal(err)
	}
	found, err := record.Find(dir, r.ID())
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// opened opens a recording until the end of the test.
func opened(t testing.TB, found *record.Recording) *record.Reader {
	t.Helper()
	file, err := record.OpenFile(found.Path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file.Reader
}

// typed returns the outputs of somebody typing a text, a key in 100 ms.
func typed(at time.Duration, text string) []output {
	var all []output
	for _, c := range strings.Split(text, "") {
		all = append(all, output{at, c})
		at += 100 * time.Millisecond
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
