package gateway

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/spliceway/spliceway/authn"
)

// prodTarget is what a client asks for when it means the cluster prod.
const prodTarget = prodAlias + ":443"

// claims are those of a good token for ann, after some edits.
func (b *bed) claims(edits ...func(*authn.Claims)) *authn.Claims {
	now := time.Now()
	c := &authn.Claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: tokenIssuer, Audience: jwt.ClaimStrings{testAudience}, IssuedAt: jwt.NewNumericDate(now.Add(-time.Minute)),
			ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour)),
		},
		RenewAt:   jwt.NewNumericDate(now.Add(time.Minute)),
		ClientKey: authn.PublicKey{PublicKey: &b.client.PublicKey},
		User:      &authn.UserClaim{ID: "u-1", Username: "ann@example.com", Groups: []string{"dev", "on call"}},
		Device:    &authn.DeviceClaim{ID: "d-1"},
		Resource:  authn.ResourceClaim{ID: "r-1", Type: authn.ResourceKubernetes, Address: prodAddress, Aliases: []string{prodAlias}},
	}
	for _, edit := range edits {
		edit(c)
	}
	return c
}

// token signs claims as the issuer does.
func (b *bed) token(edits ...func(*authn.Claims)) string {
	b.t.Helper()
	token, err := b.claims(edits...).Sign("k1", b.signer)
	if err != nil {
		b.t.Fatal(err)
	}
	return token
}

// outer is a connection to the gateway before its CONNECT.
type outer struct {
	*tls.Conn
	b *bed
	r *bufio.Reader
}

// dial makes the outer connection. first is sent before TLS.
func (b *bed) dial(first string) *outer {
	b.t.Helper()
	raw, err := net.Dial("tcp", b.address)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { raw.Close() })
	raw.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(raw, first); err != nil {
		b.t.Fatal(err)
	}
	conn := tls.Client(raw, &tls.Config{RootCAs: b.ca.Pool(), ServerName: gatewayName, MinVersion: tls.VersionTLS13})
	if err := conn.Handshake(); err != nil {
		b.t.Fatalf("outer handshake: %v", err)
	}
	return &outer{Conn: conn, b: b, r: bufio.NewReader(conn)}
}

// proof is that of the client's key for this connection.
func (o *outer) proof() string {
	o.b.t.Helper()
	state := o.ConnectionState()
	ekm, err := state.ExportKeyingMaterial(authn.ExporterLabel, nil, authn.ExporterLength)
	if err != nil {
		o.b.t.Fatal(err)
	}
	proof, err := authn.Proof(o.b.client, ekm)
	if err != nil {
		o.b.t.Fatal(err)
	}
	return proof
}

// connectHead is a CONNECT with token and proof.
func connectHead(target, token, proof string) string {
	return fmt.Sprintf("CONNECT %s HTTP/1.1\r\nHost: %s\r\nProxy-Authorization: Bearer %s\r\nX-Token-Signature: %s\r\n"+
		"X-Connection-Id: laptop-7\r\n\r\n", target, target, token, proof)
}

// send sends a head and returns the gateway's answer to it.
func (o *outer) send(head string) answer {
	o.b.t.Helper()
	if _, err := io.WriteString(o, head); err != nil {
		o.b.t.Fatal(err)
	}
	return readAnswer(o.b.t, o.r, strings.Fields(head)[0])
}

// answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   string
	last   bool  // Connection: close
	err    error // of reading the body
}

func readAnswer(t *testing.T, r *bufio.Reader, method string) answer {
	t.Helper()
	response, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("reading the answer to %s: %v", method, err)
	}
	a := answer{status: response.StatusCode, header: response.Header, last: response.Close}
	if method == http.MethodConnect && a.status == http.StatusOK || a.status == http.StatusSwitchingProtocols {
		return a
	}
	body, err := io.ReadAll(response.Body)
	a.body, a.err = string(body), err
	return a
}

// tunnel is what kubectl sees: TLS to the API server, as it thinks.
type tunnel struct {
	*tls.Conn
	t *testing.T
	r *bufio.Reader
}

// openWith opens a tunnel for a token. first is sent before the outer TLS.
func (b *bed) openWith(first, target, token string) *tunnel {
	b.t.Helper()
	o := b.dial(first)
	if a := o.send(connectHead(target, token, o.proof())); a.status != http.StatusOK {
		b.t.Fatalf("CONNECT = %d %q, want 200", a.status, a.body)
	}
	host, _, _ := strings.Cut(target, ":")
	return b.inner(o, host)
}

// inner does the inner handshake, as it is due behind a CONNECT that was let in.
func (b *bed) inner(o *outer, host string) *tunnel {
	b.t.Helper()
	inner := tls.Client(o, &tls.Config{RootCAs: b.ca.Pool(), ServerName: host})
	if err := inner.Handshake(); err != nil {
		b.t.Fatalf("inner handshake: %v", err)
	}
	return &tunnel{Conn: inner, t: b.t, r: bufio.NewReader(inner)}
}

// open opens a tunnel to prod.
func (b *bed) open(edits ...func(*authn.Claims)) *tunnel {
	b.t.Helper()
	return b.openWith("", prodTarget, b.token(edits...))
}

// begin sends a GET with further header lines.
func (n *tunnel) begin(path string, fields ...string) {
	n.t.Helper()
	head := "GET " + path + " HTTP/1.1\r\nHost: " + prodAlias + "\r\n" + strings.Join(append(fields, ""), "\r\n") + "\r\n"
	if _, err := io.WriteString(n, head); err != nil {
		n.t.Fatalf("GET %s: %v", path, err)
	}
}

// ask is begin and the answer.
func (n *tunnel) ask(path string, fields ...string) answer {
	n.t.Helper()
	n.begin(path, fields...)
	return readAnswer(n.t, n.r, http.MethodGet)
}

// mustAsk wants the answer of an API server that has the object.
func (n *tunnel) mustAsk(path string, fields ...string) {
	n.t.Helper()
	if a := n.ask(path, fields...); a.status != http.StatusOK || a.body != "served "+path || a.err != nil {
		n.t.Fatalf("GET %s = %d %q (%v), want 200", path, a.status, a.body, a.err)
	}
}

// wantEnd wants the gateway to end the tunnel in order.
func (n *tunnel) wantEnd() {
	n.t.Helper()
	if rest, err := io.ReadAll(n.r); err != nil || len(rest) != 0 {
		n.t.Errorf("the tunnel ends with %q, %v, want it to end in order", rest, err)
	}
}

// startStream upgrades the tunnel to one that echoes.
func (n *tunnel) startStream(path string) {
	n.t.Helper()
	a := n.ask(path, "Connection: Upgrade", "Upgrade: SPDY/3.1")
	if a.status != http.StatusSwitchingProtocols {
		n.t.Fatalf("upgrade of %s = %d %q, want 101", path, a.status, a.body)
	}
}

// wantEcho wants the stream to be alive.
func (n *tunnel) wantEcho(text string) {
	n.t.Helper()
	if _, err := io.WriteString(n, text); err != nil {
		n.t.Fatalf("writing to the stream: %v", err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(n.r, got); err != nil || string(got) != text {
		n.t.Fatalf("the stream echoes %q, %v, want %q", got, err, text)
	}
}
