package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	smallPath = "/api/v1/namespaces/default/configmaps/settings"
	watchPath = "/api/v1/namespaces/default/pods?watch=true"

	smallSize = 4 << 10 // octets of the body
)

// What the upstream answers.
var (
	smallBody  = smallObject()
	watchEvent = []byte(`{"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web-0"}}}` + "\n")

	smallAnswer = append(fmt.Appendf(nil, answerHead+"Content-Length: %d\r\n\r\n", len(smallBody)), smallBody...)
	watchAnswer = fmt.Appendf(nil, answerHead+"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(watchEvent), watchEvent)
	refusal     = []byte("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
)

// answerHead has the fields that an API server sends.
const answerHead = "HTTP/1.1 200 OK\r\n" +
	"Audit-Id: 5c7a7f0e-6a0b-4f1e-9a43-6a1d1d5f7c21\r\n" +
	"Cache-Control: no-cache, private\r\n" +
	"Content-Type: application/json\r\n" +
	"X-Kubernetes-Pf-Flowschema-Uid: 1b0d62b4-6a5a-4b7e-8a51-0e1d3a0a2f57\r\n" +
	"X-Kubernetes-Pf-Prioritylevel-Uid: 6d0a3b52-1c39-4f0c-bb6a-9d6d8a0d1a44\r\n" +
	"Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"

func smallObject() []byte {
	const head, tail = `{"kind":"ConfigMap","apiVersion":"v1","data":{"settings":"`, `"}}`
	return []byte(head + strings.Repeat("x", smallSize-len(head)-len(tail)) + tail)
}

// upstream is the API server of a run. It understands two requests, and costs as
// little as it can: they are told apart by their first octets.
type upstream struct {
	tls      *tls.Config
	required [][]byte // lines, with CRLF before and after, that each head must have

	answered atomic.Int64 // requests
}

// newUpstream returns an upstream that wants the gateway's credential and the
// user's identity in each request.
func newUpstream(config *tls.Config, bearer string) *upstream {
	u := &upstream{tls: config}
	u.require("Authorization", "Bearer "+bearer)
	u.require("Impersonate-User", userName)
	for _, group := range userGroups {
		u.require("Impersonate-Group", group)
	}
	return u
}

func (u *upstream) require(name, value string) {
	u.required = append(u.required, []byte("\r\n"+name+": "+value+"\r\n"))
}

// serve answers until ctx is done, and then returns when all connections are
// closed.
func (u *upstream) serve(ctx context.Context, l net.Listener) error {
	defer context.AfterFunc(ctx, func() { l.Close() })()
	var conns sync.WaitGroup
	defer conns.Wait()
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		conns.Go(func() { u.serveConn(ctx, c) })
	}
}

// serveConn ends with the client, with ctx, or when what comes is not a head.
func (u *upstream) serveConn(ctx context.Context, raw net.Conn) {
	defer raw.Close()
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	c := tls.Server(raw, u.tls)
	buf := make([]byte, 8<<10)
	for {
		head, err := readHead(c, buf)
		if err != nil {
			return
		}
		answer := u.answer(head)
		if _, err := c.Write(answer); err != nil {
			return
		}
		u.answered.Add(1)
		if bytes.HasPrefix(head, watchLine) {
			io.Copy(io.Discard, c) // silent until the watcher goes away
			return
		}
	}
}

var (
	smallLine = []byte("GET " + smallPath + " ")
	watchLine = []byte("GET " + watchPath + " ")
)

// answer returns what a request gets.
func (u *upstream) answer(head []byte) []byte {
	switch {
	case !u.allowed(head):
		return refusal
	case bytes.HasPrefix(head, smallLine):
		return smallAnswer
	case bytes.HasPrefix(head, watchLine):
		return watchAnswer
	}
	return refusal
}

// impersonate begins the lines that say who acts.
var impersonate = []byte("\r\nImpersonate-")

func (u *upstream) allowed(head []byte) bool {
	for _, line := range u.required {
		if bytes.Count(head, line) != 1 {
			return false
		}
	}
	return bytes.Count(head, impersonate) == 1+len(userGroups)
}

var errNotOneHead = errors.New("not one head without a body")

// headEnd returns the length of the head that p begins with, with its empty line;
// 0: it is not complete.
func headEnd(p []byte) int {
	const end = "\r\n\r\n"
	if at := bytes.Index(p, []byte(end)); at >= 0 {
		return at + len(end)
	}
	return 0
}

// readHead reads one head into buf, including its empty line. Nothing may follow
// it.
func readHead(r io.Reader, buf []byte) ([]byte, error) {
	for n := 0; n < len(buf); {
		m, err := r.Read(buf[n:])
		n += m
		switch end := headEnd(buf[:n]); {
		case end == n && n > 0:
			return buf[:n], nil
		case end > 0:
			return nil, errNotOneHead
		case err != nil:
			return nil, err
		}
	}
	return nil, errNotOneHead
}

// runUpstream is the subcommand.
func runUpstream(ctx context.Context, args []string) error {
	var listen, bearer string
	var pair keyPair
	flags := flag.NewFlagSet("bench upstream", flag.ContinueOnError)
	flags.StringVar(&listen, "listen", "", "`ADDRESS`")
	flags.StringVar(&pair.cert, "cert", "", "`FILE`")
	flags.StringVar(&pair.key, "key", "", "`FILE`")
	flags.StringVar(&bearer, "bearer", "", "`TOKEN` that requests must have")
	if err := flags.Parse(args); err != nil {
		return err
	}
	config, err := pair.load()
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	return newUpstream(config, bearer).serve(ctx, l)
}
