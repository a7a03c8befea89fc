package replay

import (
	"testing"
)

// filtered returns what passes of a text that comes in two parts.
func filtered(first, second string) string {
	var s splitter
	var f filter
	var dst []byte
	take := func(t *token) { dst = f.appendToken(dst, t) }
	s.feed([]byte(first), take)
	s.feed([]byte(second), take)
	return string(dst)
}

var filterRows = []struct{ name, in, want string }{
	{"text", "hello, wörld 世界", "hello, wörld 世界"},
	{"controls", "a\a\b\t\n\v\f\r\x0e\x0fb", "a\a\b\t\n\v\f\r\x0e\x0fb"},
	{"answerback", "a\x05b\x00c\x7fd", "abcd"},
	{"not-utf8", "a\xff\xc3(b", "a\ufffd\ufffd(b"},
	{"colours", "\x1b[1;38:2::255:0:0m\x1b[m", "\x1b[1;38:2::255:0:0m\x1b[m"},
	{"movement", "\x1b[H\x1b[2;3H\x1b[A\x1b[10C", "\x1b[H\x1b[2;3H\x1b[A\x1b[10C"},
	{"erase", "\x1b[J\x1b[1J\x1b[2J\x1b[K", "\x1b[J\x1b[1J\x1b[2J\x1b[K"},
	{"erase-what-scrolled-away", "a\x1b[3Jb", "ab"},
	{"alternate-screen", "\x1b[?1049h\x1b[?1049l", "\x1b[?1049h\x1b[?1049l"},
	{"modes-among-others", "\x1b[?25;1000;1049h", "\x1b[?25h\x1b[?1049h"},
	{"mouse", "\x1b[?1000h\x1b[?1002;1003;1006h", ""},
	{"mouse-highlight", "\x1b[1;1;1;1;9T\x1b[2T", "\x1b[2T"},
	{"margins-left-and-right", "\x1b[1;9s\x1b[s", "\x1b[s"},
	{"paste-and-focus", "\x1b[?2004h\x1b[?1004h", ""},
	{"132-columns", "\x1b[?3h", ""},
	{"keyboard-lock", "\x1b[2h\x1b[4h", "\x1b[4h"},
	{"keyboard-protocol", "\x1b[>1u\x1b[=5u\x1b[>4;2m", ""},
	{"clipboard", "a\x1b]52;c;ZXZpbA==\ab\x1b]52;c;ZXZpbA==\x1b\\c", "abc"},
	{"title", "a\x1b]0;x\a\x1b]2;y\x1b\\b", "ab"},
	{"link", "\x1b]8;;http://evil\x1b\\text\x1b]8;;\x1b\\", "text"},
	{"palette", "\x1b]4;1;rgb:ff/ff/ff\a\x1b]11;?\a", ""},
	{"title-report", "\x1b[21t\x1b[8;1;1t", ""},
	{"device-reports", "\x1b[c\x1b[>c\x1b[=c\x1b[5n\x1b[6n\x1b[?6n\x1b[x\x1b[>q\x1bZ", ""},
	{"mode-and-checksum-reports", "\x1b[?25$p\x1b[1;1;1;1;1;1*y", ""},
	{"print", "\x1b[5i\x1b[?5i", ""},
	{"dcs", "a\x1bP$qm\x1b\\b\x1bPq#0~~\x1b\\c", "abc"},
	{"bell-does-not-end-dcs", "a\x1bPx\ab\x1b\\c", "ac"},
	{"apc-pm-sos", "a\x1b_Gf=1;x\x1b\\b\x1b^x\x1b\\c\x1bXx\x1b\\d", "abcd"},
	{"c1-csi", "a\u009b31mb\u009b6nc", "a\x1b[31mbc"},
	{"c1-osc", "a\u009d52;c;eA==\u009cb", "ab"},
	{"c1-octets", "a\x9d52;c;eA==\x9cb", "a\ufffd52;c;eA==\ufffdb"},
	{"cancelled", "a\x1b[31\x18mb\x1b]0;x\x1ac", "ambc"},
	{"esc-in-string", "a\x1b]0;x\x1b[31mb", "a\x1b[31mb"},
	{"esc-in-sequence", "\x1b[3\x1b[1mb", "\x1b[1mb"},
	{"control-in-sequence", "\x1b[1\rmb", "\r\x1b[1mb"},
	{"text-in-sequence", "\x1b[1é2", "é2"},
	{"huge-parameter", "\x1b[99999999999999999999A", "\x1b[9999A"},
	{"huge-repeat", "x\x1b[2147483647b", "x\x1b[500b"},
	{"huge-colour", "\x1b[38;5;99999m", ""},
	{"endless-sequence", "\x1b[1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1;1Hx", "x"},
	{"charsets", "\x1b(0\x1b)B\x1b*U\x1b%G", "\x1b(0\x1b)B"},
	{"keypad", "\x1b=\x1b>", ""},
	{"soft-reset", "\x1b[!p", "\x1b[!p"},
	{"full-reset", "\x1bc", softReset},
	{"cursor-shape", "\x1b[5 q", "\x1b[5 q"},
	{"margins", "\x1b[2;5r\x1b[r", "\x1b[2;5r\x1b[r"},
	{"side-margins", "\x1b[?69h\x1b[2;5s\x1b[s\x1b[u", "\x1b[s\x1b[u"},
	{"save-modes", "\x1b[?1000s\x1b[?1000r", ""},
	{"decaln", "\x1b#8\x1b#3", "\x1b#8"},
}

func TestFilter(t *testing.T) {
	for _, row := range filterRows {
		t.Run(row.name, func(t *testing.T) {
			for i := range len(row.in) + 1 {
				if got := filtered(row.in[:i], row.in[i:]); got != row.want {
					t.Fatalf("of %q and %q passes %q, want %q", row.in[:i], row.in[i:], got, row.want)
				}
			}
		})
	}
}

// What has passed passes again, in any two pieces: it has no other meaning to
// one who reads it anew.
func FuzzFilter(f *testing.F) {
	for _, row := range filterRows {
		f.Add(row.in, 1)
	}
	f.Fuzz(func(t *testing.T, in string, cut int) {
		once := filtered(in, "")
		if cut > 0 && cut < len(in) {
			if got := filtered(in[:cut], in[cut:]); got != once {
				t.Fatalf("of %q passes %q, in pieces %q", in, once, got)
			}
		}
		if twice := filtered(once, ""); twice != once {
			t.Fatalf("of %q passes %q, and of that %q", in, once, twice)
		}
	})
}

// A terminal gets back what the filter let be changed.
func TestFilterEnd(t *testing.T) {
	for _, row := range []struct{ name, in, want string }{
		{"nothing", "", ""},
		{"alternate-screen", "\x1b[?1049h", "\x1b[?1049l"},
		{"alternate-screen-left", "\x1b[?1049h\x1b[?1049l", ""},
		{"origin", "\x1b[?6h", "\x1b[?6l\x1b[999;1H"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var s splitter
			var f filter
			s.feed([]byte(row.in), func(tok *token) { f.appendToken(nil, tok) })
			var fresh filter
			want := row.want + string(fresh.appendEnd(nil))
			if got := string(f.appendEnd(nil)); got != want {
				t.Errorf("the end of %q is %q, want %q", row.in, got, want)
			}
		})
	}
}
