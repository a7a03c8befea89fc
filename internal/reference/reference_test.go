package reference

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

type settings struct {
	Listen []string `yaml:"listen"`
	TLS    struct {
		pair  `yaml:",inline"`
		Other []pair `yaml:"other"`
	} `yaml:"tls"`
	Wait time.Duration `yaml:"wait"`
	Deep bool          `yaml:"deep"`
}

type pair struct {
	CertFile string `yaml:"certFile"`
	Level    int    `yaml:"level"`
}

const sample = `# A file for a test.
#
# Not this: a key

# Where to listen.
listen: ":8443"

# Certificates,
# of all kinds.
tls:
  certFile: /etc/x.crt   # with its chain # and more
  # level: 0
  # other:               # further ones
  #   - certFile: ""     # a | b
  #     level: 3
  #   - certFile: again  # not shown
# wait: 2m  # at most
# deep: false
`

func formats() map[reflect.Type]Format {
	return map[reflect.Type]Format{
		reflect.TypeFor[time.Duration](): {Name: "duration", Text: func(v any) string { return v.(time.Duration).String() }},
	}
}

func TestKeys(t *testing.T) {
	keys, err := Keys(sample, settings{Listen: []string{":1", ":2"}, Wait: time.Minute}, formats())
	want := []Key{
		{Path: "listen", Type: "list of texts", Default: ":1, :2", Text: "Where to listen", Example: `":8443"`, Set: true},
		{Path: "tls", Text: "Certificates, of all kinds", Set: true},
		{Path: "tls.certFile", Type: "file name", Text: "with its chain # and more", Example: "/etc/x.crt", Set: true},
		{Path: "tls.level", Type: "number", Default: "0", Example: "0"},
		{Path: "tls.other", Text: "further ones"},
		{Path: "tls.other[].certFile", Type: "file name", Text: "a | b", Example: `""`},
		{Path: "tls.other[].level", Type: "number", Default: "0", Example: "3"},
		{Path: "wait", Type: "duration", Default: "1m0s", Text: "at most", Example: "2m"},
		{Path: "deep", Type: "true or false", Default: "false", Example: "false"},
	}
	if err != nil || !reflect.DeepEqual(keys, want) {
		t.Errorf("Keys = %v\n%+v\nwant\n%+v", err, keys, want)
	}
}

// What the file and the code don't agree on can't be documented.
func TestKeysDisagree(t *testing.T) {
	for _, row := range []struct{ name, from, to, want string }{
		{"missing", "# deep: false\n", "", "lacks the key deep"},
		{"missing-in-list", "  #     level: 3\n", "", "lacks the key tls.other[].level"},
		{"unknown", "# deep:", "# depth: 1\n# deep:", "has the key depth"},
		{"elsewhere", "# wait:", "#   wait:", "lacks the key wait"},
		{"no-key", "# wait:", "wait for it\n# wait:", "neither a key nor a comment"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := Keys(strings.Replace(sample, row.from, row.to, 1), settings{}, formats())
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("Keys = %v, want an error with %q", err, row.want)
			}
		})
	}
	if _, err := Keys("x: 1\n", struct {
		X float64 `yaml:"x"`
	}{}, nil); err == nil || !strings.Contains(err.Error(), "float64") {
		t.Errorf("Keys of a type without a format = %v", err)
	}
}

func TestMarkdown(t *testing.T) {
	keys, err := Keys(sample, settings{}, formats())
	if err != nil {
		t.Fatal(err)
	}
	got := Markdown(keys)
	for _, want := range []string{
		"\n## listen\n\nWhere to listen.\n\n| key |",
		"| `listen` | list of texts |  | example: \":8443\" |\n",
		"| `tls.other[].certFile` | file name |  | a \\| b |\n",
		"| `tls.other[].level` | number | `0` | example: 3 |\n",
		"\n## wait\n\nat most.\n",
		"| `wait` | duration | `0s` | example: 2m |\n",
		"\n## deep\n\n| key |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("Markdown lacks %q:\n%s", want, got)
		}
	}
}
