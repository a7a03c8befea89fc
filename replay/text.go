package replay

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Printable returns s with everything that a terminal would obey, or that would
// make it show a text in another order, spelled out as in a Go string. It is for
// one line: line feeds are spelled out too.
func Printable(s string) string {
	if strings.IndexFunc(s, unprintable) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\ufffd"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !unprintable(r):
			b.WriteRune(r)
		case r < 0x80:
			b.WriteString(controlName(r))
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	return b.String()
}

func controlName(r rune) string {
	switch r {
	case '\n':
		return `\n`
	case '\r':
		return `\r`
	case '\t':
		return `\t`
	}
	return fmt.Sprintf(`\x%02x`, r)
}

// unprintable tells whether r is a control, a line separator or a format
// character, among which are those that reverse the order of a text. The joiner
// of emoji is none of them.
func unprintable(r rune) bool {
	const joiner = '\u200d'
	return unicode.IsControl(r) || r != joiner && unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// Clock returns a time since the start as 1:02.345 or 1:00:02.345.
func Clock(d time.Duration) string {
	millis := d.Milliseconds()
	seconds, minutes, hours := millis/1000%60, millis/60_000%60, millis/3_600_000
	if hours > 0 {
		return fmt.Sprintf("%d:%02d:%02d.%03d", hours, minutes, seconds, millis%1000)
	}
	return fmt.Sprintf("%d:%02d.%03d", minutes, seconds, millis%1000)
}

// length is Clock for a column: rounded to seconds.
func length(seconds float64) string {
	text := Clock((time.Duration(seconds * float64(time.Second))).Round(time.Second))
	return strings.TrimSuffix(text, ".000")
}

// size returns octets as people say them.
func size(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, prefix := float64(n)/unit, 0
	for value >= unit {
		value /= unit
		prefix++
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTPE"[prefix])
}
