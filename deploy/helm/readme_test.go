package helm

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write values.schema.json, the table of README.md and the copy of the alerts anew")

// The table in the README is made from values.yaml.
func TestReadme(t *testing.T) {
	const begin, end = "<!-- values -->\n", "<!-- end -->"
	file := filepath.Join(chartDir, "README.md")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(text), begin)
	_, tail, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s lacks %q or %q", file, begin, end)
	}
	want := head + begin + table(t) + end + tail
	if string(text) == want {
		return
	}
	if !*update {
		t.Fatalf("the table of %s is not that of values.yaml: make chart", file)
	}
	if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// table has a row for each value, in the order of the file.
func table(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(chartDir, "values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("| value | default | |\n|---|---|---|\n")
	rows(t, &b, "", readSchema(t), document.Content[0])
	return b.String()
}

func rows(t *testing.T, b *strings.Builder, path string, s *schema, mapping *yaml.Node) {
	t.Helper()
	for i := 0; i < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		comment := strings.ReplaceAll(strings.ReplaceAll(key.HeadComment, "# ", ""), "\n", " ")
		property := s.Properties[key.Value]
		group := property.Properties != nil && len(value.Content) > 0
		if !group || comment != "" {
			fmt.Fprintf(b, "| `%s%s` | %s | %s |\n", path, key.Value, defaultText(t, group, value), strings.ReplaceAll(comment, "|", `\|`))
		}
		if group {
			rows(t, b, path+key.Value+".", property, value)
		}
	}
}

// defaultText is a default in one line, if there is one.
func defaultText(t *testing.T, group bool, value *yaml.Node) string {
	t.Helper()
	var v any
	if err := value.Decode(&v); err != nil {
		t.Fatal(err)
	}
	if group || v == "" {
		return ""
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return "`" + strings.Trim(string(text), `"`) + "`"
}
