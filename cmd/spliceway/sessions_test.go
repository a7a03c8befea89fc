package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spliceway/spliceway/record"
)

// archive is a directory of recordings, with the log of what was printed of them.
type archive struct {
	dir, key string
	log      []byte
	ids      []string
	casts    []string
}

// newArchive makes three recordings: one with a terminal, one without, and a
// hostile one.
func newArchive(t *testing.T) *archive {
	t.Helper()
	var log bytes.Buffer
	a := &archive{dir: t.TempDir()}
	a.key = filepath.Join(a.dir, "seal.pub")
	store, err := record.Open(record.Config{Dir: a.dir, Lines: &log})
	if err != nil {
		t.Fatal(err)
	}
	started := time.Date(2026, 3, 9, 14, 2, 11, 0, time.UTC)
	for i, s := range []struct {
		record.Session
		output string
		exit   int
	}{
		{record.Session{User: "ann", Pod: "web-0", TTY: true, Command: []string{"bash"}}, "$ rm -rf /srv\r\n\x1b[31mdenied\x1b[0m\r\n", 1},
		{record.Session{User: "bob", Pod: "job-7", Command: []string{"ls", "-l"}}, "a\nb\n", 0},
		{record.Session{User: "eve\x1b]0;x\a", Pod: "web-1", TTY: true, Command: []string{"sh"}}, "\x1b]52;c;eA==\ahello\r\n", 0},
	} {
		s.Kind, s.Cluster, s.Namespace = "exec", "prod", "default"
		s.Started = started.Add(time.Duration(i) * time.Hour)
		r, err := store.Start(s.Session, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Output(time.Second, []byte(s.output)); err != nil {
			t.Fatal(err)
		}
		if err := r.Exit(2*time.Second, s.exit); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(record.End{}); err != nil {
			t.Fatal(err)
		}
		found, err := record.Find(a.dir, r.ID())
		if err != nil {
			t.Fatal(err)
		}
		a.ids, a.casts = append(a.ids, r.ID()), append(a.casts, found.Path)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	a.log = log.Bytes()
	return a
}

func TestSessionsList(t *testing.T) {
	a := newArchive(t)
	for _, row := range []struct {
		name  string
		flags []string
		want  []int
	}{
		{"all", nil, []int{0, 1, 2}},
		{"user", []string{"--user", "a*"}, []int{0}},
		{"pod", []string{"--pod", "web-*"}, []int{0, 2}},
		{"command", []string{"--command", "LS -l"}, []int{1}},
		{"text", []string{"--text", "job-7"}, []int{1}},
		{"namespace-and-cluster", []string{"-n", "default", "--cluster", "prod"}, []int{0, 1, 2}},
		{"container", []string{"--container", "x"}, nil},
		{"since", []string{"--since", "2026-03-09T15:00:00Z"}, []int{1, 2}},
		{"until", []string{"--until", "2026-03-09 15:02"}, []int{0}},
		{"since-ago", []string{"--since", "1h"}, nil},
		{"until-ago", []string{"--until", "0d"}, []int{0, 1, 2}},
		{"state", []string{"--state", "recording"}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			lines := strings.Split(succeed(t, "", append([]string{"sessions", "ls", "--dir", a.dir}, row.flags...)...), "\n")
			lines = lines[1 : len(lines)-1]
			if len(lines) != len(row.want) {
				t.Fatalf("listed are\n%s\nwant %v", strings.Join(lines, "\n"), row.want)
			}
			for i, n := range row.want {
				if !strings.HasPrefix(lines[i], a.ids[n]) {
					t.Errorf("line %d is %q, want recording %d", i, lines[i], n)
				}
			}
		})
	}
}

func TestSessionsListJSON(t *testing.T) {
	a := newArchive(t)
	out := succeed(t, "", "sessions", "ls", "--dir", a.dir, "-o", "json")
	var users []string
	for line := range strings.Lines(out) {
		var m struct{ User, Status string }
		if err := json.Unmarshal([]byte(line), &m); err != nil || m.Status != "complete" {
			t.Fatalf("%q: %v", line, err)
		}
		users = append(users, m.User)
	}
	if strings.Join(users, ",") != "ann,bob,eve\x1b]0;x\a" || strings.ContainsRune(out, '\x1b') {
		t.Errorf("users are %q, printed as %q", users, out)
	}
}

// The directory can be that of a configuration.
func TestSessionsConfig(t *testing.T) {
	a := newArchive(t)
	file, dir := goodConfig(t)
	o := execute(t, "", "sessions", "ls", "--config", file)
	if o.code != exitConfig || !strings.Contains(o.stderr, "has no recordings.dir") {
		t.Errorf("without recordings.dir: %+v", o)
	}
	file = write(t, dir, "recording.yaml", gatewayConfig+"recordings: {dir: "+a.dir+"}\n")
	if out := succeed(t, "", "sessions", "ls", "--config", file); !strings.Contains(out, a.ids[0]) {
		t.Errorf("ls --config prints %q", out)
	}
}

// None but play and follow prints what a terminal obeys.
func TestSessionsPrintable(t *testing.T) {
	a := newArchive(t)
	id := a.ids[2]
	for _, args := range [][]string{
		{"ls"}, {"ls", "-o", "wide"}, {"show", id}, {"show", "-o", "json", id}, {"cat", id, a.ids[0]}, {"grep", "hello", id}, {"export", "-f", "text", id},
	} {
		out := succeed(t, "", append([]string{"sessions", "--dir", a.dir}, args...)...)
		if strings.ContainsAny(out, "\x1b\a\x00") || out == "" {
			t.Errorf("sessions %s prints %q", strings.Join(args, " "), out)
		}
	}
	if out := succeed(t, "", "sessions", "play", "--dir", a.dir, "--speed", "1000", id); out != "hello\r\n" {
		t.Errorf("play prints %q", out)
	}
	if out := succeed(t, "", "sessions", "follow", "--dir", a.dir, "--unfiltered", id); out != "\x1b]52;c;eA==\ahello\r\n" {
		t.Errorf("follow --unfiltered prints %q", out)
	}
}

// Neither does anything in metadata that somebody else has made, also not where it is
// part of an error: the recording of these was deleted.
func TestSessionsHostileMetadata(t *testing.T) {
	const evil = "\x1b]0;x\a\u009b31m\u202e"
	a := newArchive(t)
	found, err := record.ReadMetadata(a.casts[0])
	if err != nil {
		t.Fatal(err)
	}
	offset := int64(0)
	m := *found
	m.ID, m.User, m.Pod, m.Kind, m.Cause = evil, evil, evil, evil, evil
	m.Transfers = []record.Transfer{{Name: evil, Direction: evil, SHA256: strings.Repeat("0", 64), Offset: &offset}}
	m.Deletion = &record.Deletion{Reason: evil}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(a.casts[0]); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Dir(a.casts[0]), a.ids[0]+".json", string(text))
	write(t, filepath.Dir(a.casts[1]), a.ids[1]+".json", "{\"state\": \""+evil)
	for _, args := range [][]string{
		{"ls"}, {"ls", "-o", "wide"}, {"ls", "-o", "json"}, {"show", a.casts[0]}, {"show", "-o", "json", a.casts[0]}, {"show", a.casts[1]},
		{"cat", a.casts[0]}, {"play", a.casts[0]}, {"follow", a.casts[0]}, {"grep", "--all", "hello"}, {"export", a.casts[0]},
		{"export", "--files", filepath.Join(t.TempDir(), "files"), a.casts[0]}, {"verify", "--key", a.key, "--all"},
		{"cat", evil}, {"cat", evil + ".cast"},
	} {
		o := execute(t, "", append([]string{"sessions", "--dir", a.dir}, args...)...)
		if out := o.stdout + o.stderr; strings.ContainsAny(out, "\x1b\a\u009b\u202e") || out == "" {
			t.Errorf("sessions %s prints %q", strings.Join(args, " "), out)
		}
	}
}

