package gateway

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spliceway/spliceway/record"
)

const execPath = "/api/v1/namespaces/shop/pods/web-1/exec?command=id&container=main&stdout=true&stderr=true"

// websocketFields ask for an exec as kubectl does.
var websocketFields = []string{
	"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: v5.channel.k8s.io",
}

// message is a WebSocket message of the API server on a channel.
func message(channel byte, text string) string {
	return "\x82" + string(rune(len(text)+1)) + string(rune(channel)) + text
}

// commandAgreed is how the API server agrees to what websocketFields ask for.
const commandAgreed = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n"

// command is an exec that says a word and ends well.
func command(word string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		io.WriteString(conn, commandAgreed+message(1, "")+message(1, word+"\n")+message(3, `{"metadata":{},"status":"Success"}`)+"\x88\x02\x03\xe8")
	}
}

// recorded is the text of the only recording in a directory, and its metadata.
func recorded(t *testing.T, dir string) (string, *record.Recording) {
	t.Helper()
	var all []*record.Recording
	for r, err := range record.List(dir, record.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	if len(all) != 1 {
		t.Fatalf("there are %d recordings, want one", len(all))
	}
	return events(t, all[0].Path, 'o'), all[0]
}

// events is the text of a recording's events of one code.
func events(t *testing.T, path string, code byte) string {
	t.Helper()
	file, err := record.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var text strings.Builder
	for {
		e, err := file.Next()
		if err == io.EOF {
			return text.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		if e.Code == code {
			text.Write(e.Text)
		}
	}
}

func TestRecordExec(t *testing.T) {
	b := start(t, settings{"recordings": `{dir: rec, mode: strict, notice: "you are recorded"}`})
	b.api.on(strings.Split(execPath, "?")[0], command("marker-7"))
	n := b.open()
	if a := n.ask(execPath, websocketFields...); a.status != http.StatusSwitchingProtocols {
		t.Fatalf("the exec = %d %q, want 101", a.status, a.body)
	}
	seen, err := io.ReadAll(n.r)
	if err != nil || !strings.Contains(string(seen), "marker-7") || !strings.Contains(string(seen), "you are recorded") {
		t.Errorf("the client sees %q, %v, want the command's word and the notice", seen, err)
	}
	n.Close()
	started := b.audit.one(t, "event", "session.started")
	ended := b.audit.one(t, "event", "session.ended")
	if started.text("pod") != "web-1" || started.text("mode") != "strict" || ended.text("recording") != "recorded" ||
		started.text("session_id") == "" || started.text("session_id") != ended.text("session_id") {
		t.Errorf("the session was told as\n%v\n%v", started, ended)
	}
	b.wantMetric(`streams_total{cluster="prod",outcome="recorded",protocol="websocket"}`, 1)
	if err := b.stop(); err != nil {
		t.Errorf("Run = %v", err)
	}
	dir := filepath.Join(b.dir, "rec")
	text, r := recorded(t, dir)
	if !strings.Contains(text, "marker-7") || !strings.Contains(text, "you are recorded") {
		t.Errorf("the recording shows %q, want what the client saw", text)
	}
	if r.User != "ann@example.com" || r.Namespace != "shop" || r.Container != "main" || r.Exit == nil || *r.Exit != 0 || r.State != record.StateComplete {
		t.Errorf("the recording is of %+v", r.Metadata)
	}
	key, err := record.ReadPublicKey(filepath.Join(dir, "seal.pub"))
	if err != nil {
		t.Fatal(err)
	}
	if v, err := record.Verify(r.Path, key); err != nil || !v.OK() {
		t.Errorf("Verify = %v, %v", v, err)
	}
}

// A command that the API server runs where none was asked for has no recording that was
// open before it: strict mode refuses it, though there would be room for one.
func TestRecordUnexpectedSession(t *testing.T) {
	const path = "/api/v1/namespaces/shop/pods/web-1/portforward"
	for mode, want := range map[string]int{"strict": http.StatusForbidden, "best-effort": http.StatusSwitchingProtocols} {
		t.Run(mode, func(t *testing.T) {
			b := start(t, settings{"recordings": `{dir: rec, mode: ` + mode + `}`})
			b.api.on(path, func(w http.ResponseWriter, _ *http.Request) {
				c, _, err := w.(http.Hijacker).Hijack()
				if err != nil {
					panic(err)
				}
				io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"+
					"X-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n")
				c.Close()
			})
			n := b.open()
			a := n.ask(path, "Connection: Upgrade", "Upgrade: SPDY/3.1",
				"X-Stream-Protocol-Version: v4.channel.k8s.io", "X-Stream-Protocol-Version: portforward.k8s.io")
			n.Close()
			if a.status != want {
				t.Errorf("the stream = %d %q, want %d", a.status, a.body, want)
			}
			if mode == "strict" {
				b.audit.one(t, "event", "connection.closed") // and counted before that
				b.wantMetric(`refusals_total{reason="unrecordable"}`, 1)
				return
			}
			if e := b.audit.one(t, "event", "session.ended"); e.text("recording") != "recorded" {
				t.Errorf("the session ended as %v, want it recorded", e)
			}
		})
	}
}

// An API server that says how the command ended and then forgets the connection does
// not keep the recording open.
func TestRecordForgottenStream(t *testing.T) {
	t.Parallel()
	b := start(t, settings{"recordings": `{dir: rec, mode: strict}`})
	b.api.on(strings.Split(execPath, "?")[0], func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer c.Close()
		io.WriteString(c, commandAgreed+message(1, "marker-10\n")+message(3, `{"metadata":{},"status":"Success"}`))
		io.Copy(io.Discard, c) // until the gateway ends it
	})
	n := b.open()
	n.ask(execPath, websocketFields...)
	if seen, err := io.ReadAll(n.r); err != nil || !strings.Contains(string(seen), "marker-10") {
		t.Errorf("the client sees %q, %v, want the command's word and the end", seen, err)
	}
	n.Close()
	if e := b.audit.one(t, "event", "session.ended"); e.text("reason") != "" || e.text("recording") != "recorded" {
		t.Errorf("the session ended as %v, want in order", e)
	}
}

