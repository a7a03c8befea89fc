package config

import (
	"path/filepath"
	"testing"
)

// The committed page says what the code does. make docs rewrites it.
func TestDocument(t *testing.T) {
	document, err := Document()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("..", "docs", "configuration.md"), []byte(document))
}
