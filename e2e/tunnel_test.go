package e2e

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/spliceway/spliceway/e2e/stack"
	"github.com/spliceway/spliceway/e2e/upstream"
)

// size returns how much a test does: more with E2E_LONG.
func size(short, long int) int {
	if os.Getenv("E2E_LONG") != "" {
		return long
	}
	return short
}

// scriptedStack starts a gateway in front of a scripted API server.
func scriptedStack(t *testing.T, handler http.HandlerFunc, recordings string) (*stack.Stack, *dialer) {
	t.Helper()
	server, err := upstream.Start(t.TempDir(), handler)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	issuer := newScriptedIssuer(t, ann, time.Hour)
	s := newStack(t, func(c *stack.Config) {
		server.Use(c)
		issuer.use(c)
		c.Recordings = recordings
	})
	return s, newDialer(t, s, issuer)
}

// dialer opens tunnels through a gateway, in any goroutine.
type dialer struct {
	stack *stack.Stack
	key   *ecdsa.PrivateKey
	token string
}

func newDialer(t *testing.T, s *stack.Stack, issuer *scriptedIssuer) *dialer {
	t.Helper()
	key := newKey(t)
	return &dialer{s, key, issuer.sign(t, issuer.claims(t, issuer.user, &key.PublicKey, time.Hour))}
}

// open opens a tunnel, whose end is the caller's. It takes any time that the
// deadline leaves.
func (d *dialer) open(deadline time.Time) (*upstream.Client, error) {
	raw, err := (&net.Dialer{Deadline: deadline}).Dial("tcp", d.stack.GatewayAddress)
	if err != nil {
		return nil, err
	}
	c, err := d.handshake(raw, deadline)
	if err != nil {
		raw.Close()
	}
	return c, err
}

func (d *dialer) handshake(raw net.Conn, deadline time.Time) (*upstream.Client, error) {
	raw.SetDeadline(deadline)
	outer := tls.Client(raw, &tls.Config{RootCAs: d.stack.Authority.Pool(), ServerName: "localhost", MinVersion: tls.VersionTLS13})
	if err := outer.Handshake(); err != nil {
		return nil, err
	}
	proof, err := prove(outer, d.key)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(outer, connectHead(stack.TargetHost+":443", d.token, proof)); err != nil {
		return nil, err
	}
	if err := readOK(bufio.NewReaderSize(onlyRead{outer}, 16)); err != nil {
		return nil, err
	}
	inner := tls.Client(outer, innerConfig(d.stack))
	if err := inner.Handshake(); err != nil {
		return nil, err
	}
	return upstream.NewClient(inner), nil
}

// execTarget is the path of an exec whose pod has a name of its own.
func execTarget(pod string, tty bool) string {
	return "/api/v1/namespaces/default/pods/" + pod + "/exec?command=load&stdout=true&stderr=true&tty=" + strconv.FormatBool(tty)
}

// runExec opens a session and copies its stdout until it ends.
func (d *dialer) runExec(pod string, spdy, tty bool, deadline time.Time, stdout io.Writer) error {
	c, err := d.open(deadline)
	if err != nil {
		return err
	}
	defer c.Close()
	target := execTarget(pod, tty)
	if !spdy {
		if _, err := c.Upgrade(upstream.WebSocketHead(target, "v5.channel.k8s.io")); err != nil {
			return err
		}
		return c.Output(stdout)
	}
	if _, err := c.Upgrade(upstream.SPDYHead(target, "v4.channel.k8s.io")); err != nil {
		return err
	}
	streams := []string{"error", "stdout", "stderr"}
	if tty {
		streams = []string{"error", "stdout", "resize"}
	}
	return c.SPDYOutput(stdout, streams...)
}
