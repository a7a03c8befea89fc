package reference

import (
	"fmt"
	"strings"
)

// Markdown returns a section for each key of the top level, with a table of the
// keys in it.
func Markdown(keys []Key) string {
	var b strings.Builder
	for _, key := range keys {
		if !strings.Contains(key.Path, ".") {
			fmt.Fprintf(&b, "\n## %s\n\n", key.Path)
			if key.Text != "" {
				fmt.Fprintf(&b, "%s.\n\n", key.Text)
			}
			b.WriteString("| key | type | default | |\n|---|---|---|---|\n")
			if key.Type == "" {
				continue
			}
			key.Text = ""
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", key.Path, key.kind(), code(key.Default), cell(key.Explanation()))
	}
	return b.String()
}

// kind names the type, of groups as well.
func (k *Key) kind() string {
	if k.Type == "" {
		return "group"
	}
	return k.Type
}

// Explanation returns what is said of a key, with its value in the example file
// where that says more than the default.
func (k *Key) Explanation() string {
	if k.Example == "" || k.Example == `""` || k.Example == "[]" || strings.Trim(k.Example, `"`) == k.Default {
		return k.Text
	}
	if k.Text == "" {
		return "example: " + k.Example
	}
	return k.Text + "; example: " + k.Example
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

// cell keeps a text from ending the cell that it is in, and from emphasis.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "*", `\*`).Replace(text)
}
