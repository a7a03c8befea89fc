package connect

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spliceway/spliceway/authn"
	"github.com/spliceway/spliceway/issuer"
)

// client is net/http with proxy-url, as client-go sets it up.
func (f *fixture) client() *http.Client {
	return f.clientWith(f.secret)
}

func (f *fixture) clientWith(secret string) *http.Client {
	f.t.Helper()
	proxy, err := url.Parse(proxyURL(f.address, secret))
	if err != nil {
		f.t.Fatal(err)
	}
	transport := &http.Transport{
		Proxy:             http.ProxyURL(proxy),
		TLSClientConfig:   &tls.Config{RootCAs: f.gateway.pool()},
		DisableKeepAlives: true,
	}
	return &http.Client{Transport: transport, Timeout: 30 * time.Second}
}

// get returns the body, or the error without the URL in front of it, as kubectl shows it.
func (f *fixture) get(url string) (string, error) { return fetch(f.client(), url) }

func fetch(client *http.Client, address string) (string, error) {
	response, err := client.Get(address)
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return "", wrapped.Err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func (f *fixture) wantGet(url, want string) {
	f.t.Helper()
	if got, err := f.get(url); err != nil || got != want {
		f.t.Errorf("GET %s = %q, %v, want %q\n%s", url, got, err, want, f.log)
	}
}

func (f *fixture) wantRefused(url string, texts ...string) {
	f.t.Helper()
	got, err := f.get(url)
	if err == nil {
		f.t.Errorf("GET %s = %q, want an error with %q", url, got, texts)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			f.t.Errorf("GET %s = %v, want an error with %q", url, err, text)
		}
	}
}

