package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/spliceway/spliceway/internal/testnet"
)

func writeFile(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
}

func tokenFile(t *testing.T, content string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "token")
	writeFile(t, name, content)
	return name
}

func caFile(t *testing.T, ca *testnet.CA) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ca.crt")
	writeFile(t, name, string(ca.PEM()))
	return name
}

func testCA(t *testing.T) *testnet.CA {
	t.Helper()
	return testnet.NewCA(t)
}

// apiServer accepts TLS on loopback, greets each client with the protocol it
// negotiated and closes.
func apiServer(t *testing.T, cfg *tls.Config) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				server := tls.Server(conn, cfg)
				if server.Handshake() == nil {
					state := server.ConnectionState()
					fmt.Fprintf(server, "alpn=%s resumed=%v client=%d\n", state.NegotiatedProtocol, state.DidResume, len(state.PeerCertificates))
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return "https://" + l.Addr().String()
}

// greeting dials c and returns what the server says.
func greeting(t *testing.T, c *Cluster) string {
	t.Helper()
	conn, err := c.Dial(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	data, err := io.ReadAll(conn)
	if err != nil && len(data) == 0 {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

func TestDial(t *testing.T) {
	ca := testCA(t)
	for _, row := range []struct {
		name   string
		server *tls.Config
	}{
		{"tls13", &tls.Config{NextProtos: []string{"h2", "http/1.1"}}},
		{"tls12", &tls.Config{NextProtos: []string{"h2", "http/1.1"}, MaxVersion: tls.VersionTLS12}},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.server.Certificates = []tls.Certificate{ca.Issue(t, "127.0.0.1")}
			c, err := New(Config{Name: "prod", Address: "a", Server: apiServer(t, row.server), CAFile: caFile(t, ca), BearerTokenFile: tokenFile(t, "t")})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := greeting(t, c), "alpn=http/1.1 resumed=false client=0"; got != want {
				t.Errorf("first connection: %q, want %q", got, want)
			}
			if got, want := greeting(t, c), "alpn=http/1.1 resumed=true client=0"; got != want {
				t.Errorf("second connection: %q, want %q", got, want)
			}
		})
	}
}

func TestDialServerName(t *testing.T) {
	ca := testCA(t)
	server := apiServer(t, &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "kubernetes.default.svc")}})
	c, err := New(Config{Name: "prod", Address: "a", Server: server, ServerName: "kubernetes.default.svc", CAFile: caFile(t, ca), BearerTokenFile: tokenFile(t, "t")})
	if err != nil {
		t.Fatal(err)
	}
	greeting(t, c)
}

func TestDialClientCertificate(t *testing.T) {
	ca := testCA(t)
	server := apiServer(t, &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "127.0.0.1")},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool()})
	certFile, keyFile, authorities := ca.WriteFiles(t, t.TempDir(), "spliceway")
	c, err := New(Config{Name: "prod", Address: "a", Server: server, CAFile: authorities, ClientCertificateFile: certFile, ClientKeyFile: keyFile})
	if err != nil {
		t.Fatal(err)
	}
	if got := greeting(t, c); !strings.HasSuffix(got, "client=1") {
		t.Errorf("server saw %q, want a client certificate", got)
	}
	if c.Authorization() != nil {
		t.Errorf("Authorization() = %q, want nil", c.Authorization())
	}
	if changed, err := c.Refresh(); changed || err != nil {
		t.Errorf("Refresh() = %v, %v, want nothing to do", changed, err)
	}
}

