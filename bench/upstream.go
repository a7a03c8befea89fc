package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
)

const (
	smallPath = "/api/v1/namespaces/default/configmaps/settings"
	watchPath = "/api/v1/namespaces/default/pods?watch=true"

	// These are followed by parameters: size, in octets, and coding.
	downloadPath = "/api/v1/namespaces/default/secrets?"
	uploadPath   = "/api/v1/namespaces/default/secrets?"

	execPath = "/api/v1/namespaces/default/pods/web-0/exec?container=web&stdout=true&" // command=...

	codingLength  = "length"
	codingChunked = "chunked"

	upstreamHost = "upstream.bench.spliceway.test" // in its certificate

	smallSize = 4 << 10 // octets of the body
)

// What the upstream answers.
var (
	smallBody  = smallObject()
	watchEvent = []byte(`{"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web-0"}}}` + "\n")

	smallAnswer = append(fmt.Appendf(nil, answerHead+"Content-Length: %d\r\n\r\n", len(smallBody)), smallBody...)
	watchChunk  = fmt.Appendf(nil, "%x\r\n%s\r\n", len(watchEvent), watchEvent)
	watchAnswer = append([]byte(answerHead+"Transfer-Encoding: chunked\r\n\r\n"), watchChunk...)
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

// upstream is the API server of a run. It costs as little as it can: requests are
// told apart by their first octets.
type upstream struct {
	tls      *tls.Config
	required [][]byte // lines, with CRLF before and after, that each head must have; none: all heads are taken

	accepted atomic.Int64 // connections
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
	return serveConns(ctx, l, func(raw net.Conn) {
		u.accepted.Add(1)
		u.serveConn(raw)
	})
}

// serveConn ends with the client or when what comes is not understood.
func (u *upstream) serveConn(raw net.Conn) {
	p := &peer{Conn: tls.Server(raw, u.tls), buf: make([]byte, 8<<10)}
	for {
		head, err := p.head()
		if err != nil {
			return
		}
		if err := u.answer(p, head); err != nil {
			return
		}
		u.answered.Add(1)
	}
}

var (
	smallLine    = []byte("GET " + smallPath + " ")
	watchLine    = []byte("GET " + watchPath)
	downloadLine = []byte("GET " + downloadPath)
	uploadLine   = []byte("POST " + uploadPath)
	execLine     = []byte("GET " + execPath)
)

// answer does what a request asks for. An error ends the connection.
func (u *upstream) answer(p *peer, head []byte) (err error) {
	switch {
	case !u.allowed(head):
		_, err = p.Write(refusal)
	case bytes.HasPrefix(head, smallLine):
		_, err = p.Write(smallAnswer)
	case bytes.HasPrefix(head, watchLine):
		err = p.watch(head)
	case bytes.HasPrefix(head, downloadLine):
		err = p.download(head)
	case bytes.HasPrefix(head, uploadLine):
		err = p.upload(head)
	case bytes.HasPrefix(head, execLine):
		err = p.exec(head)
	default:
		_, err = p.Write(refusal)
	}
	return err
}

// impersonate begins the lines that say who acts.
var impersonate = []byte("\r\nImpersonate-")

func (u *upstream) allowed(head []byte) bool {
	if len(u.required) == 0 {
		return true
	}
	for _, line := range u.required {
		if bytes.Count(head, line) != 1 {
			return false
		}
	}
	return bytes.Count(head, impersonate) == 1+len(userGroups)
}

// runUpstream is the subcommand.
func runUpstream(ctx context.Context, args []string) error {
	var listen, open, bearer string
	var pair keyPair
	flags := flag.NewFlagSet("bench upstream", flag.ContinueOnError)
	flags.StringVar(&listen, "listen", "", "`ADDRESS`")
	flags.StringVar(&open, "open", "", "`ADDRESS` where requests need no credential, for the relays")
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
	err = each(ctx, 2, func(going context.Context, i int) error {
		u, address := newUpstream(config, bearer), listen
		if i == 1 {
			u, address = &upstream{tls: config}, open
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		return u.serve(going, l)
	})
	if ctx.Err() != nil {
		return nil // it was told to end
	}
	return err
}
