package confine

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/spliceway/spliceway/config"
)

const settings = `
tls: {certificateFile: tls/tls.crt, privateKeyFile: keys/live/tls.key}
authn: {issuer: "https://issuer.test", audience: acme, jwksURL: "https://issuer.test/keys", cacheFile: cache/keys}
clusters:
  - {name: prod, address: 10.0.0.1, server: "https://10.0.0.1", bearerTokenFile: token/token}
  - {name: here, address: 10.0.0.2, inCluster: true}
recordings: {dir: rec/new, mode: strict, sealKeyFile: seal/key}
audit: {output: log/audit.log}
admin: {socket: run/admin.sock}
tracing: {endpoint: "https://collector.test", caFile: trace-ca/ca.crt, headersFile: trace-key/headers}
`

// load makes a configuration in dir.
func load(t *testing.T, dir, text string) (*config.Config, string) {
	t.Helper()
	file := filepath.Join(dir, "etc", "config.yaml")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return cfg, file
}

func symlink(t *testing.T, to, name string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(to, name); err != nil {
		t.Fatal(err)
	}
}

// Folders are those of the names and those that links lead to: of a volume of
// Kubernetes, and of a client for certificates that keeps them in an archive.
func TestOf(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, "etc", name) }
	write(t, in("tls/..2026_01/tls.crt"), in("keys/archive/tls7.key"), in("token/token"))
	symlink(t, "..2026_01", in("tls/..data"))
	symlink(t, "..data/tls.crt", in("tls/tls.crt"))
	symlink(t, "../archive/tls7.key", in("keys/live/tls.key"))
	cfg, file := load(t, dir, settings)
	n := Of(cfg, file)
	for _, want := range []string{filepath.Join(dir, "etc"), in("tls"), in("tls/..2026_01"), in("keys/live"), in("keys/archive"), in("token"), in("seal"), in("trace-ca"), in("trace-key")} {
		if !slices.Contains(n.Read, want) {
			t.Errorf("Of reads %q, want %s as well", n.Read, want)
		}
	}
	if !slices.ContainsFunc(n.Read, func(path string) bool { return strings.HasSuffix(path, "/secrets/kubernetes.io/serviceaccount") }) {
		t.Errorf("Of reads %q, want the service account as well", n.Read)
	}
	if want := []string{in("cache"), in("log"), in("rec/new")}; !slices.Equal(n.Write, want) {
		t.Errorf("Of writes %q, want %q", n.Write, want)
	}
	if want := []string{in("run")}; !slices.Equal(n.Bind, want) {
		t.Errorf("Of has sockets in %q, want %q", n.Bind, want)
	}
	if err := n.Cover(&n); err != nil {
		t.Errorf("Cover of the same = %v", err)
	}
}

// No key of the configuration that names a file is forgotten: behind it, the file
// could be read at the start, and no more when it has changed.
func TestOfHasAllFiles(t *testing.T) {
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
	if len(folders) < 10 {
		t.Fatalf("keys that name files are %v, want more of them", folders)
	}
	n := Of(&cfg, filepath.Join(dir, "config.yaml"))
	for key, folder := range folders {
		if !slices.Contains(slices.Concat(n.Read, n.Write), folder) {
			t.Errorf("Of has nothing for the file that %s names", key)
		}
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

func TestCover(t *testing.T) {
	has := Needs{Read: []string{"/etc/gw"}, Write: []string{"/var/rec"}}
	for _, row := range []struct {
		name  string
		other Needs
		want  string // of the error, empty: none
	}{
		{"nothing", Needs{}, ""},
		{"same", has, ""},
		{"below", Needs{Read: []string{"/etc/gw/a/b"}, Write: []string{"/var/rec/c"}}, ""},
		{"read-what-is-written", Needs{Read: []string{"/var/rec/keys"}}, ""},
		{"write-what-is-read", Needs{Write: []string{"/etc/gw"}}, "write to /etc/gw"},
		{"bind-where-is-written", Needs{Bind: []string{"/var/rec"}}, "open sockets in /var/rec"},
		{"above", Needs{Read: []string{"/etc"}}, "read /etc "},
		{"sibling", Needs{Read: []string{"/etc/gw2"}}, "read /etc/gw2"},
		{"other-folder-written", Needs{Write: []string{"/var/rec2"}}, "write to /var/rec2"},
	} {
		err := has.Cover(&row.other)
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%s: Cover = %v, want %q", row.name, err, row.want)
		}
	}
	if all := (Needs{Read: []string{"/"}}); all.Cover(&Needs{Read: []string{"/etc/gw"}}) != nil {
		t.Error("the root folder does not cover a folder in it")
	}
}
