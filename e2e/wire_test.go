package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/spliceway/spliceway/e2e/stack"
)

// connectHead is a CONNECT request with its credentials.
func connectHead(target, token, proof string) string {
	return "CONNECT " + target + " HTTP/1.1\r\nHost: " + target + "\r\n" +
		"Proxy-Authorization: Bearer " + token + "\r\nX-Token-Signature: " + proof + "\r\n" +
		"X-Connection-Id: wire-test\r\n\r\n"
}

// eagerConn sends the CONNECT in one write with the first octets of the tunnel,
// which are the inner ClientHello, and takes the answer off before them.
type eagerConn struct {
	net.Conn
	head   string
	reader *bufio.Reader // nil until the answer was read
}

func (c *eagerConn) Write(p []byte) (int, error) {
	if c.head == "" {
		return c.Conn.Write(p)
	}
	segment := append([]byte(c.head), p...)
	c.head = ""
	if n, err := c.Conn.Write(segment); err != nil {
		return max(0, n-len(segment)+len(p)), err
	}
	return len(p), nil
}

func (c *eagerConn) Read(p []byte) (int, error) {
	if c.reader == nil {
		c.reader = bufio.NewReader(c.Conn)
		if err := readOK(c.reader); err != nil {
			return 0, err
		}
	}
	return c.reader.Read(p)
}

// readOK reads the answer to a CONNECT, which must be 200 without any field.
func readOK(r *bufio.Reader) error {
	var head [2]string
	for i := range head {
		line, err := r.ReadString('\n')
		if err != nil {
			return fmt.Errorf("reading the answer to CONNECT: %w", err)
		}
		head[i] = line
	}
	if head != [2]string{"HTTP/1.1 200 OK\r\n", "\r\n"} {
		rest, _ := io.ReadAll(r)
		return fmt.Errorf("answer to CONNECT is %q, then %q", head, rest)
	}
	return nil
}

// innerConfig is what a client of the API server uses inside the tunnel.
func innerConfig(s *stack.Stack) *tls.Config {
	return &tls.Config{RootCAs: s.Authority.Pool(), ServerName: stack.TargetHost, NextProtos: []string{"h2", "http/1.1"}}
}

// askWhoami sends one request through an inner connection and returns the user
// name that the API server saw.
func askWhoami(t *testing.T, inner net.Conn) string {
	t.Helper()
	body := `{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}`
	request, err := http.NewRequest(http.MethodPost,
		"https://"+stack.TargetHost+"/apis/authentication.k8s.io/v1/selfsubjectreviews", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	// The gateway is to take these away; a test of conn has all their spellings.
	request.Header.Set("Authorization", "Bearer forged")
	request.Header.Set("Impersonate-User", "forged")
	if err := request.Write(inner); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(inner), request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var who whoami
	if err := json.NewDecoder(response.Body).Decode(&who); err != nil {
		t.Fatal(err)
	}
	return who.Status.UserInfo.Username
}

// TestWireAccepts goes through the gateway with tokens of both generations.
func TestWireAccepts(t *testing.T) {
	t.Parallel()
	issuer := newScriptedIssuer(t, ann, time.Hour)
	s := newStack(t, issuer.use)
	key := newKey(t)
	claims := issuer.claims(t, ann, &key.PublicKey, time.Minute)
	service := with(claims, "user", nil)
	service["service"] = object{"id": "7", "name": "deployer", "key": object{"id": "deployer-key-1"}}
	wildcard := with(claims, "resource", object{"id": "r", "type": "KUBERNETES", "address": "*.spliceway.test"})

	for _, test := range []struct {
		name   string
		token  string
		target string
		user   string
	}{
		{"older", issuer.sign(t, claims), stack.TargetHost + ":443", ann.Name},
		{"older-any-port", issuer.sign(t, claims), stack.TargetHost + ":6443", ann.Name},
		{"older-any-case", issuer.sign(t, claims), strings.ToUpper(stack.TargetHost) + ":443", ann.Name},
		{"newer", issuer.signNewer(t, newer(claims)), stack.TargetHost + ":443", ann.Name},
		{"newer-alias", issuer.signNewer(t, newer(claims)), stack.Alias + ":443", ann.Name},
		{"newer-wildcard", issuer.sign(t, wildcard), stack.Alias + ":443", ann.Name},
		{"service", issuer.sign(t, service), stack.TargetHost + ":443", "deployer-key-1"},
	} {
		for _, eager := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/eager=%v", test.name, eager), func(t *testing.T) {
				outer := dialOuter(t, s)
				head := connectHead(test.target, test.token, proof(t, outer, key))
				var tunnel net.Conn = outer
				if eager {
					tunnel = &eagerConn{Conn: outer, head: head}
				} else {
					io.WriteString(outer, head)
					if err := readOK(bufio.NewReaderSize(onlyRead{outer}, 16)); err != nil {
						t.Fatal(err)
					}
				}
				inner := tls.Client(tunnel, innerConfig(s))
				if err := inner.Handshake(); err != nil {
					t.Fatalf("inner handshake: %v", err)
				}
				wantEqual(t, "protocol chosen of h2 and http/1.1", inner.ConnectionState().NegotiatedProtocol, "http/1.1")
				wantEqual(t, "user at the API server", askWhoami(t, inner), test.user)
				wantEqual(t, "user of the next request", askWhoami(t, inner), test.user)
			})
		}
	}
}

