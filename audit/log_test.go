package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/spliceway/spliceway/trace"
)

var (
	testTime = time.Date(2026, 7, 1, 12, 0, 0, 345678000, time.FixedZone("", 7200))

	testConnection = &Connection{ID: "c1", ClientID: "k1", RemoteAddr: "192.0.2.1:5000", User: "ann",
		Groups: []string{"dev", "ops"}, Subject: "u-1", Device: "d-1", Cluster: "prod",
		Target: "prod.int:443", Resource: "r-1", Expires: testTime.Add(time.Hour)}
)

// logTo returns a log with a stopped clock.
func logTo(w io.Writer, onError func(error)) *Log {
	l := New(w, onError)
	l.now = func() time.Time { return testTime }
	return l
}

func exampleRequest(info *RequestInfo) *Request {
	target := []byte("/api/v1/namespaces/demo/pods?limit=500&token=secret")
	info.Parse([]byte("GET"), target)
	return &Request{Connection: testConnection, ID: []byte("r1"), Info: info, Method: []byte("GET"), Path: target,
		Status: 200, Protocol: "http1", BytesUp: 120, BytesDown: 4096, Duration: 1500 * time.Microsecond,
		AuditID: []byte("a1"), UserAgent: []byte("kubectl/v1.36.3")}
}

