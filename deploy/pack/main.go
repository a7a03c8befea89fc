// Command pack makes what is given to users from binaries that are built already:
// packages for Debian and for distributions with rpm, and a container image. It is
// a module of its own, so that what it needs is no dependency of the gateway. It
// asks neither a clock nor a network, so the same source gives the same files.
//
// make package and make image call it.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// license is ours, by its SPDX identifier.
const license = "Apache-2.0"

// release is what is packed.
type release struct {
	dist    string    // with the binaries, man and completions; files are written there
	root    string    // of the source
	version string    // as git describe has it
	date    time.Time // of the commit
	author  string    // name and address, of the commit
}

func main() {
	var r release
	var epoch int64
	flag.StringVar(&r.dist, "dist", "dist", "`DIR` with the binaries, where files are written")
	flag.StringVar(&r.root, "root", ".", "`DIR` of the source")
	flag.StringVar(&r.version, "version", "", "`VERSION` as git describe has it")
	flag.StringVar(&r.author, "author", "", "`NAME` and address of the maintainer")
	flag.Int64Var(&epoch, "epoch", 0, "`SECONDS` of the date of the version")
	flag.Parse()
	r.date = time.Unix(epoch, 0).UTC()
	if err := r.pack(flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

// pack makes what the words name.
func (r *release) pack(words []string) error {
	if r.version == "" || r.author == "" || r.date.Unix() == 0 {
		return fmt.Errorf("-version, -author and -epoch are required")
	}
	for _, dir := range []*string{&r.root, &r.dist} {
		absolute, err := filepath.Abs(*dir)
		if err != nil {
			return err
		}
		*dir = absolute
	}
	for _, word := range words {
		var err error
		switch word {
		case "bills":
			err = r.bills()
		case "packages":
			err = r.packages()
		case "image":
			err = r.image()
		default:
			err = fmt.Errorf("%q is none of bills, packages and image", word)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// binary is the file of the program for an architecture; beside it are its bill of
// materials, .cdx.json, and the licences of what is linked into it, .licenses.
func (r *release) binary(arch string) string {
	return filepath.Join(r.dist, "spliceway-linux-"+arch)
}

// arches are the architectures by their names in Go, which those of Debian are as
// well.
func arches() []string { return []string{"amd64", "arm64"} }
