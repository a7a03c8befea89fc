package main

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/spliceway/spliceway/cluster"
	"github.com/spliceway/spliceway/config"
	"github.com/spliceway/spliceway/internal/confine"
)

// No key of the configuration that names a file is forgotten: behind it, the file
// could be read at the start, and no more when it has changed.
func TestSandboxHasAllFiles(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var cfg config.Config
	folders := make(map[string]string) // by key
	nameFiles(reflect.ValueOf(&cfg).Elem(), "", func(key string) string {
		folders[key] = filepath.Join(dir, key)
		return filepath.Join(dir, key, "file")
	})
	cfg.Clusters[0].InCluster = true
	cfg.Recordings.Dir, cfg.Audit.Output, cfg.Admin.Socket = filepath.Join(dir, "rec"), filepath.Join(dir, "log", "audit.log"), filepath.Join(dir, "run", "admin.sock")
	if len(folders) < 10 {
		t.Fatalf("keys that name files are %v, want more of them", folders)
	}
	n := confine.Of(filesOf(&cfg, filepath.Join(dir, "config.yaml")))
	for key, folder := range folders {
		if !slices.Contains(slices.Concat(n.Read, n.Write), folder) {
			t.Errorf("the sandbox has nothing for the file that %s names", key)
		}
	}
	account := strings.TrimPrefix(cluster.ServiceAccountDir, "/var") // which may be a link
	if !slices.ContainsFunc(n.Read, func(path string) bool { return strings.HasSuffix(path, account) }) {
		t.Errorf("the sandbox reads %q, want the service account as well", n.Read)
	}
	for _, folder := range []string{"rec", "log", "authn.cacheFile"} {
		if !slices.Contains(n.Write, filepath.Join(dir, folder)) {
			t.Errorf("the sandbox writes %q, want %s as well", n.Write, folder)
		}
	}
	if !slices.Equal(n.Bind, []string{filepath.Join(dir, "run")}) {
		t.Errorf("the sandbox has sockets in %q, want run", n.Bind)
	}
}

// nameFiles gives every key of a file a name, of a list's element as well.
func nameFiles(v reflect.Value, key string, name func(key string) string) {
	switch {
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			tag, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
			nameFiles(v.Field(i), strings.Trim(key+"."+tag, "."), name)
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		nameFiles(v.Index(0), key, name)
	case v.Kind() == reflect.String && strings.HasSuffix(key, "File"):
		v.SetString(name(key))
	}
}
