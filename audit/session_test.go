package audit

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

func TestSessionLines(t *testing.T) {
	exit := 3
	s := &Session{
		Connection: &Connection{ID: "c1", RemoteAddr: "192.0.2.1:5000", User: "ann", Groups: []string{"dev"}, Cluster: "prod"},
		RequestID:  []byte("c1-2"), ID: "01jp", Kind: "exec", Protocol: "websocket", Subprotocol: "v5.channel.k8s.io",
		Namespace: "shop", Pod: "web-1", Container: "main", Command: []string{"sh", "-c", "id"}, TTY: true,
		Mode: "strict", Rule: "shells",
	}
	const who = `"conn_id":"c1","request_id":"c1-2","session_id":"01jp","kind":"exec","protocol":"websocket",` +
		`"cluster":"prod","namespace":"shop","pod":"web-1","user":"ann",`
	for _, row := range []struct {
		name string
		tell func(*Log)
		want string
	}{
		{"started", func(l *Log) { l.SessionStarted(s) },
			`"event":"session.started",` + who + `"groups":["dev"],"remote_addr":"192.0.2.1:5000","subprotocol":"v5.channel.k8s.io",` +
				`"container":"main","command":["sh","-c","id"],"tty":true,"mode":"strict","rule":"shells"}`},
		{"ended", func(l *Log) {
			l.SessionEnded(s, &SessionEnd{Recording: "recorded", Exit: &exit, BytesUp: 1, BytesDown: 2, Duration: 3 * time.Second})
		},
			`"event":"session.ended",` + who + `"recording":"recorded","exit":3,"bytes_up":1,"bytes_down":2,"duration":3000}`},
		{"ended-badly", func(l *Log) {
			l.SessionEnded(s, &SessionEnd{Recording: "failed", Reason: "recorder", Err: errors.New("disk full")})
		},
			`"event":"session.ended",` + who + `"recording":"failed","reason":"recorder","error":"disk full","bytes_up":0,"bytes_down":0,"duration":0}`},
		{"forward-opened", func(l *Log) { l.PortForwardOpened(s, &PortForward{Port: 80, Number: 1}) },
			`"event":"portforward.opened",` + who + `"port":80,"number":1}`},
		{"forward-closed", func(l *Log) {
			l.PortForwardClosed(s, &PortForward{Port: 80, Number: 1, BytesUp: 5, BytesDown: 6, Text: "refused"})
		},
			`"event":"portforward.closed",` + who + `"port":80,"number":1,"bytes_up":5,"bytes_down":6,"error":"refused"}`},
		{"file", func(l *Log) {
			l.FileTransferred(s, &File{Name: "etc/\x1b[31mpasswd", Direction: "download", Size: 7, Mode: 0o644, SHA256: "ab"})
		},
			`"event":"file.transferred",` + who + `"file":"etc/\u001b[31mpasswd","direction":"download","size":7,"file_mode":420,"sha256":"ab"}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			var b bytes.Buffer
			l := New(&b, nil)
			l.now = func() time.Time { return time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC) }
			row.tell(l)
			want := `{"time":"2026-07-01T10:00:00.000Z",` + row.want + "\n"
			if b.String() != want {
				t.Errorf("got  %swant %s", b.String(), want)
			}
		})
	}
}

func TestLinesReportTheirErrors(t *testing.T) {
	var b bytes.Buffer
	l := New(&b, nil)
	if n, err := l.Lines().Write([]byte("a line\n")); n != 7 || err != nil || b.String() != "a line\n" {
		t.Errorf("Write = %d, %v with %q written, want all 7 octets", n, err, b.String())
	}
	full := errors.New("full")
	told := 0
	l = New(failing{full}, func(error) { told++ })
	if n, err := l.Lines().Write([]byte("a line\n")); n != 0 || !errors.Is(err, full) || told != 0 {
		t.Errorf("Write = %d, %v, the callback told %d times, want 0, full, 0", n, err, told)
	}
}

// failing is a writer that takes nothing.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