// A close frame of either side, with nothing behind it, does not keep the recording open
// either.
func TestRecordForgottenClose(t *testing.T) {
	const clientCloses = "\x88\x82\x00\x00\x00\x00\x03\xe8"
	for name, test := range map[string]struct{ server, client string }{
		"by-server": {server: "\x88\x02\x03\xe8"},
		"by-client": {client: clientCloses},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t, settings{"recordings": `{dir: rec, mode: strict}`})
			b.api.on(strings.Split(execPath, "?")[0], func(w http.ResponseWriter, _ *http.Request) {
				c, _, err := w.(http.Hijacker).Hijack()
				if err != nil {
					panic(err)
				}
				defer c.Close()
				io.WriteString(c, commandAgreed+message(1, "marker-11\n")+test.server)
				io.Copy(io.Discard, c) // until the gateway ends it
			})
			n := b.open()
			n.ask(execPath, websocketFields...)
			if _, err := io.WriteString(n, test.client); err != nil {
				t.Fatal(err)
			}
			if seen, err := io.ReadAll(n.r); err != nil || !strings.Contains(string(seen), "marker-11") {
				t.Errorf("the client sees %q, %v, want the command's word and the end", seen, err)
			}
			n.Close()
			if e := b.audit.one(t, "event", "session.ended"); e.text("reason") != "" || e.text("recording") != "recorded" {
				t.Errorf("the session ended as %v, want in order", e)
			}
		})
	}
}

// What can't be decoded is no session that strict mode lets begin, and one that
// best-effort counts.
func TestRecordUnreadableStream(t *testing.T) {
	const path = "/api/v1/namespaces/shop/pods/web-1/exec"
	b := start(t, settings{"recordings": `{dir: rec, mode: strict}`})
	b.api.on(path, echo)
	refused := b.open()
	a := refused.ask(path, "Connection: Upgrade", "Upgrade: SPDY/3.1")
	refused.Close()
	b.audit.one(t, "event", "connection.closed") // and counted before that
	if a.status != http.StatusForbidden || !strings.Contains(a.body, "sessions are recorded here") {
		t.Errorf("the exec = %d %q, want 403 with a sentence", a.status, a.body)
	}
	b.wantMetric(`refusals_total{reason="unrecordable"}`, 1)
	for _, r := range b.api.requests() { // a command could be running behind it
		if r.URL.Path == path {
			t.Errorf("the API server got %s, want nothing of it", r.URL)
		}
	}

	b = start(t, settings{"recordings": `{dir: rec, mode: best-effort}`})
	b.api.on(path, echo)
	n := b.open()
	n.startStream(path)
	n.wantEcho("unseen")
	n.Close()
	if e := b.audit.one(t, "event", "session.ended"); e.text("recording") != "failed" {
		t.Errorf("the session ended as %v, want its recording failed", e)
	}
}

