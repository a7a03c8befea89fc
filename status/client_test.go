package status

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// serve answers on a Unix socket and returns its name.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: l, Config: &http.Server{Handler: handler}}
	server.Start()
	t.Cleanup(server.Close)
	return name
}

func TestFetchRefused(t *testing.T) {
	closed, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "s"), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	closed.SetUnlinkOnClose(false)
	closed.Close()
	for _, row := range []struct {
		name, socket, want string
		none               bool
	}{
		{"no-socket", filepath.Join(t.TempDir(), "none"), "check that the gateway runs", true},
		{"nobody", closed.Addr().String(), "check that the gateway runs", true},
		{"hangs-up", serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), "run it as root or as the user", false},
		{"refuses", serve(t, http.NotFound), "404 Not Found", false},
		{"no-gateway", serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }), "is no gateway", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, err := Fetch(t.Context(), row.socket)
			if r != nil || err == nil || !strings.Contains(err.Error(), row.want) || errors.Is(err, ErrNoGateway) != row.none {
				t.Errorf("Fetch = %v, %v, want %q", r, err, row.want)
			}
		})
	}
}
