package record

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"
)

// foreign is a file that asciinema could have made, with the white space,
// escapes and comments that it may have.
const foreign = `{"version": 3, "term": {"cols": 100, "rows": 30, "type": "xterm"}, "timestamp": 1504467315, "title": "Demo", "env": {"A": "b"}}
# a comment
[0.248, "o", "a\/\u00e9\ud83d\ude00\ud83d!\b\f\n\r\t\"\\\u001b"]

 [ 1 , "r" , "90x30" ]
[1e-3, "i", "é"]
[0.5, "zoom", ""]
[0, "x", "0"]
`

func TestReaderForeignFile(t *testing.T) {
	reader, err := NewReader(strings.NewReader(foreign))
	must(t, err)
	if h := reader.Header; h.Version != V3 || h.Cols != 100 || h.Rows != 30 || h.Title != "Demo" || h.CRAdded || h.Torn {
		t.Errorf("header %+v", h)
	}
	want := []Event{
		{Time: 248 * time.Millisecond, Code: 'o', Text: []byte("a/é😀\ufffd!\b\f\n\r\t\"\\\x1b")},
		{Time: 1248 * time.Millisecond, Code: 'r', Text: []byte("90x30")},
		{Time: 1249 * time.Millisecond, Code: 'i', Text: []byte("é")},
		{Time: 1749 * time.Millisecond, Code: 'z', Text: []byte("")},
		{Time: 1749 * time.Millisecond, Code: 'x', Text: []byte("0")},
	}
	got := restOf(t, reader)
	if len(got) != len(want) {
		t.Fatalf("%d events, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i].Time != want[i].Time || got[i].Code != want[i].Code || string(got[i].Text) != string(want[i].Text) || got[i].Torn {
			t.Errorf("event %d: %+v (%q), want %+v (%q)", i, got[i], got[i].Text, want[i], want[i].Text)
		}
	}
}

// TestReaderCutEverywhere wants of a file that is cut the events before the cut
// and the beginning of the one in which it is.
func TestReaderCutEverywhere(t *testing.T) {
	for cut := range len(foreign) + 1 {
		got := readAll(t, foreign[:cut])
		whole := readAll(t, foreign)
		if len(got) > len(whole) {
			t.Fatalf("cut at %d: %d events", cut, len(got))
		}
		for i, e := range got {
			last := i == len(got)-1
			if e.Time != whole[i].Time || e.Code != whole[i].Code ||
				!e.Torn && string(e.Text) != string(whole[i].Text) ||
				e.Torn && (!last || !strings.HasPrefix(string(whole[i].Text), string(e.Text))) {
				t.Errorf("cut at %d: event %d is %+v (%q)", cut, i, e, e.Text)
			}
		}
		if lines := strings.Count(foreign[:cut], "]\n"); len(got) < lines {
			t.Errorf("cut at %d: %d events, %d lines are whole", cut, len(got), lines)
		}
	}
}

func TestReaderPieces(t *testing.T) {
	for name, r := range map[string]io.Reader{
		"one-octet": iotest.OneByteReader(strings.NewReader(foreign)),
		"data-err":  iotest.DataErrReader(strings.NewReader(foreign)),
		"half":      iotest.HalfReader(strings.NewReader(foreign)),
	} {
		reader, err := NewReader(r)
		must(t, err)
		if n := len(restOf(t, reader)); n != 5 {
			t.Errorf("%s: %d events, want 5", name, n)
		}
	}
	reader, err := NewReader(io.MultiReader(strings.NewReader(foreign), iotest.ErrReader(os.ErrPermission)))
	must(t, err)
	for err == nil {
		_, err = reader.Next()
	}
	if !errors.Is(err, os.ErrPermission) {
		t.Errorf("Next: %v, want the error of the reader", err)
	}
}