func TestSessionsCat(t *testing.T) {
	a := newArchive(t)
	if out := succeed(t, "", "sessions", "cat", "--dir", a.dir, a.ids[1]); out != "a\nb\n" {
		t.Errorf("cat prints %q", out)
	}
	if out := succeed(t, "", "sessions", "cat", a.casts[0]); out != "$ rm -rf /srv\ndenied\n" {
		t.Errorf("cat of a file prints %q", out)
	}
}

func TestSessionsGrep(t *testing.T) {
	a := newArchive(t)
	want := a.ids[0] + " 2026-03-09 14:02:11 ann exec prod/default/web-0\n    0:01.000  $ rm -rf /srv\n"
	for _, args := range [][]string{{"--all", "rm +-rf"}, {"-i", "RM", a.ids[0]}, {"--user", "ann", "rm"}} {
		if out := succeed(t, "", append([]string{"sessions", "grep", "--dir", a.dir}, args...)...); out != want {
			t.Errorf("grep %q prints\n%s\nwant\n%s", args, out, want)
		}
	}
	if o := execute(t, "", "sessions", "grep", "--dir", a.dir, "--all", "31m"); o.code != exitRuntime || o.stdout != "" ||
		!strings.Contains(o.stderr, "nothing was found in 3 recordings") {
		t.Errorf("grep for an escape sequence: %+v", o)
	}
}

