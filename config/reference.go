package config

import (
	_ "embed"
	"net/netip"
	"reflect"
	"time"

	"github.com/spliceway/spliceway/internal/reference"
)

//go:embed example.yaml
var example string

// About is what is to know before the keys, as plain text.
const About = `The gateway reads one file of YAML, named by --config. Unknown and repeated keys are
refused, with line and column; anchors, tags and several documents are not understood.
Relative file names are relative to the file. Environment variables are not expanded,
but for ${CREDENTIALS_DIRECTORY} of systemd where a file name begins with it.

Durations are written as 10s, 5m or 1h30m, sizes as 512B, 64KiB, 1MiB or 1GiB. What is
called a list of texts takes [a, b], or each value in a line of its own behind a dash.
Names with [] behind them are of each element of a list.

spliceway check --config FILE tells all that is wrong with a file, with what it points
at, and prints what is in force.`

// Document returns docs/configuration.md.
func Document() (string, error) {
	keys, err := Reference()
	if err != nil {
		return "", err
	}
	return "# Configuration\n\n" + About + "\n\n[config/example.yaml](../config/example.yaml) has every key with its default, to begin with. " +
		"This page is made from\nthat file and from the code by `make docs`.\n" + reference.Markdown(keys), nil
}

// Reference returns all keys of the file, in its order, each with its type, its
// default and what example.yaml says of it.
func Reference() ([]reference.Key, error) {
	return reference.Keys(example, defaults(), map[reflect.Type]reference.Format{
		reflect.TypeFor[time.Duration](): {Name: "duration", Text: func(v any) string { return durationText(v.(time.Duration)) }},
		reflect.TypeFor[Sync]():          {Name: "duration or always", Text: func(v any) string { return v.(Sync).String() }},
		reflect.TypeFor[Size]():          {Name: "size", Text: func(v any) string { return v.(Size).String() }},
		reflect.TypeFor[Ratio]():         {Name: "number from 0 to 1", Text: func(v any) string { return v.(Ratio).String() }},
		reflect.TypeFor[netip.Prefix]():  {Name: "network", Text: func(v any) string { return "" }},
	})
}
