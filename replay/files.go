package replay

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spliceway/spliceway/record"
)

// SaveFiles writes the content of the copied files that a recording has kept into
// dir, which must be there, and calls saved for each. The names are of our own:
// number, direction and the last part of the file's name with what is neither letter,
// digit, dot, dash nor underscore replaced. Nothing is written over, and what is not
// what was recorded is not left there.
func SaveFiles(dir string, found *record.Recording, saved func(name string, t *record.Transfer) error) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for i := range found.Transfers {
		t := &found.Transfers[i]
		if t.Offset == nil {
			continue
		}
		name := fmt.Sprintf("%04d-%s-%s", i+1, plainName(t.Direction), plainName(t.Name))
		if err := saveFile(root, name, found.Path, t); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := saved(name, t); err != nil {
			return err
		}
	}
	return nil
}

func saveFile(root *os.Root, name, recording string, t *record.Transfer) error {
	content, err := record.OpenTransfer(recording, t)
	if err != nil {
		return err
	}
	defer content.Close()
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, root.Remove(name))
	}
	return nil
}

// plainName returns the last part of a path as it can be in any directory and on any
// terminal.
func plainName(path string) string {
	const longest = 100
	path = strings.TrimRight(path, "/")
	name := path[strings.LastIndexByte(path, '/')+1:]
	name = name[:min(len(name), longest)]
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '-', r == '_':
			return r
		}
		return '_'
	}, name)
}
