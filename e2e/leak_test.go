package e2e

import (
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/spliceway/spliceway/e2e/stack"
)

// TestNothingLeaks does all that opens something, most of it with an untimely
// end, and wants the gateway to have as many goroutines and files afterwards as
// before.
func TestNothingLeaks(t *testing.T) {
	t.Parallel()
	issuer := newScriptedIssuer(t, ann, time.Hour)
	s := newStack(t, func(c *stack.Config) {
		issuer.use(c)
		c.Options = "timeouts: {handshake: 1s, innerHandshake: 1s}\n"
	})
	busy := func(rounds int) {
		k := kubectlThrough(t, s, ann)
		for range rounds {
			misbehave(t, s, issuer, k)
		}
	}
	busy(1) // what is made once, is made now
	before := settled(t, s)
	busy(2)
	after := settled(t, s)
	if after.goroutines > before.goroutines || after.files > before.files {
		t.Errorf("after %+v, before %+v", after, before)
	}
	for _, gauge := range []string{
		"spliceway_connections_active", "spliceway_tunnels_active", "spliceway_requests_in_flight", "spliceway_streams_active",
	} {
		wantEqual(t, gauge, metric(t, s, gauge), 0)
	}
}

// misbehave opens connections and streams, and leaves most of them standing.
func misbehave(t *testing.T, s *stack.Stack, issuer *scriptedIssuer, k kubectl) {
	k.run(t, "get", "pods")
	watch := k.start(t, "get", "configmaps", "-w")
	logs := k.start(t, "logs", "-f", "demo")
	readUntil(t, logs.stdout, "demo line ")
	for _, flavour := range flavours[:2] {
		k := k.with(flavour.env...)
		k.run(t, "exec", "demo", "--", "true")
		exec := k.start(t, "exec", "demo", "--", "sh", "-c", "echo ready; sleep 60")
		readUntil(t, exec.stdout, "ready")
		forward := k.start(t, "port-forward", "demo", ":7")
		readUntil(t, forward.stdout, "-> 7\n")
		for _, b := range []*background{exec, forward} {
			b.cmd.Process.Kill()
			b.wait()
		}
	}
	for _, b := range []*background{watch, logs} {
		b.cmd.Process.Kill()
		b.wait()
	}
	for range 5 {
		raw, err := net.Dial("tcp", s.GatewayAddress)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(raw, "\x16\x03\x01\x02\x00") // the start of a ClientHello
		raw.(*net.TCPConn).SetLinger(0)             // a reset
		raw.Close()
		io.WriteString(dialOuter(t, s), "CONNECT")
		openTunnel(t, s, issuer).Close()
		inner := openInner(t, s, issuer)
		fmt.Fprintf(inner, "GET /api/v1/namespaces/default/pods?watch=1 HTTP/1.1\r\nHost: kubernetes\r\n\r\n")
		inner.NetConn().Close()
	}
}

// usage is what a gateway holds, without its idle upstream connections.
type usage struct{ goroutines, files float64 }

// settled stops all helpers of s, waits until no connection is left and the
// numbers no longer fall, and returns them.
func settled(t *testing.T, s *stack.Stack) usage {
	t.Helper()
	if err := s.Disconnect(); err != nil {
		t.Fatal(err)
	}
	last, same := usage{}, 0
	if !eventuallyWithin(20*time.Second, func() bool {
		metrics, err := s.Metrics(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		idle := metrics.Sum("spliceway_upstream_connections", `state="idle"`)
		now := usage{metrics["go_goroutines"], metrics["process_open_fds"] - idle}
		if now == last {
			same++
		} else {
			last, same = now, 0
		}
		return same >= 5 && metrics["spliceway_connections_active"] == 0
	}) {
		t.Fatalf("the gateway does not come to rest: %+v", last)
	}
	return last
}
