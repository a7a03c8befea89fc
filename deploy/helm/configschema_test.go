package helm

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spliceway/spliceway/config"
)

// own are the keys of the gateway's configuration that the chart decides.
var own = []string{"listen", "metrics", "admin.socket", "tls", "clusters", "authn.cacheFile", "recordings.dir", "recordings.sealKeyFile"}

type object = map[string]any

// types are the schemas of what config.Reference calls types.
var types = map[string]object{
	"text":               {"type": "string"},
	"file name":          {"type": "string"},
	"list of texts":      {"type": "array", "items": object{"type": "string"}},
	"list of networks":   {"type": "array", "items": object{"type": "string"}},
	"true or false":      {"type": "boolean"},
	"number":             {"type": "integer"},
	"number from 0 to 1": {"type": "number", "minimum": 0, "maximum": 1},
	"size":               {"$ref": "#/$defs/size"},
	"duration":           {"$ref": "#/$defs/duration"},
	"duration or always": {"anyOf": []any{object{"$ref": "#/$defs/duration"}, object{"const": "always"}}},
}

// narrower are the schemas of keys whose type says too little.
var narrower = map[string]object{
	"drain.delay":             {"$ref": "#/$defs/wholeSeconds"}, // the grace period is computed from both
	"drain.timeout":           {"$ref": "#/$defs/wholeSeconds"},
	"recordings.mode":         {"enum": []string{"strict", "best-effort", "off"}},
	"recordings.rules[].mode": {"enum": []string{"strict", "best-effort", "off"}},
	"recordings.format":       {"enum": []string{"v2", "v3"}},
	"recordings.lines":        {"enum": []string{"", "stdout"}},
	"sandbox.landlock":        {"enum": []string{"auto", "required", "off"}},
	"log.level":               {"enum": []string{"trace", "debug", "info", "warn", "error"}},
	"log.format":              {"enum": []string{"json", "console"}},
}

// required are what the templates rely on.
var required = map[string][]string{"": {"authn", "drain"}, "authn": {"issuer", "audience"}, "drain": {"delay", "timeout"}}

func group(path string) object {
	g := object{"type": "object", "additionalProperties": false, "properties": object{}}
	if names := required[path]; names != nil {
		g["required"] = names
	}
	return g
}

// configSchema is made from the keys that the gateway knows.
func configSchema(t *testing.T) object {
	t.Helper()
	keys, err := config.Reference()
	if err != nil {
		t.Fatal(err)
	}
	root := group("")
	for _, key := range keys {
		if key.Type == "" || decided(key.Path) {
			continue
		}
		leaf := narrower[key.Path]
		if leaf == nil {
			leaf = types[key.Type]
		}
		if leaf == nil {
			t.Fatalf("%s has the type %q, which the schema has no word for", key.Path, key.Type)
		}
		parts := strings.Split(key.Path, ".")
		at := root
		for i, part := range parts[:len(parts)-1] {
			at = inner(at, part, strings.Join(parts[:i+1], "."))
		}
		at["properties"].(object)[parts[len(parts)-1]] = leaf
	}
	return root
}

// inner is the group of that name within another, made if it is missing.
func inner(at object, part, path string) object {
	properties := at["properties"].(object)
	name, list := strings.CutSuffix(part, "[]")
	if !list {
		if properties[name] == nil {
			properties[name] = group(path)
		}
		return properties[name].(object)
	}
	if properties[name] == nil {
		properties[name] = object{"type": "array", "items": group(path)}
	}
	return properties[name].(object)["items"].(object)
}

func decided(path string) bool {
	return slices.ContainsFunc(own, func(o string) bool {
		return path == o || strings.HasPrefix(path, o+".") || strings.HasPrefix(path, o+"[")
	})
}

// The schema of config is made from the code, so that it has every key that the
// gateway knows and no other.
func TestConfigSchema(t *testing.T) {
	file := filepath.Join(chartDir, "values.schema.json")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var whole object
	if err := json.Unmarshal(text, &whole); err != nil {
		t.Fatal(err)
	}
	whole["properties"].(object)["config"] = configSchema(t)
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(whole); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(text, want.Bytes()) {
		return
	}
	if !*update {
		t.Fatalf("the part config of %s is not what the gateway knows: make chart", file)
	}
	if err := os.WriteFile(file, want.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
