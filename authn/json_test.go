package authn

import "testing"

func TestDecodeObject(t *testing.T) {
	for _, row := range []struct {
		name, data string
		a          string
		ok         bool
	}{
		{"good", `{"a":"1"}`, "1", true},
		{"blanks-around", " \t\r\n{\"a\":\"1\"}\n", "1", true},
		{"empty-object", `{}`, "", true},
		{"optional-null", `{"b":null}`, "", true},
		{"unknown-with-anything", `{"x":{"a":"2","a":[null]},"a":"1"}`, "1", true},
		{"nothing", ``, "", false},
		{"null", `null`, "", false},
		{"list", `["a"]`, "", false},
		{"string", `"a"`, "", false},
		{"cut-in-name", `{"a`, "", false},
		{"cut-in-value", `{"a":"1`, "", false},
		{"cut-before-brace", `{"a":"1"`, "1", false},
		{"comma-at-end", `{"a":"1",}`, "1", false},
		{"followed-by-object", `{"a":"1"}{}`, "1", false},
		{"followed-by-brace", `{"a":"1"}}`, "1", false},
		{"followed-by-nul", "{\"a\":\"1\"}\x00", "1", false},
		{"followed-by-form-feed", "{\"a\":\"1\"}\f", "1", false},
		{"twice", `{"a":"1","a":"1"}`, "1", false},
		{"twice-unknown", `{"x":1,"a":"1","x":1}`, "1", false},
		{"lookalike", `{"A":"1"}`, "", false},
		{"null-value", `{"a":null}`, "", false},
		{"other-type", `{"a":1}`, "", false},
		{"invalid-utf-8", "{\"a\":\"\xff\"}", "", false},
		{"invalid-utf-8-in-unknown", "{\"x\":\"\xff\",\"a\":\"1\"}", "", false},
	} {
		var a, b string
		err := decodeObject([]byte(row.data), map[string]any{"a": &a, "b": optional{&b}})
		if (err == nil) != row.ok || a != row.a {
			t.Errorf("%s: decodeObject(%q) = %v with a = %q, want ok %v with %q", row.name, row.data, err, a, row.ok, row.a)
		}
	}
}