func TestRequestsReachTheCluster(t *testing.T) {
	f := start(t)
	for _, host := range []string{"prod.int", "10.0.0.1", "10.0.0.1:6443", "edge.example.com", "a.pods.example.com"} {
		f.wantGet("https://"+host+"/", "GET "+host+" ")
	}
	response, err := f.client().Post("https://prod.int/", "text/plain", strings.NewReader(strings.Repeat("x", 1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || len(body) != len("POST prod.int ")+1<<20 {
		t.Errorf("POST of 1 MiB: %d octets came back, %v", len(body), err)
	}
	if minted, listed := f.issuer.counts(); minted != 3 || listed != 1 {
		t.Errorf("%d tokens for 3 resources and %d lists, want 3 and 1", minted, listed)
	}
}

func TestManyClientsShareOneToken(t *testing.T) {
	f := start(t)
	var clients sync.WaitGroup
	for range 20 {
		clients.Go(func() { f.wantGet("https://prod.int/", "GET prod.int ") })
	}
	clients.Wait()
	if minted, listed := f.issuer.counts(); minted != 1 || listed != 1 {
		t.Errorf("20 clients have led to %d tokens and %d lists, want 1 and 1", minted, listed)
	}
}

// TestRefusalsAreShown wants that the user of net/http, and so of kubectl, reads why and what to do.
func TestRefusalsAreShown(t *testing.T) {
	tests := []struct {
		name  string
		setup func(*fixture)
		url   string
		want  []string
	}{
		{"unknown-host", nil, "https://other.int/", []string{"no resource of yours has this host (other.int)", "ask the administrator"}},
		{"pattern-two-labels", nil, "https://a.b.pods.example.com/", []string{"no resource of yours"}},
		{"pattern-no-label", nil, "https://pods.example.com/", []string{"no resource of yours"}},
		{"other-port", nil, "https://edge.example.com:6443/", []string{"port 443 instead of 6443"}},
		{"wrong-password", func(f *fixture) {
			writeTestFile(f.t, f.options.Issuer.Credentials.PasswordFile, []byte("wrong"))
		}, "https://prod.int/", []string{"the issuer refused (the user or the password is wrong)", "check the user name"}},
		{"issuer-down", func(f *fixture) { f.issuer.server.Close() }, "https://prod.int/",
			[]string{"the issuer cannot be reached", "connection refused", "check the network"}},
		{"issuer-throttles", func(f *fixture) { f.issuer.script(429, `{"error":"too many wrong passwords, wait a minute"}`) },
			"https://prod.int/", []string{"too many wrong passwords, wait a minute"}},
		{"issuer-is-something-else", func(f *fixture) { f.issuer.script(404, `<html>`) },
			"https://prod.int/", []string{"the issuer refused (404 Not Found)", "check the issuer's address"}},
		{"issuer-redirects", func(f *fixture) { f.issuer.script(302, ``) }, "https://prod.int/", []string{"302 Found"}},
		{"issuer-sends-line-ends", func(f *fixture) { f.issuer.script(403, `{"error":"no\r\nX-Evil: 1"}`) },
			"https://prod.int/", []string{"no  X-Evil: 1"}},
		{"gateway-word", func(f *fixture) {
			f.gateway.script("HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\ncluster")
		}, "https://prod.int/", []string{"the gateway refused (cluster)", "ask the administrator"}},
		{"gateway-bare", func(f *fixture) { f.gateway.script("HTTP/1.1 400 Bad Request\r\n\r\n") },
			"https://prod.int/", []string{"the gateway refused the target (status 400)"}},
		{"gateway-is-something-else", func(f *fixture) { f.gateway.script("SSH-2.0-OpenSSH\r\n") },
			"https://prod.int/", []string{"the gateway cannot be reached", "malformed HTTP"}},
		{"gateway-redirects", func(f *fixture) { f.gateway.script("HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n") },
			"https://prod.int/", []string{"is a gateway's"}},
		{"gateway-endless-head", func(f *fixture) {
			f.gateway.script("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2*maxAnswerHead) + "\r\n\r\n")
		}, "https://prod.int/", []string{"the gateway cannot be reached"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t)
			if tt.setup != nil {
				tt.setup(f)
			}
			f.wantRefused(tt.url, append(tt.want, "spliceway: ")...)
			f.wantLog(`"level":"error"`, `"status":`)
			if strings.Contains(f.log.String(), testPassword) || strings.Contains(f.log.String(), f.secret) {
				t.Error("the log has a secret")
			}
		})
	}
}

// script answers every request of an authenticated user.
func (f *fakeIssuer) script(status int, body string) {
	f.set(func() {
		f.refuse = func(w http.ResponseWriter, _ string) bool {
			w.Header().Set("Location", "https://elsewhere.example.com/")
			w.WriteHeader(status)
			io.WriteString(w, body)
			return true
		}
	})
}

// script answers every CONNECT whose token and proof are good.
func (g *fakeGateway) script(answer string) {
	g.set(func() { g.answer = func(*authn.Grant) (string, bool) { return answer, true } })
}

func TestGatewayFaults(t *testing.T) {
	tests := []struct {
		name   string
		change func(*fixture)
		want   string
	}{
		{"other-authority", func(f *fixture) { f.options.GatewayCAFile = gatewayCA(f.t) }, "the gateway's certificate is not trusted"},
		{"other-name", func(f *fixture) { f.options.GatewayServerName = "other.example.com" }, "its name other.example.com"},
		{"not-listening", func(f *fixture) { f.options.Gateway = "127.0.0.1:1" }, "the gateway cannot be reached"},
		{"tls-1.2-only", func(f *fixture) {
			f.gateway.outer.MinVersion, f.gateway.outer.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
		},
			"the gateway cannot be reached"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t, tt.change)
			f.wantRefused("https://prod.int/", tt.want)
		})
	}
}

func TestNewHostIsFoundAfterAWhile(t *testing.T) {
	f := start(t)
	f.wantRefused("https://new.int/", "no resource of yours")
	f.issuer.set(func() {
		f.issuer.resources = append(f.issuer.resources, issuer.ResourceInfo{Name: "new", Address: "new.int"})
	})
	f.proxy.list.mu.Lock()
	f.proxy.list.current.fetched = time.Now().Add(-2 * resourcesRetry)
	f.proxy.list.mu.Unlock()
	resource, err := f.proxy.list.find(context.Background(), "new.int:443")
	if err != nil || resource.Name != "new" {
		t.Errorf("find = %v, %v, want the new resource", resource, err)
	}
}

func TestRefusedTokenIsReplacedOnce(t *testing.T) {
	f := start(t)
	f.wantGet("https://prod.int/", "GET prod.int ")
	f.gateway.set(func() {
		f.gateway.answer = func(grant *authn.Grant) (string, bool) {
			return "HTTP/1.1 401 Unauthorized\r\nContent-Length: 7\r\n\r\nexpired", grant.TokenID == "token-1"
		}
	})
	f.wantGet("https://prod.int/", "GET prod.int ")
	if got := strings.Join(f.gateway.tokens(), " "); got != "token-1 token-1 token-2" {
		t.Errorf("the gateway saw %q, want one attempt with the old token and one with a new one", got)
	}
}

func TestFreshTokenIsNotReplaced(t *testing.T) {
	f := start(t)
	f.gateway.script("HTTP/1.1 401 Unauthorized\r\nContent-Length: 8\r\n\r\naudience")
	f.wantRefused("https://prod.int/", "the gateway refused the token (audience)", "check this machine's clock")
	if got := strings.Join(f.gateway.tokens(), " "); got != "token-1" {
		t.Errorf("the gateway saw %q, want one attempt", got)
	}
	f.wantRefused("https://prod.int/", "the gateway refused the token")
	if minted, _ := f.issuer.counts(); minted != 2 {
		t.Errorf("%d tokens, want one for each connection: the refused one is not kept", minted)
	}
}

func TestTokenGoesOnWithoutIssuer(t *testing.T) {
	f := start(t)
	f.wantGet("https://prod.int/", "GET prod.int ")
	token := f.proxy.tokenFor("prod")
	token.mu.Lock()
	token.current.renewAt = time.Now().Add(-time.Minute)
	token.mu.Unlock()
	f.issuer.server.Close()
	f.wantGet("https://prod.int/", "GET prod.int ")
	f.waitForTasks(token)
	f.wantLog(`"level":"warn"`, "renewal failed", "the token for prod")

	token.mu.Lock()
	token.current.expires = time.Now()
	token.failure = nil // as after some seconds
	token.mu.Unlock()
	f.wantRefused("https://prod.int/", "the issuer cannot be reached")
}

// waitForTasks waits for the fetch that runs in the background, if it is still running.
func (f *fixture) waitForTasks(l *lease[string]) {
	l.mu.Lock()
	running := l.running
	l.mu.Unlock()
	if running != nil {
		<-running.done
	}
	for range 200 { // the line is logged behind done
		if strings.Contains(f.log.String(), "renewal failed") {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// connectRaw speaks the proxy's protocol by hand.
func (f *fixture) connectRaw(head string) (*net.TCPConn, *bufio.Reader) {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, head); err != nil {
		f.t.Fatal(err)
	}
	return conn.(*net.TCPConn), bufio.NewReader(conn)
}

func (f *fixture) basic() string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte("spliceway:"+f.secret))
}

func TestAdmission(t *testing.T) {
	f := start(t)
	const connect = "CONNECT prod.int:443 HTTP/1.1\r\nHost: prod.int:443\r\n"
	good := "Proxy-Authorization: " + f.basic() + "\r\n"
	encode := base64.StdEncoding.EncodeToString
	tests := []struct {
		name, head string
		status     int
	}{
		{"good", connect + good + "\r\n", 200},
		{"no-secret", connect + "\r\n", 407},
		{"wrong-secret", connect + "Proxy-Authorization: Basic " + encode([]byte("spliceway:x")) + "\r\n\r\n", 407},
		{"wrong-user", connect + "Proxy-Authorization: Basic " + encode([]byte("root:"+f.secret)) + "\r\n\r\n", 407},
		{"secret-and-more", connect + "Proxy-Authorization: Basic " + encode([]byte("spliceway:"+f.secret+"x")) + "\r\n\r\n", 407},
		{"bearer", connect + "Proxy-Authorization: Bearer " + f.secret + "\r\n\r\n", 407},
		{"end-to-end-field", connect + "Authorization: " + f.basic() + "\r\n\r\n", 407},
		{"get", "GET /healthz HTTP/1.1\r\nHost: x\r\n" + good + "\r\n", 405},
		{"absolute-form", "GET http://prod.int/ HTTP/1.1\r\nHost: prod.int\r\n" + good + "\r\n", 400},
		{"no-port", "CONNECT prod.int HTTP/1.1\r\nHost: prod.int\r\n" + good + "\r\n", 400},
		{"bare-lf", "CONNECT prod.int:443 HTTP/1.1\n\n", 400},
		{"endless", connect + "X: " + strings.Repeat("x", maxClientHead), 431},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, reader := f.connectRaw(tt.head)
			response, err := http.ReadResponse(reader, &http.Request{Method: http.MethodConnect})
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != tt.status {
				t.Errorf("%q = %s, want %d", tt.head, response.Status, tt.status)
			}
			if tt.status == 407 && response.Header.Get("Proxy-Authenticate") == "" {
				t.Error("407 without Proxy-Authenticate (RFC 9110, Section 15.5.8)")
			}
			if tt.status != 200 {
				body, _ := io.ReadAll(response.Body)
				if want := strings.TrimPrefix(response.Status, fmt.Sprint(tt.status, " ")) + "\n"; string(body) != want {
					t.Errorf("body = %q, want the reason phrase %q", body, want)
				}
			}
		})
	}
	if _, err := fetch(f.clientWith(strings.Repeat("x", 43)), "https://prod.int/"); err == nil ||
		!strings.Contains(err.Error(), "the proxy-url has no secret or a wrong one") {
		t.Errorf("net/http with a wrong secret = %v", err)
	}
}

