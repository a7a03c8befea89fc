package gateway

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spliceway/spliceway/authn"
)

// planted are secrets by where they were put, to be looked for in everything that
// the gateway says. Nothing else may look like them.
type planted map[string]string

// at makes a secret for a place.
func (p planted) at(place string) string {
	p[place] = "Zq7" + hex.EncodeToString([]byte(place)) + "X9k"
	return p[place]
}

// forms are the ways in which a secret may be written down.
func forms(secret string) []string {
	all := []string{secret, strings.ToLower(secret), hex.EncodeToString([]byte(secret)), url.QueryEscape(secret), fmt.Sprintf("%q", secret)}
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		for shift := range 3 { // the first octet may be any of three; what depends on the neighbours is cut off
			text := encoding.EncodeToString([]byte(strings.Repeat("_", shift) + secret))
			all = append(all, text[4:len(text)-4])
		}
	}
	return all
}

// wantNone looks for all forms of all secrets in what was said.
func (p planted) wantNone(t *testing.T, said map[string]string) {
	t.Helper()
	for where, text := range said {
		for place, secret := range p {
			for _, form := range forms(secret) {
				if i := strings.Index(text, form); i >= 0 {
					t.Errorf("%s tells the secret of %s: %q", where, place, text[max(0, i-80):min(len(text), i+len(form)+20)])
				}
			}
		}
	}
}

// TestSecrets plants secrets wherever one can be, in good and in bad messages, and
// wants none of them in logs at their lowest level, audit, metrics, spans, status, the
// gateway's own answers, or recordings. A recording has what was on the screen, and
// nothing else has.
func TestSecrets(t *testing.T) {
	p, screen := planted{}, planted{}
	b := newBed(t)
	b.server(p)
	b.write("keys.json", strings.Replace(jwks(t, "k1", b.signer), `"kid"`, `"d":"`+p.at("the key set")+`","kid"`, 1))
	c := newCollector(t)
	b.write("headers", "X-Key: "+p.at("the headers of traces")+"\n")
	b.prepare(settings{"recordings": `{dir: rec, mode: strict}`, "admin": `{socket: admin.sock}`,
		"tracing": fmt.Sprintf(`{endpoint: %q, headersFile: headers}`, c.URL)})
	b.run()
	said := map[string]string{}
	answers := func(place, text string) { said["the answer to "+place] = text }
	b.plantConnects(p, answers)
	b.plantRequests(p, answers)
	said["the status during a session"] = b.plantSession(p, screen)
	b.plantFiles(p)
	said["the refusal of a configuration"] = b.plantConfiguration(p)
	said["the status"] = b.status()
	_, said["the metrics"] = b.get("/metrics")
	if err := b.stop(); err != nil {
		t.Errorf("Run = %v", err)
	}
	said["the log"], said["the audit log"] = b.log.String(), b.audit.String()
	said["the spans"] = c.octets()
	b.recordingFiles(said)
	for where, text := range said {
		p.wantNone(t, map[string]string{where: text})
		if strings.HasSuffix(where, ".cast") {
			if !strings.Contains(text, screen["the screen"]) {
				t.Errorf("%s does not have what was on the screen", where)
			}
			continue
		}
		screen.wantNone(t, map[string]string{where: text})
		if text == "" {
			t.Errorf("%s says nothing", where)
		}
	}
	if len(p) < 45 || len(said) < 35 {
		t.Errorf("%d secrets, looked for in %d places", len(p), len(said))
	}
}

// status is what an operator sees.
func (b *bed) status() string {
	b.t.Helper()
	text, err := json.Marshal(b.report())
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}

// server has the API server tell secrets of its own.
func (b *bed) server(p planted) {
	header, body, trailer := p.at("a response's header"), p.at("a response's body"), p.at("a response's trailer")
	b.api.on("/leaky", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Set-Cookie", header)
		w.WriteHeader(http.StatusInternalServerError)
		io.WriteString(w, body)
		w.Header().Set(http.TrailerPrefix+"X-Secret", trailer)
	})
	for path, octets := range map[string]string{
		"/bad-line":   "HTTP/1.1 2x0 " + p.at("a bad status line") + "\r\n\r\n",
		"/bad-header": "HTTP/1.1 200 OK\r\nSet-Cookie: " + p.at("a bad response header") + "\x00\r\n\r\n",
		"/bad-name":   "HTTP/1.1 200 OK\r\n" + p.at("a bad response name") + " : x\r\n\r\n",
		"/bad-length": "HTTP/1.1 200 OK\r\nContent-Length: " + p.at("a bad length") + "\r\n\r\n",
		"/bad-chunk":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + p.at("a bad chunk") + "\r\n",
		"/bad-101":    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + p.at("a bad upgrade") + "\r\n\r\n",
	} {
		b.api.on(path, func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				panic(err)
			}
			defer conn.Close()
			io.WriteString(conn, octets)
		})
	}
}