func TestSessionsExport(t *testing.T) {
	a := newArchive(t)
	stored, err := os.ReadFile(a.casts[0])
	if err != nil {
		t.Fatal(err)
	}
	if out := succeed(t, "", "sessions", "export", "--dir", a.dir, a.ids[0]); out != string(stored) {
		t.Errorf("export prints %q, want the file", out)
	}
	file := filepath.Join(t.TempDir(), "out.cast")
	succeed(t, "", "sessions", "export", "--dir", a.dir, "-f", "v3", "-o", file, a.ids[0])
	if out := succeed(t, "", "sessions", "cat", file); out != "$ rm -rf /srv\ndenied\n" {
		t.Errorf("cat of what was exported prints %q", out)
	}
	if o := execute(t, "", "sessions", "export", "--dir", a.dir, "-o", file, a.ids[0]); o.code != exitRuntime {
		t.Errorf("export over a file: %+v", o)
	}
}

// A binary without the player says how to get one, and leaves no file.
func TestSessionsExportHTML(t *testing.T) {
	a := newArchive(t)
	file := filepath.Join(t.TempDir(), "out.html")
	o := execute(t, "", "sessions", "export", "--dir", a.dir, "-f", "html", "-o", file, a.ids[2])
	page, err := os.ReadFile(file)
	switch {
	case o.code == 0:
		if err != nil || !bytes.Contains(page, []byte("AsciinemaPlayer.create(")) || !bytes.Contains(page, []byte(`<h1>eve\x1b]0;x\x07 exec`)) {
			t.Errorf("the page is %.1000q, %v", page, err)
		}
	case o.code != exitRuntime || !strings.Contains(o.stderr, "hint: make player build") || err == nil:
		t.Errorf("without a player: %+v, and the file has %q", o, page)
	}
}

func TestSessionsVerify(t *testing.T) {
	a := newArchive(t)
	if out := succeed(t, "", "sessions", "verify", "--key", a.key, "--dir", a.dir, "--all"); strings.Count(out, "  ok: all ") != 3 {
		t.Errorf("verify prints %q", out)
	}
	text, err := os.ReadFile(a.casts[1])
	if err != nil {
		t.Fatal(err)
	}
	text[100] ^= 1
	if err := os.WriteFile(a.casts[1], text, 0o600); err != nil {
		t.Fatal(err)
	}
	o := execute(t, "", "sessions", "verify", "--key", a.key, "--dir", a.dir, a.ids[0][:26], a.ids[1], a.casts[2])
	want := a.ids[1] + "  FAILED (altered): octet 100 is the first that is wrong or missing\n"
	if o.code != exitRuntime || !strings.Contains(o.stdout, want) || !strings.Contains(o.stderr, "1 of 3 recordings fail") {
		t.Errorf("of a recording that was altered: %+v", o)
	}
	if err := os.Remove(strings.TrimSuffix(a.casts[2], ".cast") + ".json"); err != nil {
		t.Fatal(err)
	}
	o = execute(t, "", "sessions", "verify", "--key", a.key, a.casts[2])
	if o.code != exitRuntime || !strings.Contains(o.stdout, "FAILED (metadata)") {
		t.Errorf("without metadata: %+v", o)
	}
}

