package record

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"
)

func restOf(t *testing.T, reader *Reader) []Event {
	t.Helper()
	var events []Event
	for {
		e, err := reader.Next()
		if err == io.EOF {
			return events
		}
		if err != nil {
			t.Fatalf("Next: %v", err)
		}
		e.Text = append([]byte(nil), e.Text...)
		events = append(events, e)
	}
}

// The expectations of these tests are written by hand after the specifications
// of asciicast, versions 2 and 3 (docs.asciinema.org/manual/asciicast).

func TestRecorderVersion2(t *testing.T) {
	s := openStore(t, t.TempDir(), nil)
	session := alice()
	session.ID = "01kk9f1z00abcdefghjkmnpqrs"
	session.Cols, session.Rows = 100, 30
	r := s.start(session)
	must(t, r.Output(250*time.Millisecond, []byte("\x1b[1;31mHello\x1b[0m \"w\\rld\"\r\n\t\x00\x7f")))
	must(t, r.Resize(time.Second, 120, 40))
	must(t, r.Output(1500001*time.Microsecond, []byte("größe 漢字 😀")))
	must(t, r.Mark(2*time.Second, "the token ends in 60 s"))
	must(t, r.Exit(2500*time.Millisecond, 3))
	must(t, r.Close(End{}))

	const want = `{"version":2,"width":100,"height":30,"timestamp":1773057600,` +
		`"command":"sh -c 'echo '\\''hi'\\'''","title":"alice exec prod/default/web-0/app",` +
		`"spliceway":{"id":"01kk9f1z00abcdefghjkmnpqrs","tty":true}}
[0.25,"o","\u001b[1;31mHello\u001b[0m \"w\\rld\"\r\n\t\u0000` + "\x7f" + `"]
[1.0,"r","120x40"]
[1.500001,"o","größe 漢字 😀"]
[2.0,"m","the token ends in 60 s"]
[2.5,"m","exit status 3"]
`
	if got := readFile(t, r.path()); got != want {
		t.Errorf("the .cast is\n%s\nwant\n%s", got, want)
	}
	if m, err := ReadMetadata(r.path()); err != nil || m.Exit == nil || *m.Exit != 3 || m.Duration != 2.5 {
		t.Errorf("metadata: exit %v, duration %v, want 3, 2.5", m.Exit, m.Duration)
	}
}

func TestRecorderVersion3(t *testing.T) {
	s := openStore(t, t.TempDir(), func(cfg *Config) { cfg.Format = V3 })
	session := alice()
	session.ID = "01kk9f1z00abcdefghjkmnpqrs"
	r := s.start(session)
	must(t, r.Output(250*time.Millisecond, []byte("a")))
	must(t, r.Resize(time.Second, 120, 40))
	must(t, r.Output(1500001*time.Microsecond, []byte("b")))
	must(t, r.Exit(3*time.Second, 0))
	must(t, r.Close(End{Cause: "the token has ended"}))

	const want = `{"version":3,"term":{"cols":80,"rows":24},"timestamp":1773057600,` +
		`"command":"sh -c 'echo '\\''hi'\\'''","title":"alice exec prod/default/web-0/app",` +
		`"spliceway":{"id":"01kk9f1z00abcdefghjkmnpqrs","tty":true}}
[0.25,"o","a"]
[0.75,"r","120x40"]
[0.500001,"o","b"]
[1.499999,"x","0"]
[0.0,"m","the token has ended"]
`
	if got := readFile(t, r.path()); got != want {
		t.Errorf("the .cast is\n%s\nwant\n%s", got, want)
	}
}

func TestRecorderWithoutTerminal(t *testing.T) {
	s := openStore(t, t.TempDir(), nil)
	session := alice()
	session.TTY = false
	r := s.start(session)
	must(t, r.Output(0, []byte("a\nb\r\nc\n\n\r")))
	must(t, r.Output(0, []byte("\nd")))
	must(t, r.ErrorOutput(1, []byte("e\n")))
	must(t, r.ErrorOutput(1, []byte("f\n")))
	must(t, r.Output(1, []byte("g")))
	must(t, r.Close(End{}))
	const want = `[0.0,"o","a\r\nb\r\r\nc\r\n\r\n\r"]
[0.0,"o","\r\nd"]
[0.0,"s","stderr"]
[0.0,"o","e\r\n"]
[0.0,"o","f\r\n"]
[0.0,"s","stdout"]
[0.0,"o","g"]
`
	cast := readFile(t, r.path())
	if got := withoutHeader(t, cast); got != want {
		t.Errorf("the events are\n%s\nwant\n%s", got, want)
	}
	var out, errs string
	for _, e := range readAll(t, cast) {
		text := string(AppendOctets(nil, e.Text, true))
		if e.Stderr {
			errs += text
		} else {
			out += text
		}
	}
	if out != "a\nb\r\nc\n\n\r\ndg" || errs != "e\nf\n" {
		t.Errorf("stdout %q, stderr %q, want what was given", out, errs)
	}
}