// onlyRead reads single octets, so that nothing behind the answer is taken.
type onlyRead struct{ r io.Reader }

func (o onlyRead) Read(p []byte) (int, error) { return o.r.Read(p[:1]) }

// refusal is one way for a CONNECT to be refused.
type refusal struct {
	name   string
	send   func(t *testing.T, outer *tls.Conn) string // returns the head
	status int
	reason string // of the audit line and the counter, "" if the protocol leaves it open
}

// TestWireRefuses goes through the table of refusals.
func TestWireRefuses(t *testing.T) {
	t.Parallel()
	issuer := newScriptedIssuer(t, ann, time.Hour)
	s := newStack(t, issuer.use)
	for _, test := range refusals(t, issuer) {
		t.Run(test.name, func(t *testing.T) {
			outer := dialOuter(t, s)
			if _, err := io.WriteString(outer, test.send(t, outer)); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(outer) // to the end: the gateway closes
			if err != nil {
				t.Errorf("after %q: %v, want an orderly end", answer, err)
			}
			response, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
			if err != nil {
				t.Fatalf("answer %q: %v", answer, err)
			}
			wantEqual(t, "status", response.StatusCode, test.status)
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Errorf("body: %v", err)
			}
			if test.reason != "" {
				wantContains(t, "body", string(body), test.reason)
				waitForEvent(t, s, "connection.refused", "reason", test.reason, "status", fmt.Sprint(test.status))
			}
		})
	}
	metrics, err := s.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range refusals(t, issuer) {
		if test.reason != "" && metrics.Sum("spliceway_authentications_total", `result="`+test.reason+`"`) == 0 {
			t.Errorf("spliceway_authentications_total has no result %q", test.reason)
		}
	}
}