// What turns out unreadable in the middle of a session ends it in strict mode, before
// the client gets any of it. In best-effort the client gets all of it, octet for octet.
func TestRecordUnreadableMiddle(t *testing.T) {
	sent := message(1, "") + message(1, "marker-12\n") + "\x83\x02ab" + message(1, "marker-13\n")
	for mode, want := range map[string][2]string{"strict": {"recorded", "protocol"}, "best-effort": {"failed", ""}} {
		t.Run(mode, func(t *testing.T) {
			b := start(t, settings{"recordings": `{dir: rec, mode: ` + mode + `}`})
			b.api.on(strings.Split(execPath, "?")[0], func(w http.ResponseWriter, _ *http.Request) {
				c, _, err := w.(http.Hijacker).Hijack()
				if err != nil {
					panic(err)
				}
				defer c.Close()
				io.WriteString(c, commandAgreed+sent)
			})
			n := b.open()
			n.ask(execPath, websocketFields...)
			seen, _ := io.ReadAll(n.r)
			n.Close()
			if mode == "strict" && strings.Contains(string(seen), "marker-13") || mode == "best-effort" && string(seen) != sent {
				t.Errorf("the client sees %q of %q", seen, sent)
			}
			e := b.audit.one(t, "event", "session.ended")
			if e.text("recording") != want[0] || e.text("reason") != want[1] || !strings.Contains(e.text("error"), "unknown opcode") {
				t.Errorf("the session ended as %v, want it %q", e, want)
			}
			if err := b.stop(); err != nil {
				t.Errorf("Run = %v", err)
			}
			if text, _ := recorded(t, filepath.Join(b.dir, "rec")); !strings.Contains(text, "marker-12") || strings.Contains(text, "marker-13") {
				t.Errorf("the recording shows %q, want what came before", text)
			}
		})
	}
}

// What is typed is recorded if that is configured.
func TestRecordInput(t *testing.T) {
	for _, input := range []bool{true, false} {
		b := start(t, settings{"recordings": fmt.Sprintf(`{dir: rec, mode: strict, input: %v}`, input)})
		b.api.on(strings.Split(execPath, "?")[0], func(w http.ResponseWriter, _ *http.Request) {
			c, buffered, err := w.(http.Hijacker).Hijack()
			if err != nil {
				panic(err)
			}
			defer c.Close()
			io.WriteString(c, commandAgreed+message(1, "")+message(1, "$ "))
			io.ReadFull(buffered, make([]byte, 6+1+len("marker-14\r")))
			io.WriteString(c, message(1, "marker-14\r\n")+message(3, `{"metadata":{},"status":"Success"}`)+"\x88\x02\x03\xe8")
		})
		n := b.open()
		n.ask(execPath+"&stdin=true&tty=true", websocketFields...)
		io.WriteString(n, "\x82\x8b\x00\x00\x00\x00\x00marker-14\r") // masked with zeros
		io.Copy(io.Discard, n.r)
		n.Close()
		if err := b.stop(); err != nil {
			t.Errorf("Run = %v", err)
		}
		_, r := recorded(t, filepath.Join(b.dir, "rec"))
		if typed := events(t, r.Path, 'i'); strings.Contains(typed, "marker-14") != input {
			t.Errorf("the recording has %q as typed with input: %v", typed, input)
		}
	}
}

func TestRecordWithoutStore(t *testing.T) {
	for mode, want := range map[string]int{"strict": http.StatusServiceUnavailable, "best-effort": http.StatusSwitchingProtocols} {
		t.Run(mode, func(t *testing.T) {
			b := start(t, settings{"recordings": `{dir: rec, mode: ` + mode + `}`})
			b.api.on(strings.Split(execPath, "?")[0], command("marker-8"))
			if err := os.RemoveAll(filepath.Join(b.dir, "rec")); err != nil {
				t.Fatal(err)
			}
			n := b.open()
			a := n.ask(execPath, websocketFields...)
			rest, _ := io.ReadAll(n.r)
			n.Close()
			if a.status != want || strings.Contains(string(rest), "marker-8") != (mode == "best-effort") {
				t.Errorf("the exec = %d %q and then %q, want %d", a.status, a.body, rest, want)
			}
			if mode == "best-effort" {
				b.audit.one(t, "event", "session.ended") // and counted before that
				b.wantMetric(`streams_total{cluster="prod",outcome="failed",protocol="websocket"}`, 1)
				return
			}
			if !strings.Contains(a.body, "can't be recorded") {
				t.Errorf("the refusal is %q, want a sentence", a.body)
			}
			b.wantMetric(`refusals_total{reason="recorder"}`, 1)
			for _, r := range b.api.requests() { // a command could be running behind it
				if r.URL.Path == strings.Split(execPath, "?")[0] {
					t.Errorf("the API server got %s, want nothing of it", r.URL)
				}
			}
		})
	}
}