func TestDialFollowsTheAuthorities(t *testing.T) {
	old, next := testCA(t), testCA(t)
	server := apiServer(t, &tls.Config{Certificates: []tls.Certificate{next.Issue(t, "127.0.0.1")}})
	file := caFile(t, old)
	c, err := New(Config{Name: "prod", Address: "a", Server: server, CAFile: file, BearerTokenFile: tokenFile(t, "t")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Dial(t.Context(), nil); reasonOf(err) != ReasonAuthority {
		t.Fatalf("Dial() = %v, want an unknown authority", err)
	}
	writeFile(t, file, string(next.PEM()))
	if _, err := c.transport.Check(); err != nil {
		t.Fatal(err)
	}
	greeting(t, c)
	// The other way round: a session of before is not resumed.
	writeFile(t, file, string(old.PEM()))
	if _, err := c.transport.Check(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Dial(t.Context(), nil); reasonOf(err) != ReasonAuthority {
		t.Errorf("Dial() = %v, want an unknown authority", err)
	}
	// A file without certificates changes nothing.
	writeFile(t, file, "not PEM")
	if _, err := c.transport.Check(); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("Check() = %v, want an error that names the file", err)
	}
	if c.transport.Get().RootCAs == nil {
		t.Error("authorities are gone")
	}
}

func reasonOf(err error) string {
	var dial *DialError
	if errors.As(err, &dial) {
		return dial.Reason
	}
	return ""
}

func TestDialErrors(t *testing.T) {
	ca, stranger := testCA(t), testCA(t)
	past := time.Now().Add(-time.Hour)
	serve := func(cert tls.Certificate, change func(*tls.Config)) string {
		cfg := &tls.Config{Certificates: []tls.Certificate{cert}}
		if change != nil {
			change(cfg)
		}
		return apiServer(t, cfg)
	}
	raw := func(answer string) string { return "https://" + rawServer(t, answer) }
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()

	for _, row := range []struct{ name, server, reason, hint string }{
		{"unknown-authority", serve(stranger.Issue(t, "127.0.0.1"), nil), ReasonAuthority, "not signed by an authority in "},
		{"other-name", serve(ca.Issue(t, "other.int"), nil), ReasonServerName, "not for 127.0.0.1; set serverName"},
		{"expired", serve(ca.IssueValid(t, past.Add(-time.Hour), past, "127.0.0.1"), nil), ReasonCertificate, "expired"},
		{"old-tls", serve(ca.Issue(t, "127.0.0.1"), func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }), ReasonRejected, "rejected the handshake"},
		{"no-common-protocol", serve(ca.Issue(t, "127.0.0.1"), func(c *tls.Config) { c.NextProtos = []string{"imap"} }), ReasonRejected, "rejected the handshake"},
		{"refused", "https://" + closed.Addr().String(), ReasonRefused, "nothing listens there"},
		{"plain-http", raw("HTTP/1.1 400 Bad Request\r\n\r\n"), ReasonNoTLS, "not TLS"},
		{"closes", raw(""), ReasonClosed, "closed during the handshake"},
	} {
		t.Run(row.name, func(t *testing.T) {
			c, err := New(Config{Name: "prod", Address: "a", Server: row.server, CAFile: caFile(t, ca), BearerTokenFile: tokenFile(t, "hunter2")})
			if err != nil {
				t.Fatal(err)
			}
			conn, err := c.Dial(t.Context(), nil)
			if conn != nil || reasonOf(err) != row.reason || !strings.Contains(fmt.Sprint(err), row.hint) {
				t.Fatalf("Dial() = %T, %v (%s), want %s with %q", conn, err, reasonOf(err), row.reason, row.hint)
			}
			if !strings.HasPrefix(err.Error(), "cluster: dialing prod at 127.0.0.1:") || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error is %q", err)
			}
			sentence := err.(*DialError).Sentence()
			if strings.Contains(sentence, "127.0.0.1") || strings.HasSuffix(sentence, ": ") {
				t.Errorf("Sentence() = %q, want a reason and no address", sentence)
			}
		})
	}
}

// rawServer reads the first octets of each client, answers and closes.
func rawServer(t *testing.T, answer string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = io.WriteString(conn, answer)
			conn.Close()
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

// TestDialSilentServer needs real time: a kernel's connection is outside any
// bubble.
func TestDialSilentServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts in the backlog and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := New(Config{Name: "prod", Address: "a", Server: "https://" + l.Addr().String(), BearerTokenFile: tokenFile(t, "t"), DialTimeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Dial(t.Context(), nil); reasonOf(err) != ReasonTimeout || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Dial() = %v, want a timeout", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Dial(ctx, nil); reasonOf(err) != ReasonCanceled || !errors.Is(err, context.Canceled) {
		t.Errorf("Dial() = %v, want canceled", err)
	}
}

// Faults that a test cannot bring about on loopback.
func TestConnectionFault(t *testing.T) {
	c := &Cluster{cfg: Config{Name: "prod", ClientCertificateFile: "client.crt"}}
	for _, row := range []struct {
		err  error
		want string
	}{
		{&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "x"}}, ReasonName},
		{&net.OpError{Op: "dial", Err: &net.DNSError{Err: "dial udp 192.0.2.1:53: socket: too many open files", Name: "x"}}, ReasonExhausted},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}, ReasonExhausted},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)}, ReasonExhausted},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}, ReasonUnreachable},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}, ReasonUnreachable},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ETIMEDOUT)}, ReasonTimeout},
		{&net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, ReasonClosed},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}, ReasonRejected},
		{&tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.TooManyConstraints}}, ReasonCertificate},
		{errors.New("surprise"), ReasonOther},
	} {
		e := c.dialError(t.Context(), row.err)
		if e.Reason != row.want || e.Exhausted() != (row.want == ReasonExhausted) || e.Hint == "" || sentences[e.Reason] == "" {
			t.Errorf("dialError(%v) = %q, %q, want %q", row.err, e.Reason, e.Hint, row.want)
		}
	}
}