func TestRecorderInvalidOctets(t *testing.T) {
	s := openStore(t, t.TempDir(), nil)
	r := s.start(alice())
	// An octet that begins nothing, an overlong form, a surrogate, a character
	// that is the form of an octet, one that is no longer completed.
	must(t, r.Output(0, []byte("a\xffb")))
	must(t, r.Output(0, []byte("\xc0\xaf\xed\xa0\x80")))
	must(t, r.Output(0, []byte("\uec80\uecff\uec7f\ued00")))
	must(t, r.Output(0, []byte("z\xe6\xbc")))
	must(t, r.Close(End{}))
	want := `[0.0,"o","a` + "\uecff" + `b"]
[0.0,"o","` + "\uecc0\uecaf\ueced\ueca0\uec80" + `"]
[0.0,"o","` + "\uecee\uecb2\uec80" + "\uecee\uecb3\uecbf" + "\uec7f\ued00" + `"]
[0.0,"o","z"]
[0.0,"u","` + "\uece6\uecbc" + `"]
[0.0,"o","` + "\uece6\uecbc" + `"]
`
	cast := readFile(t, r.path())
	if got := withoutHeader(t, cast); got != want {
		t.Errorf("the events are\n%q\nwant\n%q", got, want)
	}
	if got := octets(t, cast); got != "a\xffb\xc0\xaf\xed\xa0\x80\uec80\uecff\uec7f\ued00z\xe6\xbc" {
		t.Errorf("octets %q, want what was given", got)
	}
}

// octets returns the output of a .cast as it came.
func octets(t *testing.T, cast string) string {
	t.Helper()
	reader, err := NewReader(strings.NewReader(cast))
	must(t, err)
	var out []byte
	for _, e := range restOf(t, reader) {
		if e.Code == 'o' {
			out = AppendOctets(out, e.Text, reader.Header.CRAdded)
		}
	}
	return string(out)
}

func TestRecorderRunesSplitEverywhere(t *testing.T) {
	s := openStore(t, t.TempDir(), nil)
	const text = "aé漢😀\u0301z\xf0\x9f\x98\xe6\xbcé"
	want := "aé漢😀\u0301z\uecf0\uec9f\uec98\uece6\uecbcé"
	for first := 0; first <= len(text); first++ {
		for second := first; second <= len(text); second++ {
			r := s.start(alice())
			for _, part := range []string{text[:first], text[first:second], text[second:]} {
				must(t, r.Output(0, []byte(part)))
			}
			must(t, r.Close(End{}))
			var got string
			for _, e := range readAll(t, readFile(t, r.path())) {
				if len(e.Text) == 0 || e.Code != 'o' {
					t.Errorf("cut at %d and %d: an event without text", first, second)
				}
				got += string(e.Text)
			}
			if got != want {
				t.Fatalf("cut at %d and %d: text %q, want %q", first, second, got, want)
			}
		}
	}
}

func TestRecorderRunesOfTwoStreams(t *testing.T) {
	s := openStore(t, t.TempDir(), nil)
	session := alice()
	session.TTY = false
	r := s.start(session)
	must(t, r.Output(0, []byte("\xe6")))
	must(t, r.ErrorOutput(0, []byte("\xc3")))
	must(t, r.Output(0, []byte("\xbc\xa2")))
	must(t, r.ErrorOutput(0, []byte("\xa9")))
	must(t, r.Close(End{}))
	const want = `[0.0,"u","` + "\uece6" + `"]
[0.0,"s","stderr"]
[0.0,"u","` + "\uecc3" + `"]
[0.0,"s","stdout"]
[0.0,"o","漢"]
[0.0,"s","stderr"]
[0.0,"o","é"]
`
	if got := withoutHeader(t, readFile(t, r.path())); got != want {
		t.Errorf("the events are\n%s\nwant\n%s", got, want)
	}
}

