package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spliceway/spliceway/record"
)

func TestGrep(t *testing.T) {
	second := time.Second
	for _, row := range []struct {
		name, pattern string
		outputs       []output
		want          []string
	}{
		{"none", "x", typed(0, "abc"), nil},
		{"typed", "delete", append([]output{{0, "$ "}}, typed(second, "kubectl delete ns")...), []string{"0:02.300 $ kubectl delete ns"}},
		{"corrected", "delete ns", typed(0, "dele\b \btete ns"), nil},
		{"corrected-well", "delete ns", typed(0, "delt\b \bete ns"), []string{"0:01.200 delete ns"}},
		{"escapes-between", "password", []output{{0, "pass\x1b[31mwo\x1b[0m\x1b]0;x\ard"}}, []string{"0:00.000 password"}},
		{"not-in-escapes", "title", []output{{0, "\x1b]0;title\atext"}}, nil},
		{"twice", "rm -r", []output{{0, "$ rm -r a\r\n"}, {second, "$ rm -r a\r\n"}}, []string{"0:00.000 $ rm -r a", "0:01.000 $ rm -r a"}},
		{"overwritten-at-once", "secret", []output{{0, "secret\r      \r"}}, []string{"0:00.000 secret"}},
		{"cleared-at-once", "secret", []output{{0, "secret\x1b[H\x1b[2J"}}, []string{"0:00.000 secret"}},
		{"removed-at-once", "secret", []output{{0, "secXXret\x1b[1;4H\x1b[2P\x1b[2K"}}, []string{"0:00.000 secret"}},
		{"progress", "load", []output{{0, "load 1%"}, {second, "\rload 2%"}, {2 * second, "\rload 3%"}}, []string{"0:00.000 load 3%"}},
		{"wrapped", "one two", []output{{0, strings.Repeat("-", 36) + "one two"}}, []string{"0:00.000 " + strings.Repeat("-", 36) + "one two"}},
		{"wrapped-at-blank", "one two", []output{{0, strings.Repeat("-", 36) + "one two three"}}, []string{"0:00.000 " + strings.Repeat("-", 36) + "one two three"}},
		{"wrapped-and-scrolled", "^start.*end$", []output{{0, "\r\n\r\n\r\n\r\n\r\nstart" + strings.Repeat("-", 100) + "end"}}, []string{"0:00.000 start" + strings.Repeat("-", 100) + "end"}},
		{"repainted", "busy", []output{{0, "\x1b[?1049h\x1b[Hbusy"}, {second, "\x1b[H\x1b[2Jbusy"}, {2 * second, "\x1b[H\x1b[Jbusy"}}, []string{"0:00.000 busy"}},
		{"scrolled-far", "^7$", []output{{0, "1\r\n2\r\n3\r\n4\r\n5\r\n6\r\n7\r\n8\r\n9\r\n10\r\n11\r\n12\r\n13\r\n14\r\n"}}, []string{"0:00.000 7"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			matches, err := Grep(t.Context(), opened(t, recorded(t, record.V3, row.outputs...)), regexp.MustCompile(row.pattern), 0)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, m := range matches {
				got = append(got, fmt.Sprintf("%s %s", Clock(m.Time), m.Line))
			}
			if !slices.Equal(got, row.want) {
				t.Errorf("found are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(row.want, "\n"))
			}
		})
	}
}

func TestGrepContext(t *testing.T) {
	matches, err := Grep(t.Context(), opened(t, recorded(t, record.V2, output{0, "above\r\nbelow\x1b[2;1H\x1b[Lhere"})), regexp.MustCompile("here"), 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(matches) != 1 || matches[0].Before[0] != "above" || matches[0].After[0] != "below" {
		t.Errorf("found is %+v", matches)
	}
}

// impatient is a context that is done when it was asked some times.
type impatient struct {
	context.Context
	left *int
}

func (c impatient) Err() error {
	if *c.left--; *c.left < 0 {
		return context.Canceled
	}
	return nil
}

// One output can keep an emulator busy for hours. Who looks at it can end that.
func TestInterruptedWithinOutput(t *testing.T) {
	found := recorded(t, record.V3, output{0, strings.Repeat("x\x1bc", 1000)})
	const asked = 10
	for name, look := range map[string]func(context.Context) error{
		"grep": func(ctx context.Context) error {
			_, err := Grep(ctx, opened(t, found), regexp.MustCompile("x"), 0)
			return err
		},
		"cat": func(ctx context.Context) error { return Transcript(ctx, io.Discard, opened(t, found)) },
	} {
		left := asked
		if err := look(impatient{t.Context(), &left}); !errors.Is(err, context.Canceled) || left != -1 {
			t.Errorf("%s = %v when it was told %d times more than once, want it to end at the first", name, err, -1-left)
		}
	}
}
