package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/blakesmith/ar"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/goreleaser/nfpm/v2"
	"github.com/goreleaser/nfpm/v2/files"
)

// The files of every package; debianFiles and rpmFiles are added by format.
const (
	commonFiles = `
-rw-r--r-- /etc/logrotate.d/spliceway
-rw-r--r-- /etc/spliceway/config.yaml
-rw-r--r-- /usr/lib/systemd/system/spliceway-issuer.service
-rw-r--r-- /usr/lib/systemd/system/spliceway.service
-rw-r--r-- /usr/lib/systemd/system/spliceway.socket
-rw-r--r-- /usr/lib/systemd/user/spliceway-connect.service
-rw-r--r-- /usr/lib/sysusers.d/spliceway.conf
-rw-r--r-- /usr/share/bash-completion/completions/spliceway
-rw-r--r-- /usr/share/doc/spliceway/changelog.gz
-rw-r--r-- /usr/share/doc/spliceway/examples/config.yaml
-rw-r--r-- /usr/share/doc/spliceway/examples/issuer.yaml
-rw-r--r-- /usr/share/doc/spliceway/spliceway.cdx.json
-rw-r--r-- /usr/share/doc/spliceway/third-party-licenses
-rw-r--r-- /usr/share/fish/vendor_completions.d/spliceway.fish
-rw-r--r-- /usr/share/man/man1/spliceway.1.gz
-rwxr-xr-x /usr/bin/spliceway`
	debianFiles = `
-rw-r--r-- /usr/share/doc/spliceway/changelog.Debian.gz
-rw-r--r-- /usr/share/doc/spliceway/copyright
-rw-r--r-- /usr/share/lintian/overrides/spliceway
-rw-r--r-- /usr/share/zsh/vendor-completions/_spliceway
drwxr-xr-x /etc/spliceway
drwxr-xr-x /etc/spliceway-issuer`
	rpmFiles = `
-rw-r--r-- /usr/share/licenses/spliceway/LICENSE
-rw-r--r-- /usr/share/zsh/site-functions/_spliceway
drwxr-xr-x /etc/spliceway
drwxr-xr-x /etc/spliceway-issuer`
)

// lines returns those that are not empty, sorted.
func lines(text string) []string {
	return slices.Sorted(strings.SplitSeq(strings.TrimSpace(text), "\n"))
}

// testRelease is the source with binaries that are none.
func testRelease(t *testing.T) *release {
	t.Helper()
	dist := t.TempDir()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"man/man1/spliceway.1", "completions/spliceway.bash", "completions/_spliceway", "completions/spliceway.fish"} {
		writeFile(t, filepath.Join(dist, name), name)
	}
	for _, arch := range arches() {
		for _, suffix := range []string{"", ".cdx.json", ".licenses"} {
			writeFile(t, filepath.Join(dist, "spliceway-linux-"+arch+suffix), "spliceway"+suffix+" for "+arch)
		}
	}
	return &release{dist: dist, root: root, version: "v1.2.3", author: "Packer <packer@spliceway.test>", date: time.Unix(1_700_000_000, 0).UTC()}
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// entries reads an archive. Folders have no text.
func entries(t *testing.T, r io.Reader) (headers []*tar.Header, texts map[string]string) {
	t.Helper()
	texts = map[string]string{}
	for archive := tar.NewReader(r); ; {
		h, err := archive.Next()
		if err == io.EOF {
			return headers, texts
		} else if err != nil {
			t.Fatal(err)
		}
		h.Name = path.Join("/", h.Name)
		data, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		headers, texts[h.Name] = append(headers, h), string(data)
	}
}

// debianArchive returns one of the two archives of a package for Debian.
func debianArchive(t *testing.T, file, name string) io.Reader {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for archive := ar.NewReader(bytes.NewReader(data)); ; {
		h, err := archive.Next()
		if err != nil {
			t.Fatalf("%s has no %s: %v", file, name, err)
		}
		if strings.TrimSuffix(h.Name, "/") == name {
			zipped, err := gzip.NewReader(archive)
			if err != nil {
				t.Fatal(err)
			}
			return zipped
		}
	}
}

