package replay

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/spliceway/spliceway/record"
)

func transcript(t testing.TB, outputs ...output) string {
	t.Helper()
	var b strings.Builder
	if err := Transcript(t.Context(), &b, opened(t, recorded(t, record.V2, outputs...))); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTranscript(t *testing.T) {
	for _, row := range []struct{ name, in, want string }{
		{"lines", "a\r\n\r\nb\r\n", "a\n\nb\n"},
		{"scrolled", "1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\r\n8\r\n", "1\n2\n3\n4\n5\n6\n7\n8\n"},
		{"corrected", "kubectl gte\b\b\bget pods\r\n", "kubectl get pods\n"},
		{"coloured", "\x1b[31mred\x1b[0m\r\n", "red\n"},
		{"overwritten", "10%\r20%\r30%\r\n", "30%\n"},
		{"cleared", "secret\r\n\x1b[H\x1b[2J\x1b[3Jrest\r\n", "secret\nrest\n"},
		{"cleared-as-linux-does", "secret\r\n\x1b[H\x1b[Jrest\r\n", "secret\nrest\n"},
		{"reset", "secret\r\n\x1bcrest\r\n", "secret\nrest\n"},
		{"wide", "世界 x\r\n", "世界 x\n"},
		{"not-utf8", "a\xffb\r\n", "a\ufffdb\n"},
		{"hostile", "a\x1b]52;c;eA==\a\x05\u009b6nb\r\n", "ab\n"},
		{"editor", "$ vi\r\n\x1b[?1049h\x1b[2Jtext\x1b[6;1H:q\x1b[?1049l$ \r\n",
			"$ vi\n--- 0:00.000 a program takes the whole screen ---\ntext\n:q\n--- 0:00.000 the program gives it back ---\n$\n"},
		{"pager", "\x1b[?1049h1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\x1b[?1049l",
			"--- 0:00.000 a program takes the whole screen ---\n1\n2\n3\n4\n5\n6\n7\n--- 0:00.000 the program gives it back ---\n"},
		{"alternate-twice", "\x1b[?1049h\x1b[?1049ha\x1b[?1049l\x1b[?1049lb",
			"--- 0:00.000 a program takes the whole screen ---\na\n--- 0:00.000 the program gives it back ---\nb\n"},
		{"margins-below", "\x1b[1;99r1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\r\n", "1\n2\n3\n4\n5\n6\n7\n"},
		{"questions", "\x1b[c\x1b[6n\x1b[?2048h\x1b]11;?\adone\r\n", "done\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := transcript(t, output{0, row.in}); got != row.want {
				t.Errorf("the transcript of %q is\n%s\nwant\n%s", row.in, got, row.want)
			}
		})
	}
}

// A character that comes in two events is one.
func TestTranscriptSplitCharacter(t *testing.T) {
	if got := transcript(t, output{0, "gr\xc3"}, output{time.Second, "\xbc\xc3"}, output{2 * time.Second, "\x9fe"}); got != "grüße\n" {
		t.Errorf("the transcript is %q, want grüße", got)
	}
}

func TestScreenResize(t *testing.T) {
	var gone []string
	s := newScreen(20, 6)
	s.gone = func(line string) { gone = append(gone, line) }
	for _, e := range []record.Event{
		{Code: 'o', Text: []byte("1\r\n2\r\n3\r\n4\r\n5\r\n$ ")}, {Code: 'r', Text: []byte("10x3")}, {Code: 'o', Text: []byte("x")},
		{Code: 'r', Text: []byte("bad")}, {Code: 'r', Text: []byte("65535x65535")},
	} {
		if s.event(&e); s.err != nil {
			t.Fatal(s.err)
		}
	}
	if got := strings.Join(gone, ","); got != "1,2,3" {
		t.Errorf("gone are %q, want 1,2,3", got)
	}
	if got := s.row(2); got != "$ x" {
		t.Errorf("row 2 is %q, want the prompt", got)
	}
	if s.cols != maxCols || s.rows != maxRows {
		t.Errorf("the screen has %d columns and %d rows", s.cols, s.rows)
	}
}

// Whatever came before, a line that is printed then is seen.
func FuzzScreen(f *testing.F) {
	for _, row := range filterRows {
		f.Add(row.in, uint16(80), uint16(24))
	}
	f.Add("\x1b[1;999r\x1b[999B", uint16(80), uint16(24))
	f.Add("\x1b[99;99H\x1b7", uint16(30), uint16(3))
	f.Fuzz(func(t *testing.T, garbage string, cols, rows uint16) {
		const marker = "MARKER-4711"
		s := newScreen(80, 24)
		var gone []string
		seen := false
		s.gone = func(line string) { gone = append(gone, line) }
		s.seen = func(touched []int) {
			for _, y := range touched {
				seen = seen || strings.Contains(s.row(y), marker)
			}
		}
		cols, rows = 20+cols%100, 1+rows%50
		for _, e := range []record.Event{
			{Code: 'o', Text: []byte(garbage)},
			{Code: 'r', Text: []byte(sizeText(cols, rows))},
			{Code: 'o', Text: []byte(garbage)},
			{Code: 'o', Text: []byte("\x18\x1b[4l\x0f\x1b(B\r\n\x1b[K" + marker + "\r\n")},
		} {
			if s.event(&e); s.err != nil {
				t.Fatal(s.err)
			}
		}
		if !seen {
			t.Fatalf("behind %q the marker was not seen", garbage)
		}
		s.leave()
		if !strings.Contains(strings.Join(gone, "\n"), marker) {
			t.Fatalf("behind %q the marker is not in the transcript", garbage)
		}
	})
}

func sizeText(cols, rows uint16) string { return fmt.Sprintf("%dx%d", cols, rows) }

// A fault of the emulator ends the look at one recording, not the program.
func TestEmulatorPanics(t *testing.T) {
	s := newScreen(80, 24)
	s.seen = func([]int) { panic("a fault") }
	s.event(&record.Event{Time: time.Second, Code: 'o', Text: []byte("text")})
	if !errors.Is(s.err, ErrEmulator) || !strings.Contains(s.err.Error(), "at 0:01.000: a fault") {
		t.Errorf("the error is %v, want ErrEmulator with time and fault", s.err)
	}
}
