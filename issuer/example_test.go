package issuer

import (
	"os"
	"reflect"
	"regexp"
	"testing"
)

// exampleFile is the file that users begin with.
const exampleFile = "example.yaml"

func TestExampleFile(t *testing.T) {
	if _, err := loadDirectory(exampleFile); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	sections := regexp.MustCompile(`(?m)^(?:# )?(?:tls|users|services|resources):`).Split(string(data), -1)
	if len(sections) != 5 {
		t.Fatalf("%s has %d sections, want the top level, tls, users, services and resources", exampleFile, len(sections))
	}
	for i, section := range []any{Config{}, TLSConfig{}, User{}, Service{}, Resource{}} {
		text := sections[i]
		if i == 0 {
			text = string(data)
		}
		for _, field := range reflect.VisibleFields(reflect.TypeOf(section)) {
			key := field.Tag.Get("yaml")
			if !regexp.MustCompile(`(?m)^[ #-]*` + key + `:`).MatchString(text) {
				t.Errorf("%s lacks the key %s of %T", exampleFile, key, section)
			}
		}
	}
}

// The values in comments are the defaults, as they say.
func TestExampleFileDefaults(t *testing.T) {
	data, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	commented := regexp.MustCompile(`(?m)^( *)# ( *(?:- )?[a-zA-Z]+:.*)$`)
	if n := len(commented.FindAll(data, -1)); n < 15 {
		t.Errorf("%s has %d keys in comments, want those that are optional", exampleFile, n)
	}
	bare := t.TempDir() + "/bare.yaml"
	replaceFile(t, bare, commented.ReplaceAllString(string(data), "$1$2"))
	got, err := loadConfig(bare)
	if err != nil {
		t.Fatalf("without comment signs: %v", err)
	}
	want, err := loadConfig(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("without comment signs:\n%+v, with:\n%+v", got, want)
	}
}