// TestEarlyOctetsAndHalfClose sends octets together with the CONNECT, ends its side, and still gets the answer.
func TestEarlyOctetsAndHalfClose(t *testing.T) {
	f := start(t)
	f.gateway.set(func() {
		f.gateway.bare = func(conn net.Conn) {
			defer conn.Close()
			data, err := io.ReadAll(conn) // ends only when the client's half-close has come through
			fmt.Fprintf(conn, "got %q %v", data, err)
		}
	})
	conn, reader := f.connectRaw("CONNECT prod.int:443 HTTP/1.1\r\nHost: prod.int:443\r\nProxy-Authorization: " + f.basic() + "\r\n\r\nearly")
	if response, err := http.ReadResponse(reader, &http.Request{Method: http.MethodConnect}); err != nil || response.StatusCode != 200 {
		t.Fatalf("CONNECT = %v, %v", response, err)
	}
	io.WriteString(conn, " and late")
	conn.CloseWrite()
	if got, err := io.ReadAll(reader); err != nil || string(got) != `got "early and late" <nil>` {
		t.Errorf("the tunnel returned %q, %v", got, err)
	}
}

// TestHalfCloseFromGateway is the other direction: the client goes on sending after the gateway's end.
func TestHalfCloseFromGateway(t *testing.T) {
	f := start(t)
	got := make(chan string, 1)
	f.gateway.set(func() {
		f.gateway.bare = func(conn net.Conn) {
			defer conn.Close()
			conn.(*bufferedConn).CloseWrite()
			data, _ := io.ReadAll(conn)
			got <- string(data)
		}
	})
	conn, reader := f.connectRaw("CONNECT prod.int:443 HTTP/1.1\r\nHost: prod.int:443\r\nProxy-Authorization: " + f.basic() + "\r\n\r\n")
	if _, err := http.ReadResponse(reader, &http.Request{Method: http.MethodConnect}); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.ReadByte(); err != io.EOF {
		t.Fatalf("Read = %v, want the gateway's end", err)
	}
	io.WriteString(conn, "still here")
	conn.CloseWrite()
	if data := <-got; data != "still here" {
		t.Errorf("the gateway got %q after its half-close", data)
	}
}

