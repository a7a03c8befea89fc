package confine

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

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
	n := Of(Files{
		Read:         []string{in("config.yaml"), in("tls/tls.crt"), in("keys/live/tls.key"), in("token/token"), in("seal/key"), ""},
		ReadFolders:  []string{in("account")},
		Write:        []string{in("cache/keys"), in("log/audit.log"), ""},
		WriteFolders: []string{in("rec/new"), ""},
		Sockets:      []string{in("run/admin.sock"), ""},
	})
	for _, want := range []string{filepath.Join(dir, "etc"), in("tls"), in("tls/..2026_01"), in("keys/live"), in("keys/archive"), in("token"), in("seal"), in("account")} {
		if !slices.Contains(n.Read, want) {
			t.Errorf("Of reads %q, want %s as well", n.Read, want)
		}
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