// plantConnects has a secret in each part of a CONNECT, which is refused.
func (b *bed) plantConnects(p planted, answers func(place, text string)) {
	b.t.Helper()
	good := b.token()
	p["a good token"] = good[strings.LastIndexByte(good, '.')+1:]
	claims := strings.Split(good, ".")
	heads := map[string]func(proof string) string{
		"a token that is none": func(proof string) string { return connectHead(prodTarget, p.at("a token that is none"), proof) },
		"a token of other claims": func(proof string) string {
			return connectHead(prodTarget, claims[0]+"."+p.at("a token of other claims")+"."+claims[2], proof)
		},
		"a token's signature": func(proof string) string {
			return connectHead(prodTarget, claims[0]+"."+claims[1]+"."+p.at("a token's signature"), proof)
		},
		"a proof that is none":  func(string) string { return connectHead(prodTarget, good, p.at("a proof that is none")) },
		"a token in a bad line": func(proof string) string { return connectHead(prodTarget, p.at("a token in a bad line")+"\x00", proof) },
		"a token of another scheme": func(proof string) string {
			return strings.Replace(connectHead(prodTarget, p.at("a token of another scheme"), proof), "Bearer", "Basic", 1)
		},
		"another target": func(proof string) string {
			p["a good proof"] = proof
			return connectHead("elsewhere.test:443", good, proof)
		},
		"a cookie of a CONNECT": func(proof string) string {
			return strings.Replace(connectHead("elsewhere.test:443", good, proof), "\r\n\r\n", "\r\nCookie: "+p.at("a cookie of a CONNECT")+"\r\n\r\n", 1)
		},
		"a query in front of CONNECT": func(string) string {
			return "GET /?token=" + p.at("a query in front of CONNECT") + " HTTP/1.1\r\nHost: a\r\n\r\n"
		},
		"a target with a password": func(proof string) string {
			return connectHead("u:"+p.at("a target with a password")+"@prod.test:443", good, proof)
		},
		"no HTTP at all": func(string) string { return p.at("no HTTP at all") + "\r\n\r\n" },
	}
	for place, head := range heads {
		o := b.dial("")
		io.WriteString(o, head(o.proof()))
		o.CloseWrite()
		answer, _ := io.ReadAll(o.r)
		answers(place, string(answer))
		if !strings.HasPrefix(string(answer), "HTTP/1.1 4") {
			b.t.Errorf("%s is answered with %q, want a refusal", place, answer)
		}
		o.Close()
	}
}

// plantRequests has a secret in each part of a request that is forwarded, and of one
// that is refused.
func (b *bed) plantRequests(p planted, answers func(place, text string)) {
	b.t.Helper()
	const line, host = "GET /api HTTP/1.1\r\n", "Host: a\r\n"
	bearer := base64.RawURLEncoding.EncodeToString([]byte(p.at("a bearer subprotocol")))
	for place, request := range map[string]string{
		"a request's query":         "GET /api?token=" + p.at("a request's query") + " HTTP/1.1\r\n" + host + "\r\n",
		"a request's authorization": line + host + "Authorization: Bearer " + p.at("a request's authorization") + "\r\n\r\n",
		"a request's cookie":        line + host + "Cookie: session=" + p.at("a request's cookie") + "\r\n\r\n",
		"a request's header":        line + host + "X-Api-Key: " + p.at("a request's header") + "\r\n\r\n",
		"a request's body":          "POST /api HTTP/1.1\r\n" + host + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(p.at("a request's body"))) + p["a request's body"],
		"a bearer subprotocol": "GET /bad-101 HTTP/1.1\r\n" + host + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io." + bearer + ", v5.channel.k8s.io\r\n\r\n",
		"a good trailer":         "POST /api HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\nX-Secret: " + p.at("a good trailer") + "\r\n\r\n",
		"a watch's query":        "GET /api/v1/pods?watch=true&token=" + p.at("a watch's query") + " HTTP/1.1\r\n" + host + "\r\n",
		"an application's query": "GET /api/v1/namespaces/a/pods/b/proxy/x?token=" + p.at("an application's query") + " HTTP/1.1\r\n" + host + "\r\n",
		"an absolute target":     "GET https://u:" + p.at("an absolute target") + "@a/ HTTP/1.1\r\n" + host + "\r\n",
		"a fragment":             "GET /api#" + p.at("a fragment") + " HTTP/1.1\r\n" + host + "\r\n",
		"a bad query":            "GET /api?token=" + p.at("a bad query") + "\x00 HTTP/1.1\r\n" + host + "\r\n",
		"a bad header":           line + host + "Authorization: Bearer " + p.at("a bad header") + "\x00\r\n\r\n",
		"a bad name":             line + host + p.at("a bad name") + " : x\r\n\r\n",
		"a bad host":             line + "Host: " + p.at("a bad host") + "@a\r\n\r\n",
		"a bad coding":           line + host + "Transfer-Encoding: " + p.at("a bad coding") + "\r\n\r\n",
		"a bad chunk":            "POST /api HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n" + p.at("a chunk of a request") + "\r\n",
		"a bad trailer":          "POST /api HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\nAuthorization: " + p.at("a bad trailer") + "\r\n\r\n",
		"an odd method":          p.at("an odd method") + " /api HTTP/1.1\r\n" + host + "\r\n",
		"an expectation":         line + host + "Expect: " + p.at("an expectation") + "\r\n\r\n",
	} {
		answers(place, b.raw(request))
	}
	for _, path := range []string{"/leaky", "/bad-line", "/bad-header", "/bad-name", "/bad-length", "/bad-chunk", "/bad-101"} {
		answer := b.raw("GET " + path + " HTTP/1.1\r\n" + host + "\r\n")
		if path != "/leaky" && path != "/bad-chunk" { // those are the API server's own words
			answers(path, answer)
		}
	}
}

