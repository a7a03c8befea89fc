package replay

import (
	"testing"
	"time"
)

func TestPrintable(t *testing.T) {
	for _, row := range []struct{ name, in, want string }{
		{"text", "grüße 世界 👩‍💻", "grüße 世界 👩‍💻"},
		{"escape", "\x1b]52;c;eA==\a", `\x1b]52;c;eA==\x07`},
		{"c1", "\u009b31m", `\u009b31m`},
		{"lines", "a\r\n\tb", `a\r\n\tb`},
		{"order", "user\u202etxt", `user\u202etxt`},
		{"separator", "a\u2028b", `a\u2028b`},
		{"tag", "a\U000e0041", `a\U000e0041`},
		{"not-utf8", "a\xffb\ufffd", `a\xffb` + "\ufffd"},
	} {
		if got := Printable(row.in); got != row.want {
			t.Errorf("%s: Printable(%q) = %q, want %q", row.name, row.in, got, row.want)
		}
	}
}

func TestClock(t *testing.T) {
	for in, want := range map[time.Duration]string{
		0: "0:00.000", 62345 * time.Millisecond: "1:02.345", time.Hour + 2*time.Second: "1:00:02.000",
	} {
		if got := Clock(in); got != want {
			t.Errorf("Clock(%v) = %s, want %s", in, got, want)
		}
	}
}

func TestSize(t *testing.T) {
	for in, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 5 << 30: "5.0 GiB"} {
		if got := size(in); got != want {
			t.Errorf("size(%d) = %s, want %s", in, got, want)
		}
	}
}