// The lines as an auditor sees them.
func TestLogLines(t *testing.T) {
	for _, row := range []struct {
		name string
		tell func(*Log)
		want string
	}{
		{"connection-opened", func(l *Log) { l.ConnectionOpened(testConnection) },
			`{"time":"2026-07-01T10:00:00.345Z","event":"connection.opened","conn_id":"c1","client_id":"k1",` +
				`"remote_addr":"192.0.2.1:5000","user":"ann","groups":["dev","ops"],"subject":"u-1","device":"d-1",` +
				`"cluster":"prod","target":"prod.int:443","grant":"r-1","expires":"2026-07-01T11:00:00.345Z"}`},
		{"connection-opened-service", func(l *Log) { l.ConnectionOpened(&Connection{ID: "c1", User: "ci", Service: true}) },
			`{"time":"2026-07-01T10:00:00.345Z","event":"connection.opened","conn_id":"c1","user":"ci","service":true}`},
		{"connection-refused", func(l *Log) {
			l.ConnectionRefused(&Connection{ID: "c2", RemoteAddr: "192.0.2.1:5000"}, "connect", 401, "expired", errors.New("authn: token expired 3s ago"))
		},
			`{"time":"2026-07-01T10:00:00.345Z","event":"connection.refused","conn_id":"c2","remote_addr":"192.0.2.1:5000",` +
				`"phase":"connect","status":401,"reason":"expired","error":"authn: token expired 3s ago"}`},
		{"connection-refused-unanswered", func(l *Log) { l.ConnectionRefused(&Connection{ID: "c2"}, "outer", 0, "timeout", nil) },
			`{"time":"2026-07-01T10:00:00.345Z","event":"connection.refused","conn_id":"c2","phase":"outer","reason":"timeout"}`},
		{"connection-closed", func(l *Log) {
			l.ConnectionClosed(&Connection{ID: "c1"}, &ConnectionEnd{Reason: "eof", Requests: 3, BytesUp: 1, BytesDown: 2, Duration: time.Minute})
		},
			`{"time":"2026-07-01T10:00:00.345Z","event":"connection.closed","conn_id":"c1","reason":"eof","requests":3,` +
				`"bytes_up":1,"bytes_down":2,"duration":60000}`},
		{"connection-closed-blame", func(l *Log) {
			l.ConnectionClosed(&Connection{ID: "c1"}, &ConnectionEnd{Reason: "malformed", Blame: BlameClient, Err: io.ErrUnexpectedEOF})
		},
			`{"time":"2026-07-01T10:00:00.345Z","event":"connection.closed","conn_id":"c1","reason":"malformed","blame":"client",` +
				`"error":"unexpected EOF","requests":0,"bytes_up":0,"bytes_down":0,"duration":0}`},
		{"request", func(l *Log) { l.Request(exampleRequest(new(RequestInfo))) },
			`{"time":"2026-07-01T10:00:00.345Z","event":"request","conn_id":"c1","request_id":"r1","remote_addr":"192.0.2.1:5000",` +
				`"user":"ann","cluster":"prod","method":"GET","path":"/api/v1/namespaces/demo/pods","verb":"list","apiGroup":"",` +
				`"apiVersion":"v1","namespace":"demo","resource":"pods","status":200,"protocol":"http1","bytes_up":120,` +
				`"bytes_down":4096,"duration":1.5,"audit_id":"a1","user_agent":"kubectl/v1.36.3"}`},
		{"request-traced", func(l *Log) {
			place, _ := trace.Parse([]byte("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"))
			l.Request(&Request{Connection: testConnection, ID: []byte("r1"), Trace: place, Status: 200})
		},
			`{"time":"2026-07-01T10:00:00.345Z","event":"request","conn_id":"c1","request_id":"r1","trace_id":"0af7651916cd43dd8448eb211c80319c",` +
				`"remote_addr":"192.0.2.1:5000","user":"ann","cluster":"prod","status":200,"bytes_up":0,"bytes_down":0,"duration":0}`},
		{"request-unreadable", func(l *Log) {
			l.Request(&Request{Connection: testConnection, Status: 400, Reason: "bare LF", Blame: BlameClient, Err: errors.New("offset 12")})
		},
			`{"time":"2026-07-01T10:00:00.345Z","event":"request","conn_id":"c1","remote_addr":"192.0.2.1:5000","user":"ann",` +
				`"cluster":"prod","status":400,"bytes_up":0,"bytes_down":0,"duration":0,"reason":"bare LF","blame":"client","error":"offset 12"}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			var buf bytes.Buffer
			row.tell(logTo(&buf, nil))
			if got := buf.String(); got != row.want+"\n" {
				t.Errorf("wrote\n%swant\n%s", got, row.want)
			}
		})
	}
}

// decodeLine expects exactly one line and returns its fields.
func decodeLine(t *testing.T, line []byte) map[string]any {
	t.Helper()
	if n := bytes.Count(line, []byte{'\n'}); n != 1 || line[len(line)-1] != '\n' {
		t.Fatalf("%d newlines in %q, want one at the end", n, line)
	}
	var fields map[string]any
	if err := json.Unmarshal(line, &fields); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return fields
}

func TestRequestHostileText(t *testing.T) {
	hostile := "\"}\n{\"event\":\"request\",\"user\":\"root\"}\r\n\x00\x1b[2J\xff\xfe\u202e"
	var buf bytes.Buffer
	var info RequestInfo
	info.Parse([]byte("GET"), []byte("/api/v1/namespaces/%22%0a%7b/pods/%ff%00"))
	logTo(&buf, nil).Request(&Request{Connection: &Connection{ID: hostile, User: hostile, RemoteAddr: hostile},
		ID: []byte(hostile), Info: &info, Method: []byte(hostile), Path: []byte("/" + hostile), AuditID: []byte(hostile),
		UserAgent: []byte(hostile), Reason: hostile, Err: errors.New(hostile)})
	fields := decodeLine(t, buf.Bytes())
	if fields[FieldEvent] != EventRequest || fields[FieldNamespace] != "\"\n{" {
		t.Errorf("forged line: %q", buf.Bytes())
	}
	if !utf8.Valid(buf.Bytes()) {
		t.Errorf("line is not UTF-8: %q", buf.Bytes())
	}
}

func TestLongTextIsCut(t *testing.T) {
	long := strings.Repeat("ä", 5000)
	var buf bytes.Buffer
	l := logTo(&buf, nil)
	l.Request(&Request{Connection: testConnection, ID: []byte(long), Method: []byte("GET"),
		Path: []byte("/" + long), UserAgent: []byte(long), AuditID: []byte(long), Err: errors.New(long)})
	fields := decodeLine(t, buf.Bytes())
	for name, limit := range map[string]int{FieldRequestID: maxID, FieldPath: maxPath, FieldUserAgent: maxUserAgent,
		FieldAuditID: maxID, FieldError: maxError} {
		got, _ := fields[name].(string)
		if len(got) > limit || len(got) < limit-utf8.UTFMax || strings.ContainsRune(got, utf8.RuneError) {
			t.Errorf("%s has %d octets ending in %q, want just under %d and whole runes", name, len(got), got[max(0, len(got)-4):], limit)
		}
	}
	if fields[FieldTruncated] != true {
		t.Error("line does not say that it was truncated")
	}

	buf.Reset()
	l.ConnectionOpened(&Connection{ID: "c1", ClientID: long, User: long, Groups: []string{"dev", long}, Target: long})
	if fields = decodeLine(t, buf.Bytes()); fields[FieldTruncated] != true {
		t.Error("line does not say that it was truncated")
	}
	if buf.Len() > 4*maxName {
		t.Errorf("line has %d octets", buf.Len())
	}

	buf.Reset()
	l.ConnectionOpened(testConnection)
	if _, ok := decodeLine(t, buf.Bytes())[FieldTruncated]; ok {
		t.Error("a line with nothing cut says truncated")
	}
}

func TestQueryIsNeverWritten(t *testing.T) {
	for _, path := range []string{"/a?token=secret", "?secret", "https://h/a?secret", "/a??secret"} {
		var buf bytes.Buffer
		var info RequestInfo
		info.Parse([]byte("GET"), []byte(path))
		l := logTo(&buf, nil)
		l.Request(&Request{Connection: testConnection, Info: &info, Method: []byte("GET"), Path: []byte(path)})
		l.Request(&Request{Connection: testConnection, Info: &info, Method: []byte("GET")})
		if strings.Contains(buf.String(), "secret") {
			t.Errorf("path %q: wrote %s", path, buf.String())
		}
	}
}

// writes keeps each call of Write apart.
type writes struct {
	mu    sync.Mutex
	calls [][]byte
	fail  error // returned after half of the octets, if set
}

func (w *writes) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail != nil && len(p) > 1 {
		w.calls = append(w.calls, bytes.Clone(p[:len(p)/2]))
		return len(p) / 2, w.fail
	}
	w.calls = append(w.calls, bytes.Clone(p))
	return len(p), nil
}

func TestEachLineIsOneWrite(t *testing.T) {
	w := new(writes)
	l := New(w, nil)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			var info RequestInfo
			for range 50 {
				l.Request(exampleRequest(&info))
				l.ConnectionOpened(testConnection)
			}
		})
	}
	wg.Wait()
	if len(w.calls) != 400 {
		t.Errorf("%d calls of Write for 400 events", len(w.calls))
	}
	for _, call := range w.calls {
		decodeLine(t, call)
	}
}

func TestWriteErrorIsReportedAndNotFatal(t *testing.T) {
	var errs []error
	w := &writes{fail: io.ErrNoProgress}
	l := logTo(w, func(err error) { errs = append(errs, err) })
	l.ConnectionOpened(testConnection)
	if len(errs) != 1 || !errors.Is(errs[0], io.ErrNoProgress) {
		t.Fatalf("errors = %v, want the writer's", errs)
	}
	// When writing is possible again, the torn line does not spoil the next one.
	w.fail = nil
	l.ConnectionOpened(testConnection)
	all := bytes.Join(w.calls, nil)
	lines := bytes.SplitAfter(bytes.TrimSuffix(all, []byte{'\n'}), []byte{'\n'})
	if len(lines) != 2 || len(errs) != 1 {
		t.Fatalf("wrote %q with errors %v, want a torn and a whole line", all, errs)
	}
	decodeLine(t, append(lines[1], '\n'))
}

func TestOpenAppendsAndReopens(t *testing.T) {
	name := filepath.Join(t.TempDir(), "audit.log")
	if err := os.WriteFile(name, []byte("before\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var errs []error
	l, err := Open(name, func(err error) { errs = append(errs, err) })
	if err != nil {
		t.Fatal(err)
	}
	l.ConnectionOpened(&Connection{ID: "c1"})
	if err := os.Rename(name, name+".1"); err != nil {
		t.Fatal(err)
	}
	l.ConnectionOpened(&Connection{ID: "c2"})
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	l.ConnectionOpened(&Connection{ID: "c3"})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l.ConnectionOpened(&Connection{ID: "c4"})
	if len(errs) != 1 || !errors.Is(errs[0], errClosed) {
		t.Errorf("errors = %v, want one for the event after Close", errs)
	}
	for file, want := range map[string][]string{name + ".1": {"before", "c1", "c2"}, name: {"c3"}} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(string(data), "\n"); got != len(want) {
			t.Errorf("%s has %d lines, want %d:\n%s", file, got, len(want), data)
		}
		for _, s := range want {
			if !strings.Contains(string(data), s) {
				t.Errorf("%s lacks %s:\n%s", file, s, data)
			}
		}
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v (%v), want 0600", info.Mode(), err)
	}
}

func TestReopenErrorKeepsTheOldFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "audit.log")
	l, err := Open(name, func(err error) { t.Errorf("event lost: %v", err) })
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := os.Rename(dir, dir+".moved"); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Reopen() = %v, want a missing folder", err)
	}
	l.ConnectionOpened(testConnection)
	if data, err := os.ReadFile(filepath.Join(dir+".moved", "audit.log")); err != nil || len(data) == 0 {
		t.Errorf("the old file has %d octets (%v), want the event", len(data), err)
	}
}

func TestOpenError(t *testing.T) {
	l, err := Open(filepath.Join(t.TempDir(), "no", "audit.log"), nil)
	if l != nil || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Open() = %v, %v, want a missing folder", l, err)
	}
}

func TestStdoutIsNeitherReopenedNorClosed(t *testing.T) {
	l, err := Open(Stdout, nil)
	if err != nil || l.Reopen() != nil || l.Close() != nil {
		t.Errorf("Open, Reopen, Close of stdout: %v", err)
	}
	if l.queue.out.w != os.Stdout {
		t.Error("stdout was let go")
	}
}

func TestAppendTime(t *testing.T) {
	for _, at := range []time.Time{
		time.Unix(0, 0), time.Unix(1, 999_999_999), time.Date(2026, 12, 31, 23, 59, 59, 40_500_000, time.FixedZone("", -3600)),
		time.Date(2026, 1, 2, 3, 4, 5, 7_000_000, time.UTC),
	} {
		if got, want := string(appendTime(nil, at)), at.UTC().Format(timeFormat); got != want {
			t.Errorf("appendTime(%v) = %s, want %s", at, got, want)
		}
	}
}

func BenchmarkAppendTime(b *testing.B) {
	var stamp [2 * len(timeFormat)]byte
	now := time.Now()
	for b.Loop() {
		appendTime(stamp[:0], now)
	}
}