func TestTunnelsEndWithTheProxy(t *testing.T) {
	f := &fixture{t: t}
	ended := make(chan struct{})
	t.Run("running", func(t *testing.T) {
		f = start(t)
		f.gateway.set(func() {
			f.gateway.bare = func(conn net.Conn) {
				defer close(ended)
				defer conn.Close()
				io.Copy(io.Discard, conn)
			}
		})
		_, reader := f.connectRaw("CONNECT prod.int:443 HTTP/1.1\r\nHost: prod.int:443\r\nProxy-Authorization: " + f.basic() + "\r\n\r\n")
		if _, err := http.ReadResponse(reader, &http.Request{Method: http.MethodConnect}); err != nil {
			t.Fatal(err)
		}
		// The cleanup of this subtest ends the proxy, and waits for it.
	})
	<-ended
}

func TestRunTellsWrongCredentialsAtOnce(t *testing.T) {
	f := &fixture{t: t, issuer: startIssuer(t)}
	f.gateway = startGateway(t, f.issuer)
	options := Options{
		Listen: "127.0.0.1:0", Gateway: f.gateway.address, GatewayCAFile: f.gateway.caFile,
		ProxySecretFile: t.TempDir() + "/secret",
		Issuer: IssuerOptions{URL: f.issuer.server.URL, CAFile: f.issuer.caFile, Credentials: Credentials{
			User: testUser, Prompt: func(context.Context, string) (string, error) { return "wrong", nil }, Getenv: func(string) string { return "" },
		}},
	}
	proxy, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	if err := proxy.Run(context.Background(), func() {}); !errors.Is(err, ErrCredentials) {
		t.Errorf("Run = %v, want ErrCredentials", err)
	}
	options.Issuer.Credentials.PasswordFile = t.TempDir() + "/none"
	if proxy, err = New(options); err != nil {
		t.Fatal(err)
	}
	if err := proxy.Run(context.Background(), func() {}); !errors.Is(err, ErrCredentials) || !strings.Contains(err.Error(), "(reading the password: open ") {
		t.Errorf("Run = %v, want ErrCredentials and the missing file", err)
	}
}

