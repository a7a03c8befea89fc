package config

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// keyHomes returns, for each key that exists anywhere, the groups that have it: ""
// is the top level, clusters[] an element of a list.
var keyHomes = sync.OnceValue(func() map[string][]string {
	homes := make(map[string][]string)
	collectHomes(homes, "", reflect.TypeFor[Config]())
	for key := range homes {
		slices.Sort(homes[key])
	}
	return homes
})

func collectHomes(homes map[string][]string, path string, t reflect.Type) {
	for name, index := range fieldsOf(t) {
		homes[name] = append(homes[name], path)
		below, child := t.FieldByIndex(index).Type, join(path, name)
		if below.Kind() == reflect.Slice {
			below, child = below.Elem(), child+"[]"
		}
		if _, leaf := scalars[below]; !leaf && below.Kind() == reflect.Struct {
			collectHomes(homes, child, below)
		}
	}
}

var listIndex = regexp.MustCompile(`\[\d+\]`)

// suggestKey returns the key of the same group that an unknown one may have been
// meant to be, if any, and a hint for the end of a message.
func suggestKey(name, path string, fields map[string][]int) (meant, hint string) {
	if meant = nearest(name, slices.Sorted(maps.Keys(fields))); meant != "" {
		return meant, fmt.Sprintf("; did you mean %s?", meant)
	}
	here := listIndex.ReplaceAllString(path, "[]")
	key := name
	if keyHomes()[key] == nil {
		key = nearest(name, slices.Sorted(maps.Keys(keyHomes())))
	}
	if homes := keyHomes()[key]; len(homes) == 1 && homes[0] != here {
		if homes[0] == "" {
			return "", fmt.Sprintf("; %s belongs to the top level, so it must not be indented", key)
		}
		return "", fmt.Sprintf("; %s belongs below %s", key, homes[0])
	}
	return "", "; the keys here are " + strings.Join(slices.Sorted(maps.Keys(fields)), ", ")
}

// unknownPath returns the path of an unknown key for a message. The name is the
// user's, so it is cut, and dropped if it looks like a secret.
func unknownPath(path, name string) string {
	if secret(name) {
		return path
	}
	if len(name) > 60 {
		name = name[:60] + "…"
	}
	return join(path, strings.ToValidUTF8(strings.Map(printable, name), "?"))
}

func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return '?'
}

// nearest returns the candidate that name is most likely a misspelling of: the
// same but for case and separators, one without its ending File, one with something
// behind it, or one or two letters off. It returns "" if there is none.
func nearest(name string, candidates []string) string {
	plain := plainKey(name)
	if plain == "" {
		return ""
	}
	for _, c := range candidates {
		if known := plainKey(c); known == plain || known == plain+"file" || known == plain+"s" {
			return c
		}
	}
	for _, c := range candidates {
		if known := plainKey(c); len(known) >= 4 && strings.HasPrefix(plain, known) {
			return c
		}
	}
	best, limit := "", min(2, (len(plain)-1)/2)
	for _, c := range candidates {
		if d := distance(plain, plainKey(c), limit); d <= limit {
			best, limit = c, d-1
		}
	}
	return best
}

func plainKey(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", ".", "").Replace(name))
}

// distance returns how many letters must be inserted, removed, replaced or swapped
// with their neighbour to get from a to b, or any number above the limit if it is
// more.
func distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