func TestReaderRefuses(t *testing.T) {
	for _, file := range []string{"{\"version\":1}\n", "{\"version\":4}\n", "hello\n", "[]\n", "\n"} {
		if _, err := NewReader(strings.NewReader(file)); !errors.Is(err, ErrFormat) {
			t.Errorf("NewReader(%q): %v, want ErrFormat", file, err)
		}
	}
	for _, line := range []string{
		`{}`, `[]`, `[1,"o"]`, `["1","o","a"]`, `[-1,"o","a"]`, `[1e300,"o","a"]`, `[NaN,"o","a"]`, `[1,"","a"]`,
		`[1,"o",1]`, `[1,"o","a" x]`, `[1,"o","\x"]`, `[1,"o","\u00zz"]`, "[1,\"o\",\"\x01\"]", `[1,"o","a"`, `[1,"o","a`, `x`,
	} {
		reader, err := NewReader(strings.NewReader(plainHeader(V2) + line + "\n[2,\"o\",\"b\"]\n"))
		must(t, err)
		if e, err := reader.Next(); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %+v, %v, want ErrFormat", line, e, err)
		}
		if e, err := reader.Next(); err != nil || string(e.Text) != "b" {
			t.Errorf("behind %s: %+v, %v, want the next event", line, e, err)
		}
	}
}

func TestReaderLongLines(t *testing.T) {
	long := strings.Repeat("漢字", 100_000)
	events := readAll(t, plainHeader(V2)+`[1,"o","`+long+`"]`+"\n"+`[2,"o","b"]`+"\n")
	if len(events) != 2 || string(events[0].Text) != long || string(events[1].Text) != "b" {
		t.Errorf("%d events, the first of %d octets", len(events), len(events[0].Text))
	}
}

func TestFollow(t *testing.T) {
	s := openStore(t, t.TempDir(), nil)
	r := s.start(alice())
	must(t, r.Output(0, []byte("a")))
	f, err := Follow(t.Context(), r.path())
	must(t, err)
	defer f.Close()
	texts := make(chan string)
	go func() {
		for {
			e, err := f.Next()
			if err != nil {
				texts <- err.Error()
				return
			}
			texts <- string(e.Text)
		}
	}()
	for i, want := range []string{"a", "b", "c"} {
		if i > 0 {
			must(t, r.Output(0, []byte(want)))
		}
		if got := <-texts; got != want {
			t.Errorf("event %d is %q, want %q", i, got, want)
		}
	}
	must(t, r.Close(End{Cause: "done"}))
	if first, second := <-texts, <-texts; first != "done" || second != io.EOF.Error() {
		t.Errorf("at the end: %q, %q, want the cause and EOF", first, second)
	}
}