func TestRecorderTimesNeverGoBack(t *testing.T) {
	for _, format := range []Format{V2, V3} {
		s := openStore(t, t.TempDir(), func(cfg *Config) { cfg.Format = format })
		r := s.start(alice())
		must(t, r.Output(3*time.Second, []byte("a")))
		must(t, r.Output(2*time.Second, []byte("b")))
		must(t, r.Output(4*time.Second, []byte("c")))
		must(t, r.Close(End{}))
		events := readAll(t, readFile(t, r.path()))
		want := []time.Duration{3 * time.Second, 3 * time.Second, 4 * time.Second}
		for i, e := range events {
			if e.Time != want[i] {
				t.Errorf("version %d: event %d at %v, want %v", format, i, e.Time, want[i])
			}
		}
	}
}

func TestRecorderGather(t *testing.T) {
	s := openStore(t, t.TempDir(), nil)
	r := s.start(alice())
	before := readFile(t, r.path())
	r.Gather()
	for _, part := range []string{"l", "s", "\xe6\xbc", "\xa2", "!"} {
		must(t, r.Output(time.Second, []byte(part)))
	}
	must(t, r.Resize(time.Second, 10, 20))
	must(t, r.Output(2*time.Second, []byte("x")))
	if got := readFile(t, r.path()); got != before {
		t.Errorf("before Flush there is %q", got)
	}
	must(t, r.Flush())
	const want = `[1.0,"o","ls漢!"]
[1.0,"r","10x20"]
[2.0,"o","x"]
`
	if got := withoutHeader(t, readFile(t, r.path())); got != want {
		t.Errorf("after Flush the events are\n%s\nwant\n%s", got, want)
	}
	must(t, r.Close(End{}))
}

func TestRecorderResizePassesOverZerosAndTheSame(t *testing.T) {
	s := openStore(t, t.TempDir(), nil)
	r := s.start(alice())
	must(t, r.Resize(0, 80, 24))
	must(t, r.Resize(0, 0, 24))
	must(t, r.Resize(0, 65535, 1))
	must(t, r.Resize(0, 65535, 1))
	must(t, r.Close(End{}))
	if got := withoutHeader(t, readFile(t, r.path())); got != "[0.0,\"r\",\"65535x1\"]\n" {
		t.Errorf("the events are %q", got)
	}
}

func TestRecorderLongOutputIsBoundedInMemory(t *testing.T) {
	s := openStore(t, t.TempDir(), nil)
	r := s.start(alice())
	long := strings.Repeat("0123456789abcdef\n", 1<<16) // more than 1 MiB
	must(t, r.Output(0, []byte(long)))
	if n := cap(r.enc.buf); n > 512<<10 {
		t.Errorf("the buffer has %d octets", n)
	}
	must(t, r.Close(End{}))
	if octets(t, readFile(t, r.path())) != long {
		t.Error("the octets are not those that were given")
	}
}

// TestEveryLineIsJSON has the lines read by another parser.
func TestEveryLineIsJSON(t *testing.T) {
	s := openStore(t, t.TempDir(), nil)
	r := s.start(alice())
	all := make([]byte, 0, 3*256)
	for i := range 256 {
		all = append(all, byte(i), 'x', byte(255-i))
	}
	must(t, r.Output(0, all))
	must(t, r.Mark(0, string(all)))
	must(t, r.Close(End{Cause: "a\x1b\"\\\n\xff"}))
	cast := readFile(t, r.path())
	for line := range strings.Lines(withoutHeader(t, cast)) {
		var event []any
		if err := json.Unmarshal([]byte(line), &event); err != nil || len(event) != 3 {
			t.Errorf("%q is no event: %v", line, err)
		}
		for _, e := range readAll(t, "{\"version\":2,\"width\":1,\"height\":1}\n"+line) {
			if string(e.Text) != event[2] {
				t.Errorf("text %q, want %q", e.Text, event[2])
			}
		}
	}
	if octets(t, cast) != string(all) {
		t.Error("the octets are not those that were given")
	}
}
