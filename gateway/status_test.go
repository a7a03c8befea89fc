package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spliceway/spliceway/status"
)

// report asks for the status of the gateway.
func (b *bed) report() *status.Report {
	b.t.Helper()
	r, err := status.Fetch(b.t.Context(), filepath.Join(b.dir, "admin.sock"))
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// openCommand is an exec that says nothing and goes on until the client ends.
func openCommand(w http.ResponseWriter, _ *http.Request) {
	c, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		panic(err)
	}
	defer c.Close()
	io.WriteString(c, commandAgreed+message(1, ""))
	io.Copy(io.Discard, c)
}

func TestStatus(t *testing.T) {
	path := strings.Split(execPath, "?")[0]
	b := start(t, settings{"admin": `{socket: admin.sock}`, "limits": `{connections: 64, connectionsPerSource: 0, streamsPerUser: 7, queue: 0}`,
		"recordings": `{dir: rec, mode: off, quota: 1GiB, minFree: 0B, rules: [{name: shop, namespaces: [shop], mode: strict}]}`})
	b.api.on(path, openCommand)
	b.api.on("/apis/stream", echo)
	plain, session, application := b.open(), b.open(), b.open()
	plain.mustAsk("/api/one")
	plain.mustAsk("/api/two")
	if a := session.ask(path+"?command=sh&command=-c&command=echo+hi&stdin=true&stdout=true&tty=true", websocketFields...); a.status != http.StatusSwitchingProtocols {
		t.Fatalf("the exec = %d %q, want 101", a.status, a.body)
	}
	application.startStream("/apis/stream")
	application.wantEcho("12345")
	b.until("the first tunnel is idle", func() bool { return b.report().Connections[0].Requests == 2 })

	r := b.report()
	if len(r.Connections) != 3 || len(r.Streams) != 2 {
		t.Fatalf("%d connections and %d streams, want 3 and 2: %+v", len(r.Connections), len(r.Streams), r)
	}
	c := r.Connections[0]
	if c.User != "ann@example.com" || strings.Join(c.Groups, ",") != "dev,on call" || c.Cluster != "prod" || !c.Idle || c.BytesUp == 0 || c.BytesDown == 0 ||
		!strings.HasPrefix(c.RemoteAddr, "127.0.0.1:") || !c.Expires.After(r.Time) || c.Since.After(r.Time) {
		t.Errorf("the first connection is %+v", c)
	}
	if c := r.Connections[1]; c.Idle {
		t.Errorf("a connection with a session is %+v, want it busy", c)
	}
	exec, other := r.Streams[0], r.Streams[1]
	if exec.Kind != "exec" || exec.Namespace != "shop" || exec.Pod != "web-1" || strings.Join(exec.Command, "|") != "sh|-c|echo hi" ||
		!exec.TTY || exec.Mode != "strict" || exec.Rule != "shop" || exec.SessionID == "" || exec.ConnID != r.Connections[1].ID || exec.Protocol != "websocket" {
		t.Errorf("the exec is %+v", exec)
	}
	if other.Kind != "" || other.Mode != "off" || other.SessionID != "" || other.BytesUp != 5 || other.BytesDown != 5 {
		t.Errorf("the stream that nobody looks into is %+v, want 5 octets each way", other)
	}
	wantLimits(t, r.Limits, "connections 3/64", "connections_per_source 3/none", "unauthenticated 0/2048", "unauthenticated_per_source 0/512",
		"connections_per_user 3/4096", "streams_per_user 2/7", "upstream prod 2/8192", "queue prod 0/0")
	if r.Draining || r.Version != "v1" || r.PID != os.Getpid() {
		t.Errorf("the gateway is %+v", r)
	}
	if r.Keys.Fetched == nil || !strings.HasSuffix(r.Keys.Source, "keys.json") || len(r.Certificates) != 1 || !r.Certificates[0].Expires.After(r.Time) {
		t.Errorf("keys and certificates are %+v, %+v", r.Keys, r.Certificates)
	}
	if len(r.Clusters) != 1 || r.Clusters[0].Name != "prod" || r.Clusters[0].Active != 2 || r.Clusters[0].Error != "" {
		t.Errorf("the clusters are %+v, want both streams to be connections in use", r.Clusters)
	}
	if r.Recordings == nil || r.Recordings.Active != 1 || r.Recordings.Used == 0 || r.Recordings.Quota != 1<<30 || r.Recordings.Error != "" {
		t.Errorf("the recordings are %+v", r.Recordings)
	}
	session.Close()
	application.Close()
	b.until("the streams are gone", func() bool { return len(b.report().Streams) == 0 })
}