func TestFollowUntilContextEnds(t *testing.T) {
	s := openStore(t, t.TempDir(), nil)
	r := s.start(alice())
	ctx, cancel := context.WithCancel(t.Context())
	f, err := Follow(ctx, r.path())
	must(t, err)
	defer f.Close()
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := f.Next(); !errors.Is(err, context.Canceled) {
		t.Errorf("Next: %v, want Canceled", err)
	}
	must(t, r.Close(End{}))
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, nil)
	var ids []string
	for i, change := range []func(*Session){
		func(s *Session) {},
		func(s *Session) { s.User, s.Groups = "bob", []string{"ops", "sre"} },
		func(s *Session) { s.Cluster, s.Namespace = "stage", "team-a" },
		func(s *Session) { s.Pod, s.Kind = "db-1", "attach" },
		func(s *Session) { s.Command = []string{"cat", "/etc/Shadow"} },
	} {
		session := alice()
		session.Started = noon.AddDate(0, 0, i)
		change(&session)
		r := s.start(session)
		ids = append(ids, r.ID())
		if i < 4 {
			must(t, r.Close(End{Cause: "as it should"}))
		}
	}
	must(t, os.WriteFile(dir+"/2026/03/notes.txt", nil, 0o600))
	must(t, os.MkdirAll(dir+"/2026/03/extra/09", 0o700))
	for _, c := range []struct {
		name   string
		filter Filter
		want   []int
	}{
		{"all", Filter{}, []int{0, 1, 2, 3, 4}},
		{"since", Filter{Since: noon.AddDate(0, 0, 3)}, []int{3, 4}},
		{"until", Filter{Until: noon.AddDate(0, 0, 3)}, []int{0, 1, 2}},
		{"day", Filter{Since: noon.Add(time.Hour), Until: noon.Add(25 * time.Hour)}, []int{1}},
		{"user", Filter{User: "bob"}, []int{1}},
		{"user-glob", Filter{User: "*l*"}, []int{0, 2, 3, 4}},
		{"group", Filter{Group: "sre"}, []int{1}},
		{"cluster", Filter{Cluster: "stage"}, []int{2}},
		{"namespace", Filter{Namespace: "team-*"}, []int{2}},
		{"pod", Filter{Pod: "db-*"}, []int{3}},
		{"kind", Filter{Kind: "attach"}, []int{3}},
		{"state", Filter{State: StateOpen}, []int{4}},
		{"command", Filter{Command: "CAT /etc/shadow"}, []int{4}},
		{"text", Filter{Text: "as IT should"}, []int{0, 1, 2, 3}},
		{"two", Filter{User: "alice", Pod: "db-*"}, []int{3}},
		{"none", Filter{User: "carol"}, nil},
	} {
		var got []string
		for r, err := range List(dir, c.filter) {
			must(t, err)
			got = append(got, r.ID)
		}
		var want []string
		for _, i := range c.want {
			want = append(want, ids[i])
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: %v, want %v", c.name, got, want)
		}
	}
	if r, err := Find(dir, ids[2][:12]); err != nil || r.ID != ids[2] {
		t.Errorf("Find: %v, %v", r, err)
	}
	if _, err := Find(dir, "0"); !errors.Is(err, ErrAmbiguous) {
		t.Errorf("Find of several: %v", err)
	}
	if _, err := Find(dir, "zzz"); !errors.Is(err, ErrNotFound) {
		t.Errorf("Find of none: %v", err)
	}
}

func TestIDs(t *testing.T) {
	previous := ""
	for i := range 1000 {
		at := noon.Add(time.Duration(i) * time.Hour)
		id := NewID(at)
		if got, err := idTime(id); err != nil || !got.Equal(at) || id <= previous {
			t.Fatalf("NewID(%v) = %q, of %v, %v; before it %q", at, id, got, err, previous)
		}
		previous = id
	}
	for _, id := range []string{"", "x", strings.Repeat("u", idLength), strings.Repeat("/", idLength), strings.Repeat("0", 27)} {
		if _, err := idTime(id); !errors.Is(err, errID) {
			t.Errorf("idTime(%q): %v, want errID", id, err)
		}
	}
}

// FuzzText has any octets, in pieces of any sizes, on one stream or both, become the
// text that package unicode/utf8 finds in all of them at once, and come back as they
// were, also those that only the file remembers at the end.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"", "a\nb\r\n", "é漢😀", "\xff\xfe\xed\xa0\x80", "\uec80\uecff\uec7f", "\xee\xb2", "\x00\x1b[0m\"\\", "\xf0\x9f\x98x\xe2\x82"} {
		f.Add([]byte(seed), []byte{1}, true)
		f.Add([]byte(seed), []byte{2, 0x81, 3}, false)
	}
	f.Fuzz(func(t *testing.T, p, cuts []byte, tty bool) {
		e := newEncoder(V2, tty)
		var sent [2][]byte
		for rest := p; len(rest) > 0; {
			n, s := len(rest), stdout
			if len(cuts) > 0 {
				n, s = min(n, int(cuts[0]&0x7f)), stream(cuts[0]>>7)
				cuts = cuts[1:]
			}
			e.output(0, s, rest[:n])
			if n%2 == 0 {
				e.note() // as a write does
				e.closeEvent()
			}
			sent[s], rest = append(sent[s], rest[:n]...), rest[n:]
		}
		e.note()
		e.closeEvent()
		e.carried = readEnd(strings.NewReader(plainHeader(V2) + string(e.buf))).unfinished // as after a kill
		e.giveUp()
		var text, octets [2][]byte
		for _, event := range readAll(t, plainHeader(V2)+string(e.buf)) {
			s := stdout
			if event.Stderr {
				s = stderr
			}
			text[s] = append(text[s], event.Text...)
			octets[s] = AppendOctets(octets[s], event.Text, !tty)
		}
		for s := range sent {
			if want := decoded(sent[s], tty); string(text[s]) != want {
				t.Errorf("%s: text %q, want %q", stream(s), text[s], want)
			}
			if string(octets[s]) != string(sent[s]) {
				t.Errorf("%s: octets %q, want %q", stream(s), octets[s], sent[s])
			}
		}
	})
}

