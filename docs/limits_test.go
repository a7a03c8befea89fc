package docs

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var (
	limitRow = regexp.MustCompile("(?m)^\\| `([a-z]+\\.[A-Za-z]+)` \\| `([^`]*)` \\| [^|]+ \\| ([^|]+) \\| `[^`|]+` \\|$")
	keyRow   = regexp.MustCompile("(?m)^\\| `((?:limits|timeouts)\\.[A-Za-z]+)` \\| [a-z]+ \\| `[^`]*` \\|")
	series   = regexp.MustCompile("`([a-z_]+)({[^}]*})?`")
	label    = regexp.MustCompile(`([a-z]+)="([^"]*)"`)
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Each limit and each deadline of the configuration has its row in supported.md, with
// the default that is in force and a counter that there is.
func TestLimits(t *testing.T) {
	configuration, metrics := read(t, "configuration.md"), read(t, "metrics.md")
	rows := make(map[string]bool)
	for _, row := range limitRow.FindAllStringSubmatch(read(t, "supported.md"), -1) {
		key, value, counters := row[1], row[2], row[3]
		rows[key] = true
		if !regexp.MustCompile("(?m)^\\| `" + regexp.QuoteMeta(key) + "` \\| [a-z]+ \\| `" + value + "` \\|").MatchString(configuration) {
			t.Errorf("%s has not the default %s", key, value)
		}
		for _, counter := range series.FindAllStringSubmatch(counters, -1) {
			_, section, there := strings.Cut(metrics, "## spliceway_"+counter[1]+"\n")
			section, _, _ = strings.Cut(section, "\n## ")
			for _, l := range label.FindAllStringSubmatch(counter[2], -1) {
				there = there && regexp.MustCompile("(?m)^\\| `"+l[1]+"` \\|.* `"+l[2]+"` ").MatchString(section)
			}
			if !there {
				t.Errorf("%s is counted by %s, which is not there", key, counter[0])
			}
		}
	}
	for _, key := range keyRow.FindAllStringSubmatch(configuration, -1) {
		if !rows[key[1]] {
			t.Errorf("%s has no row", key[1])
		}
	}
	if len(rows) < 25 {
		t.Errorf("%d rows were read", len(rows))
	}
}
