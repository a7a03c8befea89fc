package confine

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Needs are the folders that a process must reach after its start, with all that is
// below. Names are absolute and free of links.
type Needs struct {
	Read  []string `json:"read"`
	Write []string `json:"write"` // and read
	Bind  []string `json:"bind"`  // Unix sockets, with links to them; and write
}

// Files are what a process names, in any form. Empty names are none.
type Files struct {
	Read         []string // files that are read, also when they have been replaced
	ReadFolders  []string // with all that is below
	Write        []string // files
	WriteFolders []string // with all that is below
	Sockets      []string // of Unix, that are listened on
}

// Of returns what a process needs for files, beside what every program does.
func Of(files Files) Needs {
	n := Needs{Read: resolveAll(files.ReadFolders), Write: resolveAll(files.WriteFolders)}
	for _, add := range []struct {
		paths *[]string
		files []string
	}{{&n.Read, files.Read}, {&n.Write, files.Write}, {&n.Bind, files.Sockets}} {
		for _, name := range add.files {
			*add.paths = addFolders(*add.paths, name)
		}
		slices.Sort(*add.paths)
		*add.paths = slices.Compact(*add.paths)
	}
	return n
}

// resolveAll is resolve for folders.
func resolveAll(folders []string) (paths []string) {
	for _, name := range folders {
		if name != "" {
			paths = append(paths, resolve(name))
		}
	}
	return paths
}

// addFolders adds the folders that a file is in, or will be when it is replaced.
func addFolders(paths []string, name string) []string {
	if name == "" {
		return paths
	}
	return append(paths, resolve(filepath.Dir(name)), filepath.Dir(resolve(name)))
}

// resolve returns an absolute path without links. Of what is not there it resolves
// the folder.
func resolve(path string) string {
	path, err := filepath.Abs(path)
	if err != nil {
		return path // the working directory is gone
	}
	if real, err := filepath.EvalSymlinks(path); err == nil || path == filepath.Dir(path) {
		return real
	}
	return filepath.Join(resolve(filepath.Dir(path)), filepath.Base(path))
}

// Cover returns an error, for a user, if a process that has only n can't have what
// other needs.
func (n *Needs) Cover(other *Needs) error {
	writable := slices.Concat(n.Write, n.Bind)
	readable := slices.Concat(n.Read, writable)
	for _, check := range []struct {
		verb       string
		has, wants []string
	}{
		{"read", readable, other.Read}, {"write to", writable, other.Write}, {"open sockets in", n.Bind, other.Bind},
	} {
		for _, path := range check.wants {
			if !slices.ContainsFunc(check.has, func(folder string) bool { return below(path, folder) }) {
				return fmt.Errorf("the process has given up the right to %s %s when it started (sandbox.landlock); "+
					"restart it, or set back what was there", check.verb, path)
			}
		}
	}
	return nil
}

// below reports whether path is folder or in it.
func below(path, folder string) bool {
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(folder, "/"))
	return ok && (rest == "" || rest[0] == '/')
}
