package reference

import (
	"fmt"
	"reflect"
	"strings"
)

// Key is one key of a configuration file, or a group of them.
type Key struct {
	Path    string // as tls.certificates[].privateKeyFile
	Type    string // of a scalar or a list of them, as "duration"; empty for a group
	Default string // as in the file; empty for a group, and for what has none
	Text    string // what the example file says of it, without a full stop
	Example string // its value in the example file, which need not be the default
	Set     bool   // the example file does not have it in a comment
}

// Format describes the scalars of one type.
type Format struct {
	Name string                 // as "duration"
	Text func(value any) string // the value as in the file
}

// Keys returns the keys of the struct defaults in the order of its fields, with
// what the example file says of each. formats has the types that are not text,
// whole numbers or booleans. A key that is in only one of the two, or without a
// comment and type, is an error.
func Keys(example string, defaults any, formats map[reflect.Type]Format) ([]Key, error) {
	lines, err := parseExample(example)
	if err != nil {
		return nil, err
	}
	w := &walker{lines: lines, formats: formats}
	if err := w.group("", reflect.ValueOf(defaults)); err != nil {
		return nil, err
	}
	for path := range lines {
		if !w.seen(path) {
			return nil, fmt.Errorf("reference: the example has the key %s, and the configuration does not", path)
		}
	}
	return w.keys, nil
}

// walker goes through the fields of the configuration.
type walker struct {
	lines   map[string]line
	formats map[reflect.Type]Format
	keys    []Key
}

func (w *walker) seen(path string) bool {
	for _, key := range w.keys {
		if key.Path == path {
			return true
		}
	}
	return false
}

func (w *walker) group(path string, group reflect.Value) error {
	for i := range group.NumField() {
		field := group.Type().Field(i)
		name, option, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if option == "inline" {
			if err := w.group(path, group.Field(i)); err != nil {
				return err
			}
			continue
		}
		if name == "" {
			continue
		}
		if path != "" {
			name = path + "." + name
		}
		if err := w.key(name, group.Field(i)); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) key(path string, value reflect.Value) error {
	said, ok := w.lines[path]
	if !ok {
		return fmt.Errorf("reference: the example lacks the key %s", path)
	}
	key := Key{Path: path, Text: said.text, Example: said.value, Set: said.set}
	key.Type, key.Default = w.describe(value)
	if key.Type == "text" && strings.HasSuffix(path, "File") {
		key.Type = "file name"
	}
	w.keys = append(w.keys, key)
	if key.Type != "" {
		return nil
	}
	switch value.Kind() {
	case reflect.Struct:
		return w.group(path, value)
	case reflect.Slice:
		return w.group(path+"[]", reflect.Zero(value.Type().Elem()))
	}
	return fmt.Errorf("reference: the key %s has the type %s, which has no format", path, value.Type())
}

// describe names the type of a value and gives it as the file has it; a group has
// neither.
func (w *walker) describe(value reflect.Value) (kind, text string) {
	if format, ok := w.formats[value.Type()]; ok {
		return format.Name, format.Text(value.Interface())
	}
	switch value.Kind() {
	case reflect.String:
		return "text", value.String()
	case reflect.Bool:
		return "true or false", fmt.Sprint(value.Bool())
	case reflect.Int:
		return "number", fmt.Sprint(value.Int())
	case reflect.Slice:
		element, _ := w.describe(reflect.Zero(value.Type().Elem()))
		if element == "" {
			return "", ""
		}
		texts := make([]string, value.Len())
		for i := range texts {
			_, texts[i] = w.describe(value.Index(i))
		}
		return "list of " + element + "s", strings.Join(texts, ", ")
	}
	return "", ""
}