func TestSessionsCollect(t *testing.T) {
	a := newArchive(t)
	dir := filepath.Join(t.TempDir(), "rebuilt")
	file := write(t, t.TempDir(), "gateway.log", "another line\n"+string(a.log))
	if out := succeed(t, "", "sessions", "collect", "--dir", dir, file); strings.Count(out, "  complete: ") != 3 {
		t.Errorf("collect prints %q", out)
	}
	if out := succeed(t, "", "sessions", "verify", "--key", a.key, "--dir", dir, "--all"); strings.Count(out, "  ok: ") != 3 {
		t.Errorf("what was collected is verified as %q", out)
	}
	lines := strings.SplitAfter(string(a.log), "\n")
	o := execute(t, strings.Join(append(lines[:2], lines[3:]...), ""), "sessions", "collect", "--dir", t.TempDir())
	if o.code != exitRuntime || !strings.Contains(o.stdout, "  INCOMPLETE: ") || !strings.Contains(o.stdout, "lines 2 to 2 are missing") ||
		!strings.Contains(o.stderr, "1 of 3 recordings are not complete") {
		t.Errorf("without a line: %+v", o)
	}
}

// Where nothing is listed, no heading stands over the error.
func TestSessionsListNothing(t *testing.T) {
	for _, row := range []struct {
		args       []string
		code       int
		said, hint string
	}{
		{[]string{"ls"}, exitUsage, "where are the recordings?", "--dir"},
		{[]string{"ls", "--dir", filepath.Join(t.TempDir(), "none")}, exitRuntime, "reading the recordings: ", "--dir"},
	} {
		o := execute(t, "", append([]string{"sessions"}, row.args...)...)
		if o.code != row.code || o.stdout != "" || !strings.Contains(o.stderr, row.said) || !strings.Contains(o.stderr, "\nhint: name their directory with "+row.hint) {
			t.Errorf("sessions %s = %+v", strings.Join(row.args, " "), o)
		}
	}
}

func TestSessionsMistakes(t *testing.T) {
	a := newArchive(t)
	for _, row := range []struct {
		args string
		code int
		want string
	}{
		{"ls", exitUsage, "with --dir"},
		{"ls --dir /nonexistent", exitRuntime, "no such file"},
		{"ls --since yesterday", exitUsage, "is not a time"},
		{"ls --since -2h", exitUsage, "is not a time"},
		{"ls --state open", exitUsage, "is not one of recording"},
		{"ls -o yaml", exitUsage, "is not one of wide, json"},
		{"ls extra", exitUsage, "takes no arguments"},
		{"show", exitUsage, "which recording?"},
		{"show 0zzz", exitRuntime, "there is no recording"},
		{"show 0", exitRuntime, "several recordings begin with"},
		{"show /nonexistent/x.cast", exitRuntime, "no such file"},
		{"play a b", exitUsage, "takes 1 recording"},
		{"play --speed 0 a", exitUsage, "must be more than 0"},
		{"cat", exitUsage, "which recording?"},
		{"grep", exitUsage, "say what to search for"},
		{"grep x", exitUsage, "which recordings?"},
		{"grep ( --all", exitUsage, "missing closing"},
		{"export -f gif 0", exitUsage, "is not one of cast"},
		{"verify 0", exitUsage, "key"},
		{"verify --key /nonexistent 0", exitRuntime, "no such file"},
		{"collect", exitRuntime, "the log contains no line of a recording"},
	} {
		args := append([]string{"sessions"}, strings.Fields(row.args)...)
		if row.args != "ls" && !strings.Contains(row.args, "--dir") {
			args = append(args, "--dir", a.dir)
		}
		o := execute(t, "", args...)
		if o.code != row.code || !strings.Contains(o.stderr, row.want) {
			t.Errorf("sessions %s: status %d and %q, want %d and %q", row.args, o.code, o.stderr, row.code, row.want)
		}
	}
}
