package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

const (
	maxFile = 1 << 20
	// maxFlow is how many [ and { there may be: the time that the parser needs
	// grows with the square of their nesting.
	maxFlow = 10000
)

// Load reads the configuration file, adds the defaults and checks it. Problems of
// the file's content are an *Error.
func Load(path string) (*Config, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	data, err := os.ReadFile(absolute)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return parse(path, filepath.Dir(absolute), data)
}

// parse is Load without the file; name is for messages, dir is what relative names
// are relative to.
func parse(name, dir string, data []byte) (*Config, error) {
	src := &source{name: name, lines: bytes.Split(data, []byte{'\n'}), keys: make(map[string]position)}
	root, problem := parseYAML(data)
	if problem != nil {
		return nil, src.error([]Problem{*problem})
	}
	cfg := defaults()
	cfg.source = src
	d := &decoder{src: src}
	d.document(root, reflect.ValueOf(&cfg).Elem())
	v := &validator{cfg: &cfg, src: src, dir: dir, broken: d.broken}
	v.config()
	if problems := append(d.problems, v.problems...); len(problems) > 0 {
		return nil, src.error(problems)
	}
	return &cfg, nil
}

// parseYAML returns the only document's content, nil for an empty one.
func parseYAML(data []byte) (ast.Node, *Problem) {
	flow := bytes.Count(data, []byte{'['}) + bytes.Count(data, []byte{'{'})
	switch {
	case len(data) > maxFile:
		return nil, &Problem{Message: fmt.Sprintf("the file has %d octets, at most %d are a configuration", len(data), maxFile)}
	case flow > maxFlow:
		return nil, &Problem{Message: "the file has too many brackets to be a configuration"}
	case !utf8.Valid(data):
		return nil, &Problem{Message: "the file is not UTF-8 text"}
	case bytes.IndexByte(data, 0) >= 0:
		return nil, &Problem{Message: "the file is not text"}
	case bytes.Count(data, []byte{'\r'}) != bytes.Count(data, []byte("\r\n")):
		// YAML ends a line there and editors do not, so positions would mislead.
		return nil, &Problem{Message: "the file has carriage returns without line feeds; end lines with line feeds"}
	}
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey()) // the decoder finds them all
	if err != nil {
		return nil, syntaxProblem(err, bytes.Split(data, []byte{'\n'}))
	}
	var root ast.Node
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if _, comment := doc.Body.(*ast.CommentGroupNode); comment {
			continue
		}
		if root != nil {
			at := at(doc.Body.GetToken())
			return nil, &Problem{Line: at.line, Column: at.column, Message: "the file has a second document; remove it and the line --- before it"}
		}
		root = doc.Body
	}
	return root, nil
}

func syntaxProblem(err error, lines [][]byte) *Problem {
	var syntax yaml.Error
	if !errors.As(err, &syntax) {
		return &Problem{Message: "not YAML"}
	}
	p := &Problem{Message: "not YAML: " + syntax.GetMessage() + "; check indentation and quotes here and in the line before"}
	if token := syntax.GetToken(); token != nil {
		at := at(token)
		p.Line, p.Column = at.line, at.column
	}
	if n := p.Line; n > 0 && n <= len(lines) {
		line := lines[n-1]
		if indent := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]; bytes.IndexByte(indent, '\t') >= 0 {
			p.Message = "not YAML: a tab in the indentation; use blanks"
		}
	}
	return p
}
