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

// About is what to know before reading the keys, as plain text.
const About = `The gateway reads one YAML file, named by --config. Unknown and repeated keys are refused,
with line and column; so are anchors, aliases, tags and multiple documents. Relative file
names are relative to the file. Environment variables are not expanded, with one exception:
a file name may begin with ${CREDENTIALS_DIRECTORY}, which systemd sets.

Durations are written as 10s, 5m or 1h30m, sizes as 512B, 64KiB, 1MiB or 1GiB. A list of
texts is written as [a, b], or with each value on its own line behind a dash. A key with []
in its name applies to each element of a list.

spliceway check --config FILE reports everything wrong with a file and with the files it
names, and prints the effective configuration.`

// Document returns docs/configuration.md.
func Document() (string, error) {
	keys, err := Reference()
	if err != nil {
		return "", err
	}
	return "# Configuration\n\n" + About + "\n\n[config/example.yaml](../config/example.yaml) has every key with its default, as a starting point. " +
		"This page is generated from\nthat file and from the code by `make docs`.\n" + reference.Markdown(keys), nil
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
