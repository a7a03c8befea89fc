package tlsmux

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestAnswers goes through the table of the handshake: what is wrong first
// decides, and the tunnel is never begun.
func TestAnswers(t *testing.T) {
	const (
		line  = "CONNECT cluster-a.int:443 HTTP/1.1"
		host  = "Host: cluster-a.int:443"
		auth  = "Proxy-Authorization: Bearer good"
		proof = "X-Token-Signature: c2ln"
	)
	const wantToken = "a bearer token is required in Proxy-Authorization\n"
	tests := []struct {
		name    string
		head    string
		status  int
		body    string // "*": any, since package httpparse words it
		outcome string
	}{
		{"healthz", head("GET /healthz HTTP/1.1", "Host: x"), 200, "", "connect healthz 200"},
		{"healthz-with-query", head("GET /healthz?verbose=1 HTTP/1.1", "Host: x"), 200, "", "connect healthz 200"},
		{"other-path", head("GET /healthz/x HTTP/1.1", "Host: x"), 405, "only CONNECT is served here\n", "connect refused 405"},
		{"root", head("GET / HTTP/1.1", "Host: x"), 405, "only CONNECT is served here\n", "connect refused 405"},
		{"head-healthz", head("HEAD /healthz HTTP/1.1", "Host: x"), 405, "only CONNECT is served here\n", "connect refused 405"},
		{"post-without-token", head("POST /healthz HTTP/1.1", "Host: x", "Content-Length: 0"), 405, "only CONNECT is served here\n", "connect refused 405"},

		{"not-http", "SSH-2.0-OpenSSH_9.9\r\n", 400, "*", "connect malformed 400"},
		{"bare-line-feeds", strings.ReplaceAll(head(line, host, auth), "\r\n", "\n"), 400, "*", "connect malformed 400"},
		{"connect-without-port", head("CONNECT cluster-a.int HTTP/1.1", host, auth), 400, "*", "connect malformed 400"},
		{"connect-origin-form", head("CONNECT /healthz HTTP/1.1", host, auth), 400, "*", "connect malformed 400"},
		{"binary", "\x00\x01\x02\x03\xff\xfe", 400, "*", "connect malformed 400"},
		{"line-too-long", "CONNECT " + strings.Repeat("a", 17<<10), 400, "*", "connect malformed 400"},
		{"head-too-long", line + "\r\n" + strings.Repeat("X-Fill: "+strings.Repeat("a", 1000)+"\r\n", 40), 400, "*", "connect malformed 400"},
		{"content", head(line, host, auth, proof, "Content-Length: 5") + "hello", 400, "*", "connect malformed 400"},
		{"two-tokens", head(line, host, auth, "proxy-authorization: Bearer other", proof), 400, "*", "connect malformed 400"},
		{"two-proofs", head(line, host, auth, proof, "X-TOKEN-SIGNATURE: b3RoZXI="), 400, "*", "connect malformed 400"},

		{"no-token", head(line, host, proof), 407, wantToken, "connect refused 407"},
		{"empty-token", head(line, host, "Proxy-Authorization:"), 407, wantToken, "connect refused 407"},
		{"scheme-alone", head(line, host, "Proxy-Authorization: Bearer"), 407, wantToken, "connect refused 407"},
		{"token-alone", head(line, host, "Proxy-Authorization: good"), 407, wantToken, "connect refused 407"},
		{"other-scheme", head(line, host, "Proxy-Authorization: Basic good"), 407, wantToken, "connect refused 407"},
		{"three-words", head(line, host, "Proxy-Authorization: Bearer good one"), 407, wantToken, "connect refused 407"},
		{"two-blanks", head(line, host, "Proxy-Authorization: Bearer  good"), 407, wantToken, "connect refused 407"},
		{"tab", head(line, host, "Proxy-Authorization: Bearer\tgood"), 407, wantToken, "connect refused 407"},
		{"authorization-instead", head(line, host, "Authorization: Bearer good"), 407, wantToken, "connect refused 407"},

		{"refused-by-hook", head(line, host, "Proxy-Authorization: Bearer bad"), 401, "expired\n", "authn refused 401"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, g *gateway) {
				conn := g.ln.Dial()
				outer := g.outer(conn)
				go io.WriteString(outer, test.head)
				method, _, _ := strings.Cut(test.head, " ")
				wantTableAnswer(t, outer, method, test.status, test.body)
				outer.Close()
				synctest.Wait()
				want := []string{"outer_tls ok", "connect ok", test.outcome}
				if strings.HasPrefix(test.outcome, "connect") {
					want = []string{"outer_tls ok", test.outcome}
				}
				g.wantOutcomes(want...)
			})
		})
	}
}

