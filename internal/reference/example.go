package reference

import (
	"fmt"
	"regexp"
	"strings"
)

// line is what the example file says of a key.
type line struct {
	value string
	text  string
	set   bool
}

// keyLine is a line with a key: its indentation, the comment sign, more
// indentation, the dash of a list, the key, its value, and the comment behind it.
var keyLine = regexp.MustCompile(`^( *)(# )?( *(?:- )?)([a-zA-Z]+):(?: +("[^"]*"|[^# ][^#]*?))?(?: +# *(.*))?$`)

// open is a key that later lines may be below of.
type open struct {
	indent int
	path   string
}

// parseExample returns what an example file says of each key, by its path. Of a
// key that is there several times, as those of a list's elements are, the first
// counts.
func parseExample(example string) (map[string]line, error) {
	said := make(map[string]line)
	var parents []open
	var above []string // comment lines that stand before a key
	for text := range strings.Lines(example) {
		text = strings.TrimSuffix(text, "\n")
		m := keyLine.FindStringSubmatch(text)
		if m == nil {
			if comment, ok := strings.CutPrefix(text, "# "); ok {
				above = append(above, comment)
			} else if text == "" || text == "#" {
				above = nil
			} else {
				return nil, fmt.Errorf("reference: the example has a line that is neither a key nor a comment: %q", text)
			}
			continue
		}
		dash := strings.HasSuffix(m[3], "- ")
		at := len(m[1]) + len(m[3])
		begin := at
		if dash { // the element before ends as well
			begin--
		}
		for len(parents) > 0 && parents[len(parents)-1].indent >= begin {
			parents = parents[:len(parents)-1]
		}
		path := m[4]
		if len(parents) > 0 {
			path = parents[len(parents)-1].path + "." + path
		}
		if dash { // the keys below it belong to the same element
			parent := open{indent: at - 1, path: parents[len(parents)-1].path + "[]"}
			parents = append(parents, parent)
			path = parent.path + "." + m[4]
		}
		parents = append(parents, open{indent: at, path: path})
		explained := strings.Join(append(above, m[6]), " ")
		if at > 0 {
			explained = m[6]
		}
		above = nil
		if _, again := said[path]; !again {
			said[path] = line{value: m[5], text: strings.TrimSuffix(strings.TrimSpace(explained), "."), set: m[2] == ""}
		}
	}
	return said, nil
}
