package trace

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

	"github.com/spliceway/spliceway/internal/testnet"
)

func TestParseEndpoint(t *testing.T) {
	for _, row := range []struct{ text, want string }{ // want: empty if it is refused
		{"https://collector.example.com:4318", "https://collector.example.com:4318/v1/traces"},
		{"http://localhost:4318/", "http://localhost:4318/v1/traces"},
		{"https://example.com/otlp/v1/traces", "https://example.com/otlp/v1/traces"},
		{"collector:4318", ""},
		{"grpc://collector:4317", ""},
		{"https:///v1/traces", ""},
		{"https://user@example.com", ""},
		{"https://example.com?key=1", ""},
		{"https://example.com#key", ""},
		{"", ""},
	} {
		got := ""
		u, err := ParseEndpoint(row.text)
		if err == nil {
			got = u.String()
		}
		if got != row.want {
			t.Errorf("ParseEndpoint(%q) = %q, %v, want %q", row.text, got, err, row.want)
		}
	}
}

func TestParseHeaders(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{ // want: empty if it is refused
		{"one", "Authorization: Bearer secret", "Authorization: Bearer secret\r\n"},
		{"several", "# key\r\n\r\nx-key:  a:b \nX-Key: c\n", "X-Key: a:b\r\nX-Key: c\r\n"},
		{"no-value", "X-Key:", "X-Key: \r\n"},
		{"no-colon", "secret", ""},
		{"no-name", ": secret", ""},
		{"bad-name", "a secret: b", ""},
		{"bad-value", "X-Key: sec\x00ret", ""},
		{"ours", "content-type: secret", ""},
		{"host", "Host: secret", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			var got strings.Builder
			header, err := parseHeaders([]byte(row.text))
			if err == nil {
				if err := header.Write(&got); err != nil {
					t.Fatal(err)
				}
			}
			if got.String() != row.want {
				t.Errorf("parseHeaders(%q) = %q, %v, want %q", row.text, got.String(), err, row.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("parseHeaders(%q): %v, which tells a secret", row.text, err)
			}
		})
	}
}

// export is what a real collector has got.
type export struct {
	path   string
	header http.Header
	body   []byte
}

// listen returns a real collector with TLS, and what it gets.
func listen(t *testing.T, ca *testnet.CA) (url string, exports chan export) {
	t.Helper()
	exports = make(chan export, 100)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		exports <- export{r.URL.Path, r.Header, body}
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "127.0.0.1")}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL, exports
}

// wantExport waits for an export.
func wantExport(t *testing.T, exports chan export) export {
	t.Helper()
	select {
	case e := <-exports:
		return e
	case <-time.After(30 * time.Second):
		t.Fatal("nothing is exported")
		panic("unreachable")
	}
}

