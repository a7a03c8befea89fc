package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// imageUser is nobody on the host, by the custom of images without a shell.
const imageUser = 65532

// image writes an OCI layout with an image for each architecture, as a folder and
// as an archive of it.
func (r *release) image() error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, arch := range arches() {
		image, err := r.platformImage(arch)
		if err != nil {
			return fmt.Errorf("image for %s: %w", arch, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add:        image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}},
		})
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	dir := filepath.Join(r.dist, "image")
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	root, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	name := layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "spliceway:" + r.version})
	if err := root.AppendIndex(index, name); err != nil {
		return err
	}
	archive := filepath.Join(r.dist, "spliceway-image.tar")
	if err := archiveFolder(dir, archive, r); err != nil {
		return err
	}
	fmt.Println(archive, digest)
	return nil
}

// platformImage returns the image of an architecture: one layer with the binary,
// the certificates of authorities, and the folders that a user without rights needs.
func (r *release) platformImage(arch string) (v1.Image, error) {
	files, err := r.imageFiles(arch)
	if err != nil {
		return nil, err
	}
	// For builders that go by deploy/Containerfile.
	if err := os.WriteFile(r.binary(arch)+".rootfs.tar", files, 0o644); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files)), nil }, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.Append(image, mutate.Addendum{
		Layer:   layer,
		History: v1.History{Created: v1.Time{Time: r.date}, CreatedBy: "make image"},
	})
	if err != nil {
		return nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Created = "linux", arch, v1.Time{Time: r.date}
	file.Config = v1.Config{
		User:         fmt.Sprintf("%d:%[1]d", imageUser),
		Entrypoint:   []string{"/usr/bin/spliceway"},
		Cmd:          []string{"serve", "--config", "/etc/spliceway/config.yaml"},
		WorkingDir:   "/",
		ExposedPorts: map[string]struct{}{"8443/tcp": {}},
		StopSignal:   "SIGTERM",
		Labels: map[string]string{
			"org.opencontainers.image.title":    "spliceway",
			"org.opencontainers.image.version":  r.version,
			"org.opencontainers.image.source":   "https://github.com/spliceway/spliceway",
			"org.opencontainers.image.licenses": license,
		},
	}
	return mutate.ConfigFile(image, file)
}

// imageFiles returns the archive of the layer.
func (r *release) imageFiles(arch string) ([]byte, error) {
	a := newArchive(r)
	for _, dir := range []string{
		"etc/", "etc/spliceway/", "etc/ssl/", "etc/ssl/certs/", "usr/", "usr/bin/",
		"usr/share/", "usr/share/doc/", "usr/share/doc/spliceway/", "var/", "var/cache/", "var/lib/",
	} {
		a.folder(dir, 0)
	}
	a.folder("var/cache/spliceway/", imageUser)
	a.folder("var/lib/spliceway/", imageUser)
	a.file("etc/passwd", fmt.Appendf(nil, "spliceway:x:%d:%[1]d::/:/sbin/nologin\n", imageUser), 0o644)
	a.file("etc/group", fmt.Appendf(nil, "spliceway:x:%d:\n", imageUser), 0o644)
	a.file("etc/ssl/certs/ca-certificates.crt", authorities(), 0o644)
	for _, file := range []struct {
		source, name string
		mode         int64
	}{
		{r.binary(arch), "usr/bin/spliceway", 0o755},
		{r.binary(arch) + ".cdx.json", docs[1:] + billName, 0o644},
		{r.binary(arch) + ".licenses", docs[1:] + licencesName, 0o644},
		{filepath.Join(r.root, "LICENSE"), docs[1:] + "LICENSE", 0o644},
	} {
		data, err := os.ReadFile(file.source)
		if err != nil {
			return nil, err
		}
		a.file(file.name, data, file.mode)
	}
	return a.bytes()
}