func TestTokenForms(t *testing.T) {
	for _, row := range []struct{ name, content, want, fault string }{
		{"plain", "abc.DEF-_~+/=", "abc.DEF-_~+/=", ""},
		{"newline", "abc\n", "abc", ""},
		{"crlf", "abc\r\n", "abc", ""},
		{"empty", "", "", "is empty"},
		{"only-newline", "\n", "", "is empty"},
		{"two-lines", "abc\ndef\n", "", "octet 3 is 0x0a"},
		{"two-newlines", "abc\n\n", "", "octet 3 is 0x0a"},
		{"header-injection", "abc\r\nImpersonate-User: root", "", "octet 3 is 0x0d"},
		{"blank", "abc def", "", "octet 3 is 0x20"},
		{"leading-blank", " abc", "", "octet 0 is 0x20"},
		{"tab", "abc\t", "", "octet 3 is 0x09"},
		{"nul", "abc\x00", "", "octet 3 is 0x00"},
		{"del", "abc\x7f", "", "octet 3 is 0x7f"},
		{"byte-order-mark", "\ufeffabc", "", "octet 0 is 0xef"},
		{"too-long", strings.Repeat("s", maxToken+1), "", "at most"},
	} {
		t.Run(row.name, func(t *testing.T) {
			file := tokenFile(t, row.content)
			line, err := loadAuthorization(file)
			if row.fault != "" {
				if line != nil || err == nil || !strings.Contains(err.Error(), row.fault) || !strings.Contains(err.Error(), file) {
					t.Errorf("loadAuthorization(%q) = %q, %v, want error with %q and the file", row.content, line, err, row.fault)
				} else if strings.Contains(err.Error(), "abc") || strings.Contains(err.Error(), "sss") {
					t.Errorf("error shows the token: %v", err)
				}
				return
			}
			if want := "Authorization: Bearer " + row.want + "\r\n"; err != nil || string(line) != want {
				t.Errorf("loadAuthorization(%q) = %q, %v, want %q", row.content, line, err, want)
			}
		})
	}
}

func TestRefresh(t *testing.T) {
	file := tokenFile(t, "one")
	c, err := New(Config{Name: "prod", Address: "a", Server: "https://h", BearerTokenFile: file})
	if err != nil {
		t.Fatal(err)
	}
	first := c.Authorization()
	kept := bytes.Clone(first)
	expect := func(wantChanged bool, wantErr bool, token string) {
		t.Helper()
		changed, err := c.Refresh()
		if changed != wantChanged || (err != nil) != wantErr {
			t.Errorf("Refresh() = %v, %v, want %v, error %v", changed, err, wantChanged, wantErr)
		}
		if got, want := string(c.Authorization()), "Authorization: Bearer "+token+"\r\n"; got != want {
			t.Errorf("Authorization() = %q, want %q", got, want)
		}
	}
	expect(false, false, "one")
	writeFile(t, file, "two")
	expect(true, false, "two")
	writeFile(t, file, "two\n") // another file, the same token
	expect(true, false, "two")
	writeFile(t, file, "three\nfour")
	expect(false, true, "two")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	expect(false, true, "two")
	writeFile(t, file, "five")
	expect(true, false, "five")
	if !bytes.Equal(first, kept) {
		t.Errorf("a line that was handed out changed to %q", first)
	}
}

func TestRunReports(t *testing.T) {
	ca := testCA(t)
	tokens, authorities := tokenFile(t, "one"), caFile(t, ca)
	synctest.Test(t, func(t *testing.T) {
		c, err := New(Config{Name: "prod", Address: "a", Server: "https://h", CAFile: authorities, BearerTokenFile: tokens})
		if err != nil {
			t.Fatal(err)
		}
		type reported struct {
			kind string
			err  error
		}
		reports := make(chan reported, 10)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Run(ctx, time.Second, func(kind string, err error) { reports <- reported{kind, err} })
		}()
		synctest.Wait()
		writeFile(t, tokens, "two")
		if r := <-reports; r.kind != KindToken || r.err != nil {
			t.Errorf("reported %v, want a new token", r)
		}
		writeFile(t, authorities, "not PEM")
		if r := <-reports; r.kind != KindTransport || r.err == nil {
			t.Errorf("reported %v, want bad authorities", r)
		}
		cancel()
		<-done
		if len(reports) != 0 {
			t.Errorf("%d more reports, first %v", len(reports), <-reports)
		}
	})
}