// raw sends octets through a tunnel of their own and returns all that comes back.
func (b *bed) raw(octets string) string {
	b.t.Helper()
	n := b.open()
	defer n.Close()
	io.WriteString(n, octets)
	response, err := http.ReadResponse(n.r, nil)
	if err != nil {
		return err.Error()
	}
	body, _ := io.ReadAll(response.Body)
	return fmt.Sprintln(response.Status, response.Header, string(body))
}

// plantSession has a session recorded, with secrets in its heads, typed into it and on
// its screen, and returns the status of the gateway meanwhile.
func (b *bed) plantSession(p, screen planted) (status string) {
	b.t.Helper()
	path := strings.Split(execPath, "?")[0]
	secret, cookie := p.at("the input of a session"), p.at("the cookie of a 101")
	query := p.at("the query of a session")
	heard, shown := make(chan struct{}), make(chan struct{})
	b.api.on(path, func(w http.ResponseWriter, r *http.Request) {
		conn, buffered, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		io.WriteString(conn, strings.Replace(commandAgreed, "\r\n\r\n", "\r\nSet-Cookie: "+cookie+"\r\n\r\n", 1)+message(1, ""))
		io.ReadFull(buffered, make([]byte, 6+1+len(secret)))
		close(heard)
		<-shown
		io.WriteString(conn, message(1, screen.at("the screen"))+message(3, `{"metadata":{},"status":"Success"}`)+"\x88\x02\x03\xe8")
	})
	n := b.open(func(c *authn.Claims) { c.ExpiresAt = inFuture() })
	defer n.Close()
	fields := append([]string{"Authorization: Bearer " + p.at("the authorization of a session"), "Cookie: " + p.at("the cookie of a session")}, websocketFields...)
	if a := n.ask(execPath+"&stdin=true&token="+query, fields...); a.status != http.StatusSwitchingProtocols {
		b.t.Fatalf("the exec = %d %q, want 101", a.status, a.body)
	}
	io.WriteString(n, "\x82"+string([]byte{0x80 | byte(1+len(secret)), 0, 0, 0, 0})+"\x00"+secret) // masked with zeros
	<-heard
	status = b.status()
	close(shown)
	io.ReadAll(n.r)
	return status
}

// plantFiles has secrets in files that are replaced by bad ones.
func (b *bed) plantFiles(p planted) {
	b.t.Helper()
	p["the credential"] = apiToken
	key, err := os.ReadFile(filepath.Join(b.dir, "tls.key"))
	if err != nil {
		b.t.Fatal(err)
	}
	p["the private key"] = strings.Split(string(key), "\n")[1]
	b.write("token", p.at("a bad credential")+"\nof two lines\n")
	b.write("tls.key", "-----BEGIN PRIVATE KEY-----\n"+p.at("a bad private key")+"\n-----END PRIVATE KEY-----\n")
	b.write("keys.json", `{"keys": "`+p.at("a bad key set")+`"`)
	b.write("headers", p.at("bad headers of traces")+"\n")
	for _, match := range []func(event) bool{
		where("level", "error", "kind", "tracing"), where("level", "error", "kind", "certificate"), where("level", "error", "kind", "token"), where("level", "error", "source", b.dir+"/keys.json"),
	} {
		b.log.wait(b.t, 1, match)
	}
}

// plantConfiguration has secrets where no key is for them, and returns the refusal.
func (b *bed) plantConfiguration(p planted) string {
	b.t.Helper()
	err := b.reload(settings{
		"password": p.at("an unknown key"),
		"authn":    fmt.Sprintf("{issuer: i, audience: a, clientSecret: %q, jwksURL: %q}", p.at("a group of keys"), "https://u:"+p.at("a URL of the configuration")+"@issuer.test/keys"),
	})
	if err == nil {
		b.t.Fatal("a configuration with unknown keys is not refused")
	}
	return err.Error()
}

// recordingFiles collects names and contents of what is written about recordings.
func (b *bed) recordingFiles(said map[string]string) {
	b.t.Helper()
	var names []string
	err := filepath.WalkDir(filepath.Join(b.dir, "rec"), func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		names = append(names, name)
		text, err := os.ReadFile(name)
		said[filepath.Base(name)] = string(text)
		return err
	})
	if err != nil || len(names) < 3 {
		b.t.Errorf("the store has %q, %v, want a recording in it", names, err)
	}
	said["the names of the store"] = strings.Join(names, "\n")
}