func TestDebianPackage(t *testing.T) {
	r := testRelease(t)
	for _, arch := range arches() {
		file, err := r.writePackage("deb", arch)
		if err != nil {
			t.Fatal(err)
		}
		headers, texts := entries(t, debianArchive(t, file, "data.tar.gz"))
		var got []string
		for _, h := range headers {
			if h.Uname != "root" || h.Gname != "root" || !h.ModTime.Equal(r.date) {
				t.Errorf("%s is of %s:%s and %v, want root:root and the date of the release", h.Name, h.Uname, h.Gname, h.ModTime)
			}
			if h.Typeflag == tar.TypeReg || strings.HasPrefix(h.Name, "/etc/spliceway") {
				got = append(got, h.FileInfo().Mode().String()+" "+h.Name)
			}
		}
		slices.Sort(got)
		if want := lines(commonFiles + debianFiles); !slices.Equal(got, want) {
			t.Errorf("%s has\n%s\nwant\n%s", file, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		for name, want := range map[string]string{
			"/usr/bin/spliceway":         "spliceway for " + arch,
			docs + billName:              "spliceway.cdx.json for " + arch,
			docs + licencesName:          "spliceway.licenses for " + arch,
			"/etc/spliceway/config.yaml": "\n  dir: /var/lib/spliceway/recordings ",
		} {
			if !strings.Contains(texts[name], want) {
				t.Errorf("%s of %s lacks %q", name, file, want)
			}
		}
		checkControl(t, file, arch)
	}
}

func checkControl(t *testing.T, file, arch string) {
	t.Helper()
	_, texts := entries(t, debianArchive(t, file, "control.tar.gz"))
	if got := texts["/conffiles"]; got != "/etc/logrotate.d/spliceway\n/etc/spliceway/config.yaml\n" {
		t.Errorf("the conffiles of %s are %q", file, got)
	}
	for _, want := range []string{"Package: spliceway\n", "Version: 1.2.3-1\n", "Architecture: " + arch + "\n", "Maintainer: Packer <packer@spliceway.test>\n"} {
		if !strings.Contains(texts["/control"], want) {
			t.Errorf("the control file of %s lacks %q:\n%s", file, want, texts["/control"])
		}
	}
	for _, script := range []string{"postinst", "prerm", "postrm"} {
		sh := exec.Command("sh", "-n")
		sh.Stdin = strings.NewReader(texts["/"+script])
		if out, err := sh.CombinedOutput(); err != nil || texts["/"+script] == "" {
			t.Errorf("%s of %s: %v: %s", script, file, err, out)
		}
	}
}

func TestRPMContents(t *testing.T) {
	r := testRelease(t)
	info, err := r.info("rpm", "arm64", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := nfpm.PrepareForPackager(info, "rpm"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range info.Contents {
		switch mode := c.FileInfo.Mode.Perm(); c.Type {
		case files.TypeImplicitDir:
		case files.TypeDir:
			got = append(got, (mode|os.ModeDir).String()+" "+strings.TrimSuffix(c.Destination, "/"))
		default:
			got = append(got, mode.String()+" "+c.Destination)
		}
		if doc := strings.HasPrefix(c.Destination, docs) && c.Type != files.TypeImplicitDir; doc != (c.Type == files.TypeRPMDoc) && !strings.HasPrefix(c.Destination, "/usr/share/man/") {
			t.Errorf("%s is of the type %q", c.Destination, c.Type)
		}
	}
	slices.Sort(got)
	if want := lines(commonFiles + rpmFiles); !slices.Equal(got, want) {
		t.Errorf("the rpm has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, err := r.writePackage("rpm", "arm64"); err != nil {
		t.Error(err)
	}
}

// What rpm itself makes of the file: it is whole, its configuration is kept, and its
// scripts are for a shell.
func TestRPMQuery(t *testing.T) {
	program, err := exec.LookPath("rpm")
	if err != nil {
		t.Skip("there is no rpm")
	}
	file, err := testRelease(t).writePackage("rpm", "amd64")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ ask, want string }{
		{"--checksig", "digests OK"},
		{"--query --package --configfiles", "/etc/logrotate.d/spliceway\n/etc/spliceway/config.yaml\n"},
		{"--query --package --changelog", "* Tue Nov 14 2023 Packer <packer@spliceway.test> - 1.2.3-1\n- Package of v1.2.3."},
		{"--query --package --scripts", "postinstall scriptlet (using /bin/sh):"},
		{"--query --package --scripts", "preuninstall scriptlet (using /bin/sh):"},
		{"--query --package --scripts", "postuninstall scriptlet (using /bin/sh):"},
	} {
		out, err := exec.Command(program, append(strings.Fields(row.ask), file)...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), row.want) {
			t.Errorf("rpm %s: %v: %s, want %q", row.ask, err, out, row.want)
		}
	}
}

func TestImage(t *testing.T) {
	r := testRelease(t)
	if err := r.image(); err != nil {
		t.Fatal(err)
	}
	index, err := layout.ImageIndexFromPath(filepath.Join(r.dist, "image"))
	if err != nil {
		t.Fatal(err)
	}
	outer, err := index.IndexManifest()
	if err != nil || len(outer.Manifests) != 1 {
		t.Fatalf("the layout has %v, %v, want one index", outer, err)
	}
	if index, err = index.ImageIndex(outer.Manifests[0].Digest); err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil || len(manifest.Manifests) != len(arches()) {
		t.Fatalf("the index has %v, %v, want an image for each of %q", manifest, err, arches())
	}
	for i, arch := range arches() {
		image, err := index.Image(manifest.Manifests[i].Digest)
		if err != nil {
			t.Fatal(err)
		}
		checkImage(t, image, arch)
	}
}

func checkImage(t *testing.T, image v1.Image, arch string) {
	t.Helper()
	file, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	c := file.Config
	if got, want := fmt.Sprint(file.OS, " ", file.Architecture, " ", c.User, c.Entrypoint, c.Cmd),
		"linux "+arch+" 65532:65532[/usr/bin/spliceway] [serve --config /etc/spliceway/config.yaml]"; got != want {
		t.Errorf("the image is %s, want %s", got, want)
	}
	layers, err := image.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("the image has %d layers, %v, want one", len(layers), err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	headers, texts := entries(t, content)
	for _, h := range headers {
		owned := strings.HasPrefix(h.Name, "/var/") && path.Base(h.Name) == "spliceway"
		if owned != (h.Uid == imageUser) || h.FileInfo().Mode().Perm()&0o022 != 0 {
			t.Errorf("%s %s is of %d", h.FileInfo().Mode(), h.Name, h.Uid)
		}
	}
	for name, want := range map[string]string{
		"/etc/passwd":                        "spliceway:x:65532:65532::/:/sbin/nologin\n",
		"/etc/group":                         "spliceway:x:65532:\n",
		"/etc/ssl/certs/ca-certificates.crt": "BEGIN CERTIFICATE",
		"/usr/bin/spliceway":                 "spliceway for " + arch,
		docs + "LICENSE":                     "Apache License",
		docs + billName:                      "spliceway.cdx.json for " + arch,
		docs + licencesName:                  "spliceway.licenses for " + arch,
	} {
		if !strings.Contains(texts[name], want) {
			t.Errorf("%s of the image lacks %q", name, want)
		}
	}
}

// What is made twice is the same, to the octet.
func TestPackTwice(t *testing.T) {
	made := [2]map[string]string{}
	for i := range made {
		r := testRelease(t)
		if err := r.pack([]string{"packages", "image"}); err != nil {
			t.Fatal(err)
		}
		made[i] = map[string]string{}
		for _, pattern := range []string{"*.deb", "*.rpm", "*.tar"} {
			names, err := filepath.Glob(filepath.Join(r.dist, pattern))
			if err != nil || len(names) == 0 {
				t.Fatalf("%s: %q, %v", pattern, names, err)
			}
			for _, name := range names {
				data, err := os.ReadFile(name)
				if err != nil {
					t.Fatal(err)
				}
				made[i][filepath.Base(name)] = string(data)
			}
		}
	}
	for name, data := range made[0] {
		if made[1][name] != data {
			t.Errorf("%s differs from one time to the next", name)
		}
	}
}