// Who is asked for a password may go away instead of answering.
func TestRunEndsWhileItAsks(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	ask := func(asked context.Context, _ string) (string, error) {
		cancel()
		<-asked.Done()
		return "", context.Cause(asked)
	}
	proxy, err := New(Options{
		Listen: "127.0.0.1:0", Gateway: "gw.test", ProxySecretFile: t.TempDir() + "/secret",
		Issuer: IssuerOptions{URL: "https://issuer.test", Credentials: Credentials{
			User: testUser, Prompt: ask, Getenv: func(string) string { return "" },
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := proxy.Run(ctx, func() {}); err != nil {
		t.Errorf("Run = %v, want nil behind the end of its context", err)
	}
}

func TestListensOnLoopbackOnly(t *testing.T) {
	tests := []struct {
		listen, want string
		ok           bool
	}{
		{"", DefaultListen, true},
		{"127.0.0.1:1234", "127.0.0.1:1234", true},
		{"127.9.9.9:1234", "127.9.9.9:1234", true},
		{"[::1]:1234", "[::1]:1234", true},
		{"localhost:1234", "127.0.0.1:1234", true},
		{":1234", "", false},
		{"0.0.0.0:1234", "", false},
		{"[::]:1234", "", false},
		{"192.0.2.1:1234", "", false},
		{"example.com:1234", "", false},
		{"127.0.0.1", "", false},
	}
	for _, tt := range tests {
		got, err := (&Options{Listen: tt.listen}).listenAddress()
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("listenAddress of %q = %q, %v, want %q, accepted: %v", tt.listen, got, err, tt.want, tt.ok)
		}
	}
	ln, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	f := start(t)
	other, err := New(f.options)
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Serve(context.Background(), ln); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("Serve on %v = %v, want a refusal", ln.Addr(), err)
	}
}

func TestGatewayAddress(t *testing.T) {
	tests := []struct{ gateway, address, name string }{
		{"gw.example.com", "gw.example.com:8443", "gw.example.com"},
		{"gw.example.com:443", "gw.example.com:443", "gw.example.com"},
		{"192.0.2.1", "192.0.2.1:8443", "192.0.2.1"},
		{"2001:db8::1", "[2001:db8::1]:8443", "2001:db8::1"},
		{"[2001:db8::1]:443", "[2001:db8::1]:443", "2001:db8::1"},
		{"", "", ""},
		{"https://gw.example.com", "", ""},
		{"gw.example.com/x", "", ""},
	}
	for _, tt := range tests {
		address, config, err := (&Options{Gateway: tt.gateway}).gateway()
		if address != tt.address || (err != nil) != (tt.address == "") {
			t.Errorf("gateway of %q = %q, %v, want %q", tt.gateway, address, err, tt.address)
		} else if err == nil && config.ServerName != tt.name {
			t.Errorf("server name of %q = %q, want %q", tt.gateway, config.ServerName, tt.name)
		}
	}
}

// A reason that somebody else has written stays one line of visible ASCII.
func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"a b":            "a b",
		"a\r\nX: b":      "a  X: b",
		"a\x7fb\u00fc":   "a b",
		"a\x1b[31m":      "a [31m",
		"12345678901234": "1234567890",
	} {
		if got := printable(text, 10); got != want {
			t.Errorf("printable(%q, 10) = %q, want %q", text, got, want)
		}
	}
}
