package gateway

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// SIGTERM: idle tunnels end at once, a request that is running ends in order,
// streams go on until drain.timeout.
func TestDrain(t *testing.T) {
	b := start(t, settings{"drain": `{timeout: 1s}`})
	b.api.on("/apis/stream", echo)
	begun, release := make(chan struct{}), make(chan struct{})
	b.api.on("/slow", func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-release
		io.WriteString(w, "done")
	})
	idle, busy, stream := b.open(), b.open(), b.open()
	idle.mustAsk("/api")
	busy.begin("/slow")
	<-begun
	stream.startStream("/apis/stream")

	b.cancel()
	idle.wantEnd()
	if status, body := b.get("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "draining") {
		t.Errorf("GET /readyz while draining = %d %q, want 503", status, body)
	}
	if c, err := net.Dial("tcp", b.address); err == nil {
		c.Close()
		t.Error("a draining gateway takes connections")
	}
	close(release)
	if a := readAnswer(t, busy.r, http.MethodGet); a.status != 200 || a.body != "done" || !a.last {
		t.Errorf("the running request = %+v, want its answer, and that it is the last one", a)
	}
	busy.wantEnd()
	stream.wantEcho("still there")
	io.Copy(io.Discard, stream.r) // until it ends
	if err := b.stop(); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	reasons := map[string]int{}
	for _, closed := range b.audit.wait(t, 3, where("event", "connection.closed")) {
		reasons[closed.text("reason")]++
	}
	if reasons["drained"] != 2 || reasons["shutdown"] != 1 {
		t.Errorf("connections ended as %v, want two drained and one of shutdown", reasons)
	}
	b.log.one(t, "message", "stopped")
}

// Who sits at a terminal is told that the gateway is about to stop, and is told why
// the session ends, both in the recording too.
func TestDrainTellsSessions(t *testing.T) {
	path := strings.Split(execPath, "?")[0]
	b := start(t, settings{"drain": `{timeout: 4s}`, "recordings": `{dir: rec, mode: strict}`})
	gone := make(chan struct{})
	b.api.on(path, func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer c.Close()
		io.WriteString(c, commandAgreed+message(1, "")+message(1, "$ "))
		io.Copy(io.Discard, c) // until the gateway ends it
		close(gone)
	})
	n := b.open()
	if a := n.ask(path+"?command=sh&stdin=true&stdout=true&tty=true", websocketFields...); a.status != http.StatusSwitchingProtocols {
		t.Fatalf("the exec = %d %q, want 101", a.status, a.body)
	}
	if prompt, err := n.r.Peek(len(message(1, "") + message(1, "$ "))); err != nil {
		t.Fatalf("the client sees %q, %v", prompt, err)
	}
	b.cancel()
	const closed = "\x88\x02\x03\xe8"
	var seen []byte
	for !bytes.HasSuffix(seen, []byte(closed)) {
		octet, err := n.r.ReadByte()
		if err != nil {
			t.Fatalf("the client sees %q, %v, want a close frame at its end", seen, err)
		}
		seen = append(seen, octet)
	}
	n.Close()
	for _, want := range []string{"gateway: the gateway stops in 4s", "gateway: the gateway stops, so the session ends", `"reason":"ServiceUnavailable"`} {
		if !strings.Contains(string(seen), want) {
			t.Errorf("the client sees %q, want %q in it", seen, want)
		}
	}
	<-gone
	if err := b.stop(); err != nil {
		t.Errorf("Run = %v", err)
	}
	if e := b.audit.one(t, "event", "session.ended"); e.text("reason") != "shutdown" || e.text("recording") != "recorded" {
		t.Errorf("the session ended as %v, want it recorded and ended by shutdown", e)
	}
	if text, r := recorded(t, filepath.Join(b.dir, "rec")); !strings.Contains(text, "stops in 4s") || !strings.Contains(r.Cause, "stops") {
		t.Errorf("the recording shows %q and ends because of %q", text, r.Cause)
	}
}

// A tunnel that is being opened when draining begins gets no further.
func TestDrainOpening(t *testing.T) {
	b := start(t, nil)
	o := b.dial("")
	proof := o.proof()
	b.cancel()
	b.until("draining", b.gateway.draining.Load)
	head := connectHead(prodTarget, b.token(), proof)
	if _, err := io.WriteString(o, head); err != nil {
		t.Fatal(err)
	}
	if a := readAnswer(t, o.r, http.MethodConnect); a.status != http.StatusOK {
		t.Fatalf("CONNECT = %d, want 200", a.status)
	}
	b.inner(o, prodAlias).wantEnd()
	if err := b.stop(); err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
}

func TestRunPortTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	address := taken.Addr().String()
	for _, row := range []struct {
		name, want string
		config     settings
	}{
		{"listen", "listening: ", settings{"listen": fmt.Sprintf(`["127.0.0.1:0", %q]`, address)}},
		{"metrics", "listening for metrics: ", settings{"metrics": fmt.Sprintf(`{listen: %q}`, address)}},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBed(t)
			b.prepare(row.config)
			if err := b.gateway.Run(t.Context()); err == nil || !strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), address) {
				t.Errorf("Run = %v, want %q and the address", err, row.want)
			}
			b.wantNothingLeft()
		})
	}
}

// logrotate moves the file away and sends SIGHUP.
func TestReopenAudit(t *testing.T) {
	b := start(t, settings{"audit": `{output: audit.log}`})
	file := filepath.Join(b.dir, "audit.log")
	b.open().mustAsk("/api/before")
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) { // the line follows the answer
		if text, _ := os.ReadFile(file); strings.Contains(string(text), "/api/before") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the request is not in the audit log")
		}
	}
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	b.gateway.reopenAudit()
	b.log.one(t, "message", "audit log opened anew")
	b.open().mustAsk("/api/after")
	if err := b.stop(); err != nil {
		t.Errorf("Run = %v", err)
	}
	for name, want := range map[string]string{file + ".1": "/api/before", file: "/api/after"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(string(text), `"event":"request"`); got != 1 || !strings.Contains(string(text), want) {
			t.Errorf("%s has %d requests, want that of %s:\n%s", name, got, want, text)
		}
	}
}

// Of one that can't be opened anew, nothing is lost.
func TestReopenAuditNotPossible(t *testing.T) {
	b := newBed(t)
	dir := filepath.Join(b.dir, "audit")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	b.prepare(settings{"audit": `{output: audit/log}`})
	b.run()
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	b.gateway.reopenAudit()
	b.log.one(t, "level", "error", "file", filepath.Join(dir, "log"))
	b.open().mustAsk("/api/after")
	b.until("the event is there", func() bool {
		text, err := os.ReadFile(filepath.Join(dir+".away", "log"))
		return err == nil && strings.Contains(string(text), "/api/after")
	})
}

// An audit log that can't be written stops nobody, and is told of.
func TestAuditEventLost(t *testing.T) {
	b := newBed(t)
	b.prepare(settings{"audit": `{output: audit.log}`})
	b.run()
	if err := b.gateway.audit.Close(); err != nil {
		t.Fatal(err)
	}
	b.open().mustAsk("/api")
	logged := b.log.wait(t, 1, func(e event) bool { return strings.HasPrefix(e.text("message"), "audit events lost") })
	wantFields(t, logged[0], "level", "error", "file", filepath.Join(b.dir, "audit.log"))
	if got := b.metric("audit_errors_total"); got < 1 {
		t.Errorf("audit_errors_total = %v, want at least 1", got)
	}
}