// wantTableAnswer reads what a row of TestAnswers wants.
func wantTableAnswer(t *testing.T, outer io.Reader, method string, status int, body string) {
	t.Helper()
	got, err := io.ReadAll(outer)
	if err != nil {
		t.Fatalf("ReadAll = %q, %v", got, err)
	}
	resp, text := parseAnswer(t, got, method)
	if resp.StatusCode != status {
		t.Errorf("status = %d, want %d", resp.StatusCode, status)
	}
	if body != "*" && text != body {
		t.Errorf("body = %q, want %q", text, body)
	}
	if status != 200 && (!strings.HasSuffix(text, "\n") || len(text) < 2) {
		t.Errorf("body = %q, want one line with a reason", text)
	}
	if !resp.Close {
		t.Error("no Connection: close")
	}
	wantHeader := map[int][2]string{405: {"Allow", "CONNECT"}, 407: {"Proxy-Authenticate", "Bearer"}}[status]
	if wantHeader[0] != "" && resp.Header.Get(wantHeader[0]) != wantHeader[1] {
		t.Errorf("%s = %q, want %q", wantHeader[0], resp.Header.Get(wantHeader[0]), wantHeader[1])
	}
}

func TestHookErrors(t *testing.T) {
	secret := errors.New("the key ring is under the doormat")
	tests := []struct {
		name    string
		err     error
		answer  string // the status line's code and the body, or nothing
		outcome string
	}{
		{"refusal", &Refusal{Status: 503, Reason: "keys are not available", Err: secret}, "503 keys are not available\n", "authn refused 503"},
		{"unknown-status", &Refusal{Status: 499, Reason: "no"}, "499 no\n", "authn refused 499"},
		{"other-error", secret, "400 the gateway could not decide on the request\n", "authn failed 400"},
		{"late", context.DeadlineExceeded, "400 the gateway could not decide on the request\n", "authn timeout 400"},
		{"without-answer", &Refusal{Err: secret}, "", "authn refused"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			edit := func(cfg *Config) {
				cfg.Authenticate = func(context.Context, *Connect) (Handler, error) { return nil, test.err }
			}
			bubble(t, edit, func(t *testing.T, g *gateway) {
				outer := g.outer(g.ln.Dial())
				io.WriteString(outer, goodHead)
				got, err := io.ReadAll(outer)
				if err != nil {
					t.Fatalf("ReadAll = %q, %v", got, err)
				}
				if test.answer == "" {
					if len(got) > 0 {
						t.Errorf("answer = %q, want none", got)
					}
				} else {
					resp, body := parseAnswer(t, got, http.MethodConnect)
					if answer := resp.Status[:3] + " " + body; answer != test.answer {
						t.Errorf("answer = %q, want %q", answer, test.answer)
					}
				}
				outer.Close()
				synctest.Wait()
				g.wantOutcomes("outer_tls ok", "connect ok", test.outcome)
				if _, last := g.last(); !errors.Is(last.Err, test.err) {
					t.Errorf("observed error = %v, want %v", last.Err, test.err)
				}
			})
		})
	}
}

func TestRefusalError(t *testing.T) {
	cause := errors.New("cause")
	err := &Refusal{Status: 401, Reason: "expired", Err: cause}
	if got, want := err.Error(), "tlsmux: refused with 401: expired: cause"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
	if !errors.Is(err, cause) {
		t.Error("Is(err, cause) = false")
	}
}

func TestHostileConnectionID(t *testing.T) {
	tests := []struct{ name, sent, want string }{
		{"plain", "agent-7/42", "agent-7/42"},
		{"tab", "a\tb", "a?b"},
		{"escape-sequence", "a\x80\x9b31mb", "a??31mb"},
		{"utf8", "sch\u00f6n", "sch??n"},
		{"json", `","user":"root`, `","user":"root`},
		{"too-long", strings.Repeat("x", 5000), strings.Repeat("x", 128)},
		{"empty", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, g *gateway) {
				outer := g.outer(g.ln.Dial())
				io.WriteString(outer, strings.Replace(goodHead, "X-Token", "X-Connection-Id: "+test.sent+"\r\nX-Token", 1))
				wantEstablished(t, outer)
				outer.Close()
				synctest.Wait()
				if a, _ := g.last(); a.ClientID != test.want {
					t.Errorf("ClientID = %q, want %q", a.ClientID, test.want)
				}
			})
		})
	}
}

func TestPrintableNeverControls(t *testing.T) {
	var all []byte
	for b := range 256 {
		all = append(all, byte(b))
	}
	for part := range 2 {
		for _, r := range printable(all[part*128 : part*128+128]) {
			if r < ' ' || r > '~' {
				t.Errorf("printable has left %q", r)
			}
		}
	}
}

// TestRefusalToClientThatDoesNotRead: the answer waits for nobody for long.
func TestRefusalToClientThatDoesNotRead(t *testing.T) {
	bubble(t, nil, func(t *testing.T, g *gateway) {
		conn := g.ln.Dial()
		outer := g.outer(conn)
		io.WriteString(outer, strings.Replace(goodHead, "good", "bad", 1))
		synctest.Wait()
		start := time.Now()
		for g.mux.Connections() > 0 {
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(start); took > lingerTime+time.Second {
			t.Errorf("the connection was kept for %v, want about %v", took, lingerTime)
		}
		conn.Close()
	})
}
