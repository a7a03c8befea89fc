package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

const (
	docs         = "/usr/share/doc/spliceway/"
	billName     = "spliceway.cdx.json"
	licencesName = "third-party-licenses"

	description = `authenticated, recording gateway in front of Kubernetes API servers
 A client proves who it is with a signed token that is bound to its TLS
 connection; the gateway impersonates that user towards the API server and
 forwards everything else as it came. Interactive sessions are recorded and
 sealed. The token issuer and the proxy beside kubectl are the same program.`
)

// packages writes a package of each format for each architecture.
func (r *release) packages() error {
	for _, arch := range arches() {
		for _, format := range []string{"deb", "rpm"} {
			name, err := r.writePackage(format, arch)
			if err != nil {
				return fmt.Errorf("%s for %s: %w", format, arch, err)
			}
			fmt.Println(name)
		}
	}
	return nil
}

// writePackage writes one package and returns the name of its file.
func (r *release) writePackage(format, arch string) (string, error) {
	dir, err := os.MkdirTemp("", "spliceway-pack-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	info, err := r.info(format, arch, dir)
	if err != nil {
		return "", err
	}
	packager, err := nfpm.Get(format)
	if err != nil {
		return "", err
	}
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		return "", err
	}
	name := filepath.Join(r.dist, packager.ConventionalFileName(info))
	f, err := os.Create(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if err := packager.Package(info, f); err != nil {
		return "", err
	}
	return name, f.Close()
}

// info describes a package; dir is for files that are made for it.
func (r *release) info(format, arch, dir string) (*nfpm.Info, error) {
	version, err := packageVersion(r.version, r.date)
	if err != nil {
		return nil, err
	}
	t := &tree{release: r, dir: dir, format: format}
	t.common(arch)
	switch format {
	case "deb":
		t.debian(version)
	case "rpm":
		t.add(filepath.Join(r.root, "LICENSE"), "/usr/share/licenses/spliceway/LICENSE", files.TypeRPMLicense, 0o644)
	}
	if t.err != nil {
		return nil, t.err
	}
	scripts := filepath.Join(r.root, "deploy", "pack", "scripts")
	info := &nfpm.Info{
		Name: "spliceway", Arch: arch, Platform: "linux", Section: "net", Priority: "optional",
		Version: version, VersionSchema: "none", Release: "1",
		Maintainer: r.author, Description: description,
		Homepage: "https://github.com/spliceway/spliceway",
		MTime:    r.date, DisableGlobbing: true,
		Overridables: nfpm.Overridables{
			Contents: t.contents,
			Scripts: nfpm.Scripts{
				PostInstall: filepath.Join(scripts, "postinst"),
				PreRemove:   filepath.Join(scripts, "prerm"),
				PostRemove:  filepath.Join(scripts, "postrm"),
			},
			Deb: nfpm.Deb{Compression: "gzip"},
			RPM: nfpm.RPM{Compression: "gzip", BuildHost: "reproducible", Group: "System Environment/Daemons", Packager: r.author},
		},
	}
	if format == "deb" {
		info.Depends = []string{"systemd | systemd-standalone-sysusers | systemd-sysusers"}
		info.Recommends = []string{"ca-certificates"}
	} else {
		info.Depends = []string{"systemd"}
		info.Changelog = filepath.Join(dir, "changelog.yaml")
		if err := os.WriteFile(info.Changelog, r.changelog(version), 0o644); err != nil {
			return nil, err
		}
		info.License = license // dpkg has no such field
		info.Description = strings.ReplaceAll(description, "\n ", "\n")
		info.RPM.Summary, info.Description, _ = strings.Cut(info.Description, "\n")
		info.RPM.Summary = strings.ToUpper(info.RPM.Summary[:1]) + info.RPM.Summary[1:]
	}
	return info, nil
}

// common adds what all packages have.
func (t *tree) common(arch string) {
	r, binary := t.release, t.release.binary(arch)
	t.file(binary, "/usr/bin/spliceway", 0o755)
	t.text(t.configuration(), "/etc/spliceway/config.yaml", files.TypeConfigNoReplace)
	t.text(t.read("deploy/pack/logrotate"), "/etc/logrotate.d/spliceway", files.TypeConfigNoReplace)
	t.folder("/etc/spliceway")
	t.folder("/etc/spliceway-issuer")
	t.file("deploy/pack/sysusers.conf", "/usr/lib/sysusers.d/spliceway.conf", 0o644)
	for _, pattern := range []string{"*.service", "*.socket"} {
		names, err := filepath.Glob(filepath.Join(r.root, "deploy", "systemd", pattern))
		t.fail(err)
		for _, unit := range names {
			t.file(unit, unitDir(filepath.Base(unit))+filepath.Base(unit), 0o644)
		}
	}
	for _, page := range t.match(filepath.Join(r.dist, "man", "man*", "*")) {
		data, err := os.ReadFile(page)
		t.fail(err)
		t.zipped(string(data), "/usr/share/man/"+filepath.Base(filepath.Dir(page))+"/"+filepath.Base(page))
	}
	zsh := map[string]string{"deb": "vendor-completions", "rpm": "site-functions"}[t.format]
	for source, destination := range map[string]string{
		"spliceway.bash": "/usr/share/bash-completion/completions/spliceway",
		"_spliceway":     "/usr/share/zsh/" + zsh + "/_spliceway",
		"spliceway.fish": "/usr/share/fish/vendor_completions.d/spliceway.fish",
	} {
		t.file(filepath.Join(r.dist, "completions", source), destination, 0o644)
	}
	t.file("issuer/example.yaml", docs+"examples/issuer.yaml", 0o644)
	t.file("config/example.yaml", docs+"examples/config.yaml", 0o644)
	t.file(binary+".cdx.json", docs+billName, 0o644)
	t.file(binary+".licenses", docs+licencesName, 0o644)
	t.zipped(t.read("CHANGELOG.md"), docs+"changelog")
}

// changelog is what nfpm wants for the changelog of an rpm, with an entry that leads to
// ours.
func (r *release) changelog(version string) []byte {
	return fmt.Appendf(nil, "- semver: %q\n  date: %s\n  packager: %q\n  changes:\n    - note: %q\n",
		version+"-1", r.date.Format(time.RFC3339), r.author, "Package of "+r.version+". What changed is in "+docs+"changelog.gz.")
}

// unitDir is where systemd looks for a unit: the helper runs in the session of a
// user.
func unitDir(unit string) string {
	if strings.HasPrefix(unit, "spliceway-connect.") {
		return "/usr/lib/systemd/user/"
	}
	return "/usr/lib/systemd/system/"
}

// debian adds what the policy of Debian wants.
func (t *tree) debian(version string) {
	r := t.release
	t.zipped(fmt.Sprintf("spliceway (%s-1) unstable; urgency=medium\n\n  * Package of %s. What changed is in changelog.gz.\n\n -- %s  %s\n",
		version, r.version, r.author, r.date.Format(time.RFC1123Z)), docs+"changelog.Debian")
	t.file("deploy/pack/copyright", docs+"copyright", 0o644)
	t.file("deploy/pack/lintian-overrides", "/usr/share/lintian/overrides/spliceway", 0o644)
}

// configuration returns the example with the folders that the service has.
func (t *tree) configuration() string {
	text := t.read("config/example.yaml")
	for _, change := range [][2]string{
		{"  # cacheFile: \"\" ", "  cacheFile: /var/cache/spliceway/keys.json "},
		{"# admin:\n#   socket: \"\" ", "admin:\n  socket: /run/spliceway/admin.sock "},
		{"# recordings:\n#   dir: \"\" ", "recordings:\n  dir: /var/lib/spliceway/recordings "},
	} {
		if strings.Count(text, change[0]) != 1 {
			t.fail(fmt.Errorf("config/example.yaml lacks the line %q, which packages change", change[0]))
		}
		text = strings.Replace(text, change[0], change[1], 1)
	}
	return text
}
