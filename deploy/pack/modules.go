package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// module is a Go module that is linked into a binary, or the standard library.
type module struct {
	path, version string
	purl          string   // its package URL, which names it in a bill of materials
	needs         []string // purls of the modules it calls, sorted
	texts         []text   // licences and notices of the packages that are linked, by file
}

// text is a file that a licence asks to be passed on.
type text struct {
	file string // within the module
	body string
}

// goPackage is a part of what go list -json prints.
type goPackage struct {
	Dir, ImportPath string
	Standard        bool
	Imports         []string
	Module          *struct {
		Path, Version, Dir string
		Main               bool
		Replace            *struct{ Path, Version string }
	}
}

// linked returns the modules of a binary that was built from the source in root, the
// binary's own first. The binary says for what it was built; the go command says
// which packages that takes.
func linked(root, binary string) ([]*module, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	goroot, err := output(root, nil, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	var env []string
	for _, key := range []string{"CGO_ENABLED", "GOOS", "GOARCH"} {
		env = append(env, key+"="+settings[key])
	}
	list, err := output(root, env, "go", "list", "-deps", "-json=Dir,ImportPath,Standard,Imports,Module", "-tags="+settings["-tags"], info.Path)
	if err != nil {
		return nil, err
	}
	packages, err := decodePackages(list)
	if err != nil {
		return nil, err
	}
	std := &module{path: "std", version: strings.TrimPrefix(info.GoVersion, "go")}
	modules, err := modulesOf(packages, std, strings.TrimSpace(string(goroot)))
	if err != nil {
		return nil, err
	}
	if len(modules) != len(info.Deps)+2 { // the main module and the standard library
		return nil, fmt.Errorf("%s has %d modules, the source has %d: build it again", binary, len(info.Deps)+2, len(modules))
	}
	if strings.Contains(settings["-tags"], "player") {
		player, err := playerModule(root)
		if err != nil {
			return nil, err
		}
		modules[0].needs = append(modules[0].needs, player.purl)
		modules = append(modules, player)
	}
	return modules, nil
}

func decodePackages(list []byte) ([]goPackage, error) {
	var packages []goPackage
	for d := json.NewDecoder(bytes.NewReader(list)); ; {
		var p goPackage
		if err := d.Decode(&p); err == io.EOF {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		packages = append(packages, p)
	}
}

// modulesOf gathers packages, which come after those that they import.
func modulesOf(packages []goPackage, std *module, goroot string) ([]*module, error) {
	modules := map[string]*module{}   // by path
	byPackage := map[string]*module{} // by the import path of a package
	main := ""
	for _, p := range packages {
		m, dir, root := std, goroot, goroot // all of the library is under one licence
		if !p.Standard {
			if p.Module.Replace != nil {
				return nil, fmt.Errorf("%s is replaced by %s, which a bill of materials would hide", p.Module.Path, p.Module.Replace.Path)
			}
			m, dir, root = &module{path: p.Module.Path, version: p.Module.Version}, p.Dir, p.Module.Dir
			if p.Module.Main {
				main = m.path
			}
		}
		if known := modules[m.path]; known != nil {
			m = known
		}
		m.purl = "pkg:golang/" + m.path
		if m.version != "" {
			m.purl += "@" + m.version
		}
		modules[m.path], byPackage[p.ImportPath] = m, m
		if err := m.collect(root, dir); err != nil {
			return nil, err
		}
		for _, imported := range p.Imports {
			if of := byPackage[imported]; of != nil && of != m && !slices.Contains(m.needs, of.purl) {
				m.needs = append(m.needs, of.purl)
			}
		}
	}
	return sorted(modules, main)
}

func sorted(modules map[string]*module, main string) ([]*module, error) {
	var all []*module
	for _, m := range modules {
		if len(m.texts) == 0 && m.path != main {
			return nil, fmt.Errorf("%s %s has no licence", m.path, m.version)
		}
		slices.Sort(m.needs)
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *module) int {
		if a.path == main {
			return -1
		} else if b.path == main {
			return 1
		}
		return strings.Compare(a.path, b.path)
	})
	return all, nil
}

// collect adds the licences that are in the folder of a package and in those above
// it, up to the module's.
func (m *module) collect(root, dir string) error {
	for {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if entry.Type().IsRegular() && isLicence(entry.Name()) {
				if err := m.add(root, filepath.Join(dir, entry.Name())); err != nil {
					return err
				}
			}
		}
		if dir == root {
			return nil
		}
		dir = filepath.Dir(dir)
	}
}

func (m *module) add(root, file string) error {
	name, err := filepath.Rel(root, file)
	if err != nil {
		return err
	}
	at, found := slices.BinarySearchFunc(m.texts, name, func(t text, name string) int { return strings.Compare(t.file, name) })
	if found {
		return nil
	}
	body, err := os.ReadFile(file)
	m.texts = slices.Insert(m.texts, at, text{name, string(body)})
	return err
}

// playerModule is the player of recordings, which make player has fetched and which
// is no module of Go.
func playerModule(root string) (*module, error) {
	dir := filepath.Join(root, "replay", "player")
	data, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if err != nil {
		return nil, fmt.Errorf("make player again: %w", err)
	}
	var p struct{ Name, Version string }
	if err := json.Unmarshal(data, &p); err != nil {
		return nil, fmt.Errorf("package.json of the player: %w", err)
	}
	m := &module{path: p.Name, version: p.Version, purl: "pkg:npm/" + p.Name + "@" + p.Version}
	return m, m.collect(dir, dir)
}

// output runs a program in a folder and returns what it prints.
func output(dir string, env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, exit.Stderr)
	}
	return out, err
}