// TestTextOfAnyLength has texts of every kind and length cut where the encoder, which
// looks at several octets at once, changes its way of going through them.
func TestTextOfAnyLength(t *testing.T) {
	kinds := [][]byte{plainFrame(3000), textFrame(3000), wideFrame(3000), binaryFrame(3000), make([]byte, 3000)}
	mixed := slices.Clone(kinds[0])
	for i := 0; i+200 < len(mixed); i += 200 {
		copy(mixed[i:], kinds[1+i/200%4][i:i+i/20]) // longer and longer ones
	}
	for _, p := range append(kinds, mixed) {
		for n := range len(p) {
			if n > 300 && n%16 != 9 && n%1024 > 16 {
				continue
			}
			for _, whole := range [][]byte{p[:n], p[n:min(2*n, len(p))]} {
				got, used := appendText(nil, whole, &addedCR)
				if left := len(whole) - used; left >= utf8.UTFMax || left > 0 && utf8.FullRune(whole[used:]) {
					t.Fatalf("%d octets of %q are left", left, whole)
				}
				text, size, closed, err := unquote(append(got, '"'))
				if want := decoded(whole[:used], false); err != nil || !closed || size != len(got)+1 || string(text) != want {
					t.Fatalf("%q became %q, %v, want %q", whole, text, err, want)
				}
			}
		}
	}
}

// decoded is the text that whole octets have in a recording.
func decoded(p []byte, tty bool) string {
	var text strings.Builder
	for len(p) > 0 {
		r, size := utf8.DecodeRune(p)
		switch {
		case r == utf8.RuneError && size == 1 || r >= 0xec80 && r <= 0xecff:
			for _, c := range p[:size] {
				text.WriteRune(0xec00 + rune(c))
			}
		case r == '\n' && !tty:
			text.WriteString("\r\n")
		default:
			text.WriteRune(r)
		}
		p = p[size:]
	}
	return text.String()
}

// FuzzReader has anything read without a line being taken for two.
func FuzzReader(f *testing.F) {
	f.Add([]byte(foreign))
	f.Add([]byte(plainHeader(V2) + "[1,\"o\",\"a\"]\n[2,\"o\",\"b"))
	f.Fuzz(func(t *testing.T, p []byte) {
		reader, err := NewReader(strings.NewReader(string(p)))
		if err != nil {
			return
		}
		last, events := time.Duration(0), 0
		for {
			e, err := reader.Next()
			if err == io.EOF {
				break
			}
			if err != nil && !errors.Is(err, ErrFormat) {
				t.Fatal(err)
			}
			if err == nil {
				events++
				if reader.Header.Version == V3 && e.Time < last {
					t.Errorf("time %v after %v", e.Time, last)
				}
				last = e.Time
				if len(e.Text) > 3*len(p) {
					t.Errorf("a text of %d octets in a file of %d", len(e.Text), len(p))
				}
			}
		}
		if lines := strings.Count(string(p), "\n") + 1; events >= lines {
			t.Errorf("%d events in %d lines, of which one is the first", events, lines)
		}
	})
}
