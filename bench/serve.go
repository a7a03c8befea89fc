package main

import (
	"context"
	"net"
	"sync"
)

// serveConns calls serve for each connection, in a goroutine of its own, until
// ctx is done, which closes them all. It returns when every serve has. The
// connection is closed when serve returns.
func serveConns(ctx context.Context, l net.Listener, serve func(raw net.Conn)) error {
	defer context.AfterFunc(ctx, func() { l.Close() })()
	var conns sync.WaitGroup
	defer conns.Wait()
	for {
		raw, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		conns.Go(func() {
			defer raw.Close()
			defer context.AfterFunc(ctx, func() { raw.Close() })()
			serve(raw)
		})
	}
}
