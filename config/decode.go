package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// decoder brings a YAML tree into the structs of this package. It goes on after a
// problem, so that all are found.
type decoder struct {
	src      *source
	problems []Problem
	broken   []string // key paths whose values could not be taken
}

func (d *decoder) problem(key string, at position, format string, args ...any) {
	d.problems = append(d.problems, Problem{Key: key, Line: at.line, Column: at.column, Message: fmt.Sprintf(format, args...)})
	d.broken = append(d.broken, key)
}

// document decodes the root, which is nil for a file without any key.
func (d *decoder) document(root ast.Node, into reflect.Value) {
	if root == nil {
		return
	}
	if pairs, ok := mapping(root); ok {
		d.mapping("", pairs, into)
		return
	}
	at := at(root.GetToken())
	d.problem("", at, "the file is %s and must be keys with values, as listen: \":8443\"", kindOf(root))
}

// mapping returns the pairs of a node that is one or more of them.
func mapping(node ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := node.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

func (d *decoder) mapping(path string, pairs []*ast.MappingValueNode, into reflect.Value) {
	fields := fieldsOf(into.Type())
	seen := make(map[string]position)
	for _, pair := range pairs {
		token := pair.Key.GetToken()
		at := at(token)
		name := token.Value
		switch pair.Key.(type) {
		case *ast.MergeKeyNode, *ast.MappingKeyNode:
			d.problem(path, at, "merged and complex keys are not understood; write the keys out")
			continue
		}
		key := join(path, name)
		if first, again := seen[name]; again {
			d.problem(key, at, "is given twice, first in line %d; remove one", first.line)
			continue
		}
		seen[name] = at
		field, known := fields[name]
		if !known {
			meant, hint := suggestKey(name, path, fields)
			d.problem(unknownPath(path, name), at, "unknown key%s", hint)
			if meant != "" { // or its absence would be a second problem
				d.broken = append(d.broken, join(path, meant))
			}
			continue
		}
		d.src.keys[key] = at
		d.value(key, at, pair.Value, into.FieldByIndex(field))
	}
}

// value decodes a node; at is the position of its key, for a node that has none of
// its own.
func (d *decoder) value(path string, at position, node ast.Node, into reflect.Value) {
	switch n := node.(type) {
	case nil, *ast.NullNode:
		d.null(path, at, into)
		return
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		d.problem(path, tokenAt(n), "anchors, aliases and tags are not understood; write the value out")
		return
	}
	if parse, ok := scalars[into.Type()]; ok {
		d.scalar(path, node, into, parse)
		return
	}
	switch into.Kind() {
	case reflect.Struct:
		pairs, ok := mapping(node)
		if !ok {
			d.problem(path, tokenAt(node), "is %s and must have keys below it", kindOf(node))
			return
		}
		d.mapping(path, pairs, into)
	case reflect.Slice:
		d.list(path, node, into)
	default:
		panic("config: internal error: no decoding for " + into.Type().String())
	}
}

// null is a key without a value. For what can be empty it says so: often all lines
// below it were made comments.
func (d *decoder) null(path string, at position, into reflect.Value) {
	switch {
	case into.Kind() == reflect.Struct && into.Type() != prefixType:
	case into.Kind() == reflect.Slice:
		into.SetZero()
	default:
		d.problem(path, at, "has no value; give one or remove the key")
	}
}

func (d *decoder) list(path string, node ast.Node, into reflect.Value) {
	sequence, ok := node.(*ast.SequenceNode)
	if !ok {
		if into.Type() == reflect.TypeFor[Strings]() {
			element := reflect.New(into.Type().Elem()).Elem()
			d.value(path, tokenAt(node), node, element)
			into.Set(reflect.Append(reflect.Zero(into.Type()), element))
			return
		}
		d.problem(path, tokenAt(node), "is %s and must be a list: each value in a line of its own behind a dash", kindOf(node))
		return
	}
	list := reflect.MakeSlice(into.Type(), len(sequence.Values), len(sequence.Values))
	for i, element := range sequence.Values {
		key := path + "[" + strconv.Itoa(i) + "]"
		at := d.src.find(path)
		if element != nil {
			at = tokenAt(element)
		}
		d.src.keys[key] = at
		d.value(key, at, element, list.Index(i))
	}
	into.Set(list)
}

func (d *decoder) scalar(path string, node ast.Node, into reflect.Value, parse scalar) {
	text, kind := scalarText(node)
	if kind == "" {
		d.problem(path, tokenAt(node), "is %s and must be %s", kindOf(node), parse.want)
		return
	}
	if kind == kindNumber && strings.Contains(path, "listen") {
		d.problem(path, tokenAt(node), "must be an address; write \":%s\"", text)
		return
	}
	value, err := parse.from(text, kind)
	if err != nil {
		d.problem(path, tokenAt(node), "%v", err)
		return
	}
	into.Set(reflect.ValueOf(value))
}

// scalarText returns the text of a scalar and what YAML takes it for; kind is empty
// for anything else.
func scalarText(node ast.Node) (text, kind string) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, kindString
	case *ast.LiteralNode:
		return n.Value.Value, kindString
	case *ast.BoolNode:
		return n.GetToken().Value, kindBool
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, kindNumber
	}
	return "", ""
}

// kindOf names a node's kind for a message.
func kindOf(node ast.Node) string {
	if _, ok := mapping(node); ok {
		return "a group of keys"
	}
	switch _, kind := scalarText(node); kind {
	case kindString:
		return "a text"
	case kindBool:
		return "true or false"
	case kindNumber:
		return "a number"
	}
	if _, ok := node.(*ast.SequenceNode); ok {
		return "a list"
	}
	return "empty"
}

// tokenAt returns where a node begins. The token of a mapping is its first colon.
func tokenAt(node ast.Node) position {
	if m, ok := node.(*ast.MappingNode); ok && len(m.Values) > 0 && !m.IsFlowStyle {
		return at(m.Values[0].Key.GetToken())
	}
	if m, ok := node.(*ast.MappingValueNode); ok {
		return at(m.Key.GetToken())
	}
	return at(node.GetToken())
}

// fieldsOf returns the struct's fields by key, those of inlined structs included.
func fieldsOf(t reflect.Type) map[string][]int {
	fields := make(map[string][]int)
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("yaml"), ","); name != "" {
			fields[name] = f.Index
		}
	}
	return fields
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