// The wire is read by the messages of OpenTelemetry itself.
func TestExport(t *testing.T) {
	ca, dir := testnet.NewCA(t), t.TempDir()
	url, exports := listen(t, ca)
	_, _, caFile := ca.WriteFiles(t, dir, "unused")
	told := &outcomes{}
	tracer, err := New(Config{
		Endpoint: url, CAFile: caFile, Ratio: 1, Process: []Attribute{String("service.name", "spliceway")}, Report: told.report,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer run(t, tracer)()
	above, _ := Parse([]byte(parent))
	at := time.Unix(1700000000, 123456789)
	tracer.Emit(&Span{
		Context: Context{TraceID: above.TraceID, SpanID: SpanID{1, 2, 3, 4, 5, 6, 7, 8}, Parent: above.SpanID, Sampled: true},
		Name:    "GET pods", Kind: Server, Start: at, End: at.Add(time.Second), Failed: true,
		Attributes: []Attribute{
			String("text", "a"), String("octets", []byte("b\xff")), Int("number", -7),
			String("long", strings.Repeat("é", 600)), String("longer", "x"+strings.Repeat("é", 600)),
		},
	})
	e := wantExport(t, exports)
	if e.path != "/v1/traces" || e.header.Get("Content-Type") != "application/x-protobuf" || e.header.Get("User-Agent") != "spliceway" {
		t.Errorf("the export goes to %s with %v", e.path, e.header)
	}
	var got, want collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(e.body, &got); err != nil {
		t.Fatal(err)
	}
	if err := prototext.Unmarshal([]byte(`resource_spans {
		resource { attributes { key: "service.name" value { string_value: "spliceway" } } }
		scope_spans {
			scope { name: "github.com/spliceway/spliceway/trace" }
			spans {
				trace_id: "\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c"
				span_id: "\x01\x02\x03\x04\x05\x06\x07\x08"
				parent_span_id: "\xb7\xad\x6b\x71\x69\x20\x33\x31"
				flags: 1 name: "GET pods" kind: SPAN_KIND_SERVER
				start_time_unix_nano: 1700000000123456789 end_time_unix_nano: 1700000001123456789
				attributes { key: "text" value { string_value: "a" } }
				attributes { key: "octets" value { string_value: "b\xef\xbf\xbd" } }
				attributes { key: "number" value { int_value: -7 } }
				attributes { key: "long" value { string_value: "`+strings.Repeat("é", 512)+`" } }
				attributes { key: "longer" value { string_value: "x`+strings.Repeat("é", 511)+`" } }
				status { code: STATUS_CODE_ERROR }
			}
		}
	}`), &want); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(&got, &want) {
		t.Errorf("exported\n%v\nwant\n%v", &got, &want)
	}
}

// Files are read anew when they change; one that can't be used changes nothing.
func TestReload(t *testing.T) {
	ca, dir := testnet.NewCA(t), t.TempDir()
	url, exports := listen(t, ca)
	_, _, caFile := ca.WriteFiles(t, dir, "unused")
	headers := filepath.Join(dir, "headers")
	replace := func(text string) {
		t.Helper()
		if err := os.WriteFile(headers+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(headers+".new", headers); err != nil {
			t.Fatal(err)
		}
	}
	replace("X-Key: one")
	tracer, err := New(Config{Endpoint: url, CAFile: caFile, HeadersFile: headers, Ratio: 1, Report: (&outcomes{}).report})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	reloads, done := make(chan error, 10), make(chan struct{})
	go func() {
		defer close(done)
		tracer.Run(ctx, 10*time.Millisecond, func(err error) { reloads <- err })
	}()
	wantKey := func(want string) {
		t.Helper()
		emit(tracer, 1)
		if got := wantExport(t, exports).header.Get("X-Key"); got != want {
			t.Errorf("X-Key: %s, want %s", got, want)
		}
	}
	wantKey("one")
	replace("no header")
	if err := <-reloads; err == nil {
		t.Error("a bad file of headers is taken")
	}
	wantKey("one")
	replace("X-Key: two")
	if err := <-reloads; err != nil {
		t.Error(err)
	}
	wantKey("two")
	cancel()
	<-done
}

// A collector with a certificate of somebody else gets nothing.
func TestExportToStranger(t *testing.T) {
	ca := testnet.NewCA(t)
	url, exports := listen(t, ca)
	_, _, other := testnet.NewCA(t).WriteFiles(t, t.TempDir(), "unused")
	told := &outcomes{}
	tracer, err := New(Config{Endpoint: url, CAFile: other, Ratio: 1, Report: told.report})
	if err != nil {
		t.Fatal(err)
	}
	emit(tracer, 1)
	stop := run(t, tracer)
	stop()
	if len(exports) != 0 || !strings.HasPrefix(told.String(), "failed 1") {
		t.Errorf("%d exports; %s %q", len(exports), told, told.errors)
	}
}

func TestNewRefuses(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(bad, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, cfg := range map[string]Config{
		"no endpoint":  {},
		"bad CA":       {Endpoint: "https://a.test", CAFile: bad},
		"no CA":        {Endpoint: "https://a.test", CAFile: bad + "not"},
		"bad headers":  {Endpoint: "https://a.test", HeadersFile: bad},
		"no headers":   {Endpoint: "https://a.test", HeadersFile: bad + "not"},
		"bad endpoint": {Endpoint: "a.test"},
	} {
		if _, err := New(cfg); err == nil || !strings.HasPrefix(err.Error(), "trace: ") {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
}