// An exemption is by a named rule, and is counted.
func TestRecordExempt(t *testing.T) {
	b := start(t, settings{"recordings": `{dir: rec, mode: strict, rules: [{name: robots, users: ["ann@*"], mode: "off"}]}`})
	b.api.on(strings.Split(execPath, "?")[0], command("marker-9"))
	n := b.open()
	n.ask(execPath, websocketFields...)
	if seen, _ := io.ReadAll(n.r); !strings.Contains(string(seen), "marker-9") {
		t.Errorf("the client sees %q", seen)
	}
	n.Close()
	if e := b.audit.one(t, "event", "session.started"); e.text("mode") != "off" || e.text("rule") != "robots" {
		t.Errorf("the session started as %v, want it exempt by the rule robots", e)
	}
	b.audit.one(t, "event", "session.ended") // and counted before that
	b.wantMetric(`streams_total{cluster="prod",outcome="exempt",protocol="websocket"}`, 1)
}

// The recording is there before the API server hears of the session, and goes if it
// does not agree to one.
func TestRecordingBeforeRequest(t *testing.T) {
	b := start(t, settings{"recordings": `{dir: rec, mode: strict}`})
	seen := make(chan int, 1)
	count := func() (n int) {
		for _, err := range record.List(filepath.Join(b.dir, "rec"), record.Filter{}) {
			if err != nil {
				t.Error(err)
			}
			n++
		}
		return n
	}
	b.api.on(strings.Split(execPath, "?")[0], func(w http.ResponseWriter, _ *http.Request) {
		seen <- count()
		w.WriteHeader(http.StatusForbidden)
	})
	n := b.open()
	if a := n.ask(execPath, websocketFields...); a.status != http.StatusForbidden {
		t.Errorf("the exec = %d, want the API server's 403", a.status)
	}
	n.Close()
	b.audit.one(t, "event", "connection.closed")
	if got := <-seen; got != 1 {
		t.Errorf("%d recordings were there when the API server heard of the session, want one", got)
	}
	if got := count(); got != 0 {
		t.Errorf("%d recordings are left of a session that did not begin", got)
	}
}

// The content of what is copied is kept, if that is configured.
func TestRecordKeepFiles(t *testing.T) {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, name := range []string{"../../etc/passwd", "two"} {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(name))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, name); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, keep := range []bool{true, false} {
		b := start(t, settings{"recordings": fmt.Sprintf(`{dir: rec, mode: strict, keepFiles: %v}`, keep)})
		b.api.on(strings.Split(execPath, "?")[0], func(w http.ResponseWriter, _ *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				panic(err)
			}
			defer c.Close()
			io.WriteString(c, commandAgreed+message(1, ""))
			for p := archive.Bytes(); len(p) > 0; p = p[min(len(p), 100):] {
				io.WriteString(c, message(1, string(p[:min(len(p), 100)])))
			}
			io.WriteString(c, message(3, `{"metadata":{},"status":"Success"}`)+"\x88\x02\x03\xe8")
		})
		n := b.open()
		n.ask(execPath, websocketFields...)
		io.Copy(io.Discard, n.r)
		n.Close()
		if err := b.stop(); err != nil {
			t.Errorf("Run = %v", err)
		}
		_, r := recorded(t, filepath.Join(b.dir, "rec"))
		if len(r.Transfers) != 2 {
			t.Fatalf("the recording has %+v, want two files", r.Transfers)
		}
		for _, copied := range r.Transfers {
			content, err := record.OpenTransfer(r.Path, &copied)
			if (err == nil) != keep {
				t.Fatalf("OpenTransfer = %v with keepFiles: %v", err, keep)
			}
			if !keep {
				continue
			}
			if got, err := io.ReadAll(content); err != nil || string(got) != copied.Name {
				t.Errorf("%s has %q, %v", copied.Name, got, err)
			}
			content.Close()
		}
	}
}
