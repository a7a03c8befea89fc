package connect

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"time"

	"github.com/spliceway/spliceway/authn"
)

const (
	// gatewayTimeout is for TCP, TLS and the answer to the CONNECT together.
	gatewayTimeout = 20 * time.Second
	// maxAnswerHead bounds the head of the gateway's answer, and its body too, which is a word or a sentence.
	maxAnswerHead = 16 << 10
	// bodyTimeout is for a refusal's body, which gateways send together with its head.
	bodyTimeout = 2 * time.Second
	keepAlive   = 30 * time.Second
)

// gateway opens tunnels. Safe for concurrent use.
type gateway struct {
	address string
	tls     *tls.Config
	key     *ecdsa.PrivateKey
}

// tunnel is a connection to the gateway behind its 200. The first octets may have been read ahead.
type tunnel struct {
	*tls.Conn
	read io.Reader // what was read ahead, then Conn
}

func (t *tunnel) Read(p []byte) (int, error) { return t.read.Read(p) }

// open makes a tunnel to target with a token. It returns a *refusal that says what the gateway has answered.
func (g *gateway) open(ctx context.Context, target, token string) (*tunnel, error) {
	ctx, cancel := context.WithTimeout(ctx, gatewayTimeout)
	defer cancel()
	dialer := tls.Dialer{NetDialer: &net.Dialer{KeepAlive: keepAlive}, Config: g.tls}
	raw, err := dialer.DialContext(ctx, "tcp", g.address)
	if err != nil {
		return nil, g.unreachable(err)
	}
	conn := raw.(*tls.Conn)
	// Closing is what wakes a read or a write when the context is done.
	stop := context.AfterFunc(ctx, func() { conn.NetConn().Close() })
	t, err := g.exchange(conn, target, token)
	if stop() && err == nil {
		return t, nil
	}
	conn.NetConn().Close()
	if _, told := errors.AsType[*refusal](err); told {
		return nil, err
	}
	if ctx.Err() != nil {
		err = ctx.Err() // rather than the closed connection that it has led to
	}
	return nil, g.unreachable(err)
}

// exchange sends the CONNECT and reads the answer to it.
func (g *gateway) exchange(conn *tls.Conn, target, token string) (*tunnel, error) {
	head, err := g.head(conn, target, token)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(head); err != nil {
		return nil, fmt.Errorf("connect: sending the CONNECT: %w", err)
	}
	limited := &io.LimitedReader{R: conn, N: maxAnswerHead}
	buffered := bufio.NewReader(limited)
	response, err := http.ReadResponse(buffered, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, fmt.Errorf("connect: reading the gateway's answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		defer response.Body.Close()
		// An older gateway sends no body, and what cannot be read is no reason to hide the status.
		conn.SetReadDeadline(time.Now().Add(bodyTimeout))
		said, _ := io.ReadAll(io.LimitReader(response.Body, maxDetail))
		return nil, g.refused(response.StatusCode, printable(string(said), maxDetail))
	}
	limited.N = math.MaxInt64
	return &tunnel{Conn: conn, read: buffered}, nil
}

// head is the CONNECT with the token and the proof that its key is here, bound to this very connection.
func (g *gateway) head(conn *tls.Conn, target, token string) ([]byte, error) {
	state := conn.ConnectionState()
	material, err := state.ExportKeyingMaterial(authn.ExporterLabel, nil, authn.ExporterLength)
	if err != nil {
		return nil, fmt.Errorf("connect: exporting keying material: %w", err)
	}
	proof, err := authn.Proof(g.key, material)
	if err != nil {
		return nil, fmt.Errorf("connect: making the proof: %w", err)
	}
	return fmt.Appendf(nil, "CONNECT %s HTTP/1.1\r\nHost: %s\r\nProxy-Authorization: Bearer %s\r\n"+
		"X-Token-Signature: %s\r\nX-Connection-Id: %s\r\n\r\n", target, target, token, proof, rand.Text()), nil
}

func (g *gateway) unreachable(err error) *refusal {
	r := &refusal{
		status: http.StatusBadGateway,
		what:   "the gateway cannot be reached",
		detail: err.Error(),
		hint:   "check the network and the gateway's address " + g.address,
		err:    err,
	}
	if errors.Is(err, context.DeadlineExceeded) {
		r.status = http.StatusGatewayTimeout
		r.detail = fmt.Sprintf("no answer in %v", gatewayTimeout)
	}
	if isUntrusted(err) {
		r.what = "the gateway's certificate is not trusted"
		r.hint = fmt.Sprintf("check the gateway's certificate authority file and its name %s", g.tls.ServerName)
	}
	return r
}

// refused makes the gateway's status and its word for the reason a sentence.
func (g *gateway) refused(status int, said string) *refusal {
	r := &refusal{status: status, what: "the gateway refused", detail: said}
	if said == "" {
		r.detail = fmt.Sprintf("status %d", status)
	}
	switch {
	case status == http.StatusUnauthorized || status == http.StatusProxyAuthRequired:
		r.what = "the gateway refused the token"
		r.hint = "check this machine's clock, and that the gateway trusts this issuer"
	case status == http.StatusBadRequest:
		r.what = "the gateway refused the target"
		r.hint = "check the host and the port in the kubeconfig"
	case status == http.StatusForbidden:
		r.hint = "ask the administrator for access"
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		r.hint = "try again in a moment"
	case status < 400:
		r.status = http.StatusBadGateway
		r.hint = "check that the address " + g.address + " is a gateway's"
	}
	return r
}
