package main

import (
	"context"
	"crypto/tls"
	"flag"
	"net"
	"time"
)

// relay is the limit: what two layers of TLS on one side and one on the other
// cost when nothing is done with what is in them. It asks nobody for a token,
// knows no HTTP behind the CONNECT, and dials the upstream for each tunnel.
type relay struct {
	front    *tls.Config
	upstream *tls.Config
	address  string // of the upstream
	batching bool
}

// relayBuffer is the copy buffer of one direction, in octets.
const relayBuffer = 32 << 10

var tunnelOpened = []byte("HTTP/1.1 200 OK\r\n\r\n")

// serveConn serves a tunnel to its end.
func (r *relay) serveConn(ctx context.Context, raw net.Conn) {
	below := &batchConn{Conn: raw, batching: r.batching}
	outer := tls.Server(below, r.front)
	raw.SetDeadline(time.Now().Add(openTimeout))
	if _, err := readHead(outer, make([]byte, 4<<10)); err != nil {
		return
	}
	if _, err := outer.Write(tunnelOpened); err != nil {
		return
	}
	between := &batchConn{Conn: outer, below: below, batching: r.batching}
	inner := tls.Server(between, r.front)
	if err := inner.Handshake(); err != nil {
		return
	}
	raw.SetDeadline(time.Time{})
	to, err := new(net.Dialer).DialContext(ctx, "tcp", r.address)
	if err != nil {
		return
	}
	defer to.Close()
	up := &batchConn{Conn: to, batching: r.batching}
	upstream := tls.Client(up, r.upstream)
	if err := upstream.Handshake(); err != nil {
		return
	}
	r.splice(layered{inner, between}, layered{upstream, up})
}

// splice copies both ways until one ends, and then closes.
func (r *relay) splice(client, upstream layered) {
	ended := make(chan struct{})
	go func() { // ends with its reads, which fail when the connections are closed
		defer close(ended)
		r.copy(upstream, client)
		upstream.below.close()
		client.below.close()
	}()
	r.copy(client, upstream)
	client.below.close()
	upstream.below.close()
	<-ended
}

func (r *relay) copy(dst, src layered) {
	if r.batching {
		copyBatches(dst, src)
		return
	}
	copyAll(dst, src, make([]byte, relayBuffer))
}

// runRelay is the subcommand.
func runRelay(ctx context.Context, args []string) error {
	r := &relay{}
	var listen, authority string
	var pair keyPair
	flags := flag.NewFlagSet("bench relay", flag.ContinueOnError)
	flags.StringVar(&listen, "listen", "", "`ADDRESS`")
	flags.StringVar(&pair.cert, "cert", "", "`FILE`")
	flags.StringVar(&pair.key, "key", "", "`FILE`")
	flags.StringVar(&r.address, "upstream", "", "`ADDRESS`")
	flags.StringVar(&authority, "authority", "", "`FILE` with the upstream's authority")
	flags.BoolVar(&r.batching, "batching", false, "take the records that have arrived, and flush once")
	err := flags.Parse(args)
	if err != nil {
		return err
	}
	if r.front, err = pair.load(); err != nil {
		return err
	}
	r.front.NextProtos = nil
	if r.upstream, err = clientTLS(authority); err != nil {
		return err
	}
	r.upstream.ServerName = upstreamHost
	r.upstream.ClientSessionCache = nil
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	return serveConns(ctx, l, func(raw net.Conn) { r.serveConn(ctx, raw) })
}