// wantLimits wants these, as "limit cluster in use/most".
func wantLimits(t *testing.T, limits []status.Limit, want ...string) {
	t.Helper()
	var got []string
	for _, l := range limits {
		most := "none"
		if l.Most != nil {
			most = strconv.Itoa(*l.Most)
		}
		got = append(got, strings.Join(strings.Fields(fmt.Sprintf("%s %s %d/%s", l.Name, l.Cluster, l.InUse, most)), " "))
	}
	if !slices.Equal(got, want) {
		t.Errorf("limits: %q, want %q", got, want)
	}
}

// What was reloaded when, and what was refused, can be seen; so can draining.
func TestStatusConfiguration(t *testing.T) {
	socket := settings{"admin": `{socket: admin.sock}`, "drain": `{timeout: 1m}`}
	b := start(t, socket)
	b.api.on("/apis/stream", echo)
	first := b.report().Configuration
	b.mustReload(socket)
	second := b.report().Configuration
	if !second.Loaded.After(first.Loaded) || second.Refused != "" {
		t.Errorf("a reload made %+v of %+v", second, first)
	}
	if err := b.reload(settings{"admin": `{socket: other.sock}`}); err == nil || !strings.Contains(err.Error(), "admin.socket can't change") {
		t.Errorf("reload with another socket = %v", err)
	}
	if now := b.report().Configuration; !now.Loaded.Equal(second.Loaded) || !strings.Contains(now.Refused, "admin.socket") {
		t.Errorf("a refused reload made %+v of %+v", now, second)
	}
	stream := b.open()
	stream.startStream("/apis/stream")
	b.cancel()
	b.until("it drains", func() bool { return b.report().Draining })
	if r := b.report(); len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "draining") || len(r.Streams) != 1 {
		t.Errorf("a draining gateway says %q and has %d streams", r.Problems, len(r.Streams))
	}
	stream.Close()
	if err := b.stop(); err != nil {
		t.Errorf("Run = %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(b.dir, "admin.sock*")); len(left) != 0 {
		t.Errorf("it has left %q", left)
	}
	if _, err := status.Fetch(t.Context(), filepath.Join(b.dir, "admin.sock")); !errors.Is(err, status.ErrNoGateway) {
		t.Errorf("Fetch without a gateway = %v, want ErrNoGateway", err)
	}
}

func TestLocalSocket(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "run", "admin.sock")
	if err := os.Mkdir(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	// What a process that was killed has left, and one that still drains.
	for _, process := range []string{"1", "2"} {
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: name + "." + process, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		if process == "1" {
			l.Close()
		} else {
			defer l.Close()
		}
	}
	if err := os.Symlink("admin.sock.1", name); err != nil {
		t.Fatal(err)
	}
	l, err := listenLocal(name)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if info, err := os.Stat(name); err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("the socket is %v, %v, want mode 0600", info, err)
	}
	if all := status.Sockets(name); len(all) != 2 || all[0] != name || all[1] != name+".2" {
		t.Errorf("Sockets = %q, want this process and the one that drains", all)
	}
	accepted := make(chan error, 1)
	go func() { // until it has accepted one
		c, err := l.Accept()
		if err == nil {
			c.Close()
		}
		accepted <- err
	}()
	c, err := net.Dial("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := <-accepted; err != nil {
		t.Errorf("Accept = %v", err)
	}
	// A successor has taken the name.
	if err := link("admin.sock.2", name); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if target, err := os.Readlink(name); err != nil || target != "admin.sock.2" {
		t.Errorf("the name of a successor is gone: %q, %v", target, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := listenLocal(filepath.Join(dir, "file")); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("listenLocal in place of a file = %v", err)
	}
}

func TestProfiling(t *testing.T) {
	ask := func(b *bed, path string) (int, string) {
		t.Helper()
		transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(b.dir, "admin.sock"))
		}}
		response, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Get("http://gateway" + path)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	b := start(t, settings{"admin": `{socket: admin.sock}`})
	if code, body := ask(b, "/debug/pprof/goroutine?debug=1"); code != http.StatusForbidden || !strings.Contains(body, "admin.profiling") {
		t.Errorf("profiling that is off = %d %q", code, body)
	}
	b.mustReload(settings{"admin": `{socket: admin.sock, profiling: true}`})
	if code, body := ask(b, "/debug/pprof/goroutine?debug=1"); code != http.StatusOK || !strings.Contains(body, "serveLocal") {
		t.Errorf("profiling that is on = %d %q", code, body)
	}
	if code, _ := b.get("/debug/pprof/"); code != http.StatusNotFound {
		t.Errorf("the metrics listener answers %d to a request for profiles", code)
	}
	if code, _ := ask(b, "/debug/pprof/cmdline"); code != http.StatusNotFound {
		t.Errorf("the command line = %d", code)
	}
}