// refusals has one row for each way to be wrong, each with one thing of a good
// CONNECT changed.
func refusals(t *testing.T, issuer *scriptedIssuer) []refusal {
	key, foreign := newKey(t), newKey(t)
	good := issuer.claims(t, ann, &key.PublicKey, time.Hour)
	past := time.Now().Add(-time.Minute).Unix()
	target := stack.TargetHost + ":443"
	token := func(name string, token, reason string) refusal {
		return refusal{name, func(t *testing.T, outer *tls.Conn) string {
			return connectHead(target, token, proof(t, outer, key))
		}, http.StatusUnauthorized, reason}
	}
	literal := func(name, head string, status int) refusal {
		return refusal{name, func(*testing.T, *tls.Conn) string { return head }, status, ""}
	}
	aims := func(name, target string, claims object, reason string) refusal {
		return refusal{name, func(t *testing.T, outer *tls.Conn) string {
			return connectHead(target, issuer.sign(t, claims), proof(t, outer, key))
		}, http.StatusBadRequest, reason}
	}
	user := func(name string, groups ...string) object {
		return object{"id": "1", "username": name, "groups": groups}
	}
	other := minter{issuer: issuer.issuer, kid: issuer.kid, key: foreign}
	unknown := minter{issuer: issuer.issuer, kid: "key-2", key: foreign}
	return []refusal{
		literal("not-http", "\x00\x01\x02garbage\r\n\r\n", 400),
		literal("http2-preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
		literal("bare-line-feeds", "CONNECT "+target+" HTTP/1.1\nHost: "+target+"\n\n", 400),
		literal("other-method", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 405),
		literal("no-credentials", "CONNECT "+target+" HTTP/1.1\r\nHost: "+target+"\r\n\r\n", 407),
		literal("basic-credentials", "CONNECT "+target+" HTTP/1.1\r\nHost: "+target+"\r\nProxy-Authorization: Basic YTpi\r\n\r\n", 407),
		literal("three-words", "CONNECT "+target+" HTTP/1.1\r\nHost: "+target+"\r\nProxy-Authorization: Bearer a b\r\n\r\n", 407),

		token("not-a-token", "not-a-token", "malformed"),
		token("foreign-signature", other.sign(t, good), "signature"),
		token("unknown-key", unknown.sign(t, good), "key"),
		token("algorithm-none", issuer.signAs(t, object{"alg": "none", "typ": "GAT"}, good), "algorithm"),
		token("algorithm-hs256", issuer.signAs(t, object{"alg": "HS256", "typ": "GAT", "kid": issuer.kid}, good), "algorithm"),
		token("no-type", issuer.signNewer(t, good), "type"),
		token("expired", issuer.sign(t, with(good, "exp", past)), "expired"),
		token("no-expiry", issuer.sign(t, with(good, "exp", nil)), "claims"),
		token("issued-in-the-future", issuer.sign(t, with(good, "iat", time.Now().Add(time.Minute).Unix())), "not-yet-valid"),
		token("other-issuer", issuer.sign(t, with(good, "iss", "https://elsewhere.test")), "issuer"),
		token("other-audience", issuer.sign(t, with(good, "aud", "elsewhere")), "audience"),
		token("other-version", issuer.sign(t, with(good, "ver", "2")), ""),
		token("no-client-key", issuer.sign(t, with(good, "cpk", nil)), "claims"),
		token("no-user", issuer.sign(t, with(good, "user", nil)), "claims"),
		token("empty-user", issuer.sign(t, with(good, "user", user(""))), "claims"),
		token("blank-user", issuer.sign(t, with(good, "user", user(" \t"))), "claims"),
		token("line-in-user", issuer.sign(t, with(good, "user", user("ann\r\nImpersonate-Group: system:masters"))), "claims"),
		token("system-user", issuer.sign(t, with(good, "user", user("system:admin"))), "system-identity"),
		token("system-group", issuer.sign(t, with(good, "user", user("ann", "system:masters"))), "system-identity"),

		{"no-proof", func(t *testing.T, outer *tls.Conn) string {
			return strings.Replace(connectHead(target, issuer.sign(t, good), ""), "X-Token-Signature: \r\n", "", 1)
		}, 401, "proof"},
		{"proof-not-base64", func(t *testing.T, outer *tls.Conn) string {
			return connectHead(target, issuer.sign(t, good), "!"+proof(t, outer, key))
		}, 401, "proof"},
		{"proof-of-another-key", func(t *testing.T, outer *tls.Conn) string {
			return connectHead(target, issuer.sign(t, good), proof(t, outer, foreign))
		}, 401, "proof"},

		aims("other-host", "elsewhere.spliceway.test:443", good, "target"),
		aims("no-port", stack.TargetHost, good, ""),
		aims("port-out-of-range", stack.TargetHost+":65536", good, ""),
		aims("other-port", stack.TargetHost+":444", newer(good), "target"),
		aims("resource-without-cluster", "elsewhere.spliceway.test:443",
			with(good, "resource", object{"id": "r", "type": "KUBERNETES", "address": "elsewhere.spliceway.test"}), "no-cluster"),
	}
}

// TestWireReplay shows a proof that was good on one connection to another one.
func TestWireReplay(t *testing.T) {
	t.Parallel()
	issuer := newScriptedIssuer(t, ann, time.Hour)
	s := newStack(t, issuer.use)
	key := newKey(t)
	token := issuer.sign(t, issuer.claims(t, ann, &key.PublicKey, time.Hour))
	first := dialOuter(t, s)
	head := connectHead(stack.TargetHost+":443", token, proof(t, first, key))
	io.WriteString(first, head)
	if err := readOK(bufio.NewReader(first)); err != nil {
		t.Fatal(err)
	}
	second := dialOuter(t, s)
	io.WriteString(second, head)
	answer, err := io.ReadAll(second)
	if err != nil {
		t.Error(err)
	}
	wantContains(t, "answer to the replay", string(answer), "HTTP/1.1 401 ")
	waitForEvent(t, s, "connection.refused", "reason", "proof")
}

func TestWireHealth(t *testing.T) {
	t.Parallel()
	if direct() {
		t.Skip("E2E_DIRECT leaves the gateway out")
	}
	s := sharedStack(t)
	for _, target := range []string{"/healthz", "/healthz?verbose"} {
		outer := dialOuter(t, s)
		fmt.Fprintf(outer, "GET %s HTTP/1.1\r\nHost: gateway\r\n\r\n", target)
		answer, err := io.ReadAll(outer)
		if err != nil {
			t.Errorf("GET %s: %v, want an orderly end", target, err)
		}
		want := "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
		wantEqual(t, "answer to GET "+target, string(answer), want)
	}
}

// TestWireOuterTLS asks for an outer TLS that the protocol excludes.
func TestWireOuterTLS(t *testing.T) {
	t.Parallel()
	if direct() {
		t.Skip("E2E_DIRECT leaves the gateway out")
	}
	s := sharedStack(t)
	_, err := tls.Dial("tcp", s.GatewayAddress, &tls.Config{
		RootCAs: s.Authority.Pool(), ServerName: "localhost", MaxVersion: tls.VersionTLS12,
	})
	if err == nil {
		t.Error("outer handshake with TLS 1.2 succeeded, want a refusal")
	}
}
