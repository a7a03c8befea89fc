package main

import (
	"context"
	"net"
	"testing"
)

// startRelays returns the ways through both relays, to an upstream that takes
// requests as users send them.
func startRelays(t *testing.T) map[string]*path {
	p := startPath(t)
	open := &upstream{tls: load(t, p.lab.front)}
	address := background(t, open.serve)
	paths := map[string]*path{}
	for _, name := range []string{sideRelay, sideBatching} {
		r := &relay{front: load(t, p.lab.front), upstream: clientConfig(t, p.lab.caFile), address: address, batching: name == sideBatching}
		r.front.NextProtos = nil
		r.upstream.ServerName = targetHost // the upstream has the front's certificate
		front := background(t, func(ctx context.Context, l net.Listener) error {
			return serveConns(ctx, l, func(raw net.Conn) { r.serveConn(ctx, raw) })
		})
		paths[name] = &path{lab: p.lab, upstream: open, gate: &gate{address: front, roots: p.gate.roots, user: p.gate.user}}
	}
	paths[sideBaseline] = p
	return paths
}

// Every octet of every kind of body is compared, at the upstream too.
func TestSidesForwardBodies(t *testing.T) {
	for name, p := range startRelays(t) {
		t.Run(name, func(t *testing.T) {
			c, err := p.gate.open(testContext(t))
			if err != nil {
				t.Fatal(err)
			}
			defer c.close()
			for _, size := range []int64{0, 1, patternSize - 1, patternSize + 1, 3 << 20} {
				for _, coding := range []string{codingLength, codingChunked} {
					if err := c.download(size, coding); err != nil {
						t.Errorf("download(%d, %s): %v", size, coding, err)
					}
				}
				if err := c.upload(size); err != nil {
					t.Errorf("upload(%d): %v", size, err)
				}
				if err := c.get(); err != nil {
					t.Errorf("get: %v", err)
				}
			}
		})
	}
}

func TestPatternCheck(t *testing.T) {
	var body, check patternCheck
	if err := writePattern(&body, 2*patternSize+5); err != nil || body.n != 2*patternSize+5 {
		t.Errorf("writePattern wrote %d octets of the pattern, %v", body.n, err)
	}
	if _, err := check.Write(pattern[1:]); err != errBody {
		t.Errorf("a body that begins elsewhere: %v, want %v", err, errBody)
	}
}
