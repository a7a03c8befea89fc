package connect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/spliceway/spliceway/httpparse"
)

const (
	// headTimeout is for the client's CONNECT. It is a program on this machine that has just connected.
	headTimeout = 10 * time.Second
	// maxClientHead is where reading of the CONNECT ends; what lies behind it is read by the tunnel.
	maxClientHead = 16 << 10
)

const established = "HTTP/1.1 200 Connection established\r\n\r\n"

// handle serves one client from its CONNECT to the end of its tunnel. It closes conn.
func (p *Proxy) handle(ctx context.Context, conn duplex) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	conn.SetDeadline(time.Now().Add(headTimeout))
	target, early, err := p.admit(conn)
	if err != nil {
		p.refuse(conn, err, target)
		return
	}
	upstream, err := p.establish(ctx, target)
	if err != nil {
		p.refuse(conn, err, target)
		return
	}
	defer context.AfterFunc(ctx, func() { upstream.NetConn().Close() })()
	conn.SetDeadline(time.Now().Add(answerTimeout))
	if _, err := conn.Write([]byte(established)); err != nil {
		upstream.Close()
		return
	}
	conn.SetDeadline(time.Time{})
	p.log.Debug().Str("target", target).Msg("tunnel opened")
	start := time.Now()
	up, down, err := splice(conn, upstream, early)
	p.log.Debug().Str("target", target).Int64("bytes_up", up).Int64("bytes_down", down).
		Dur("duration", time.Since(start)).AnErr("error", err).Msg("tunnel closed")
}

// admit reads the CONNECT and checks the client's credentials. early is what lies behind the head.
func (p *Proxy) admit(conn duplex) (target string, early []byte, err error) {
	var request httpparse.Request
	head, n, err := readHead(conn, &request)
	if err != nil {
		return "", nil, err
	}
	if string(request.Method) != http.MethodConnect {
		return "", nil, &refusal{status: http.StatusMethodNotAllowed, what: "this proxy takes nothing but CONNECT"}
	}
	target = string(request.Target)
	if !p.keeper.admits(string(request.Header.Get("Proxy-Authorization"))) {
		return target, nil, &refusal{
			status: http.StatusProxyAuthRequired,
			what:   "the proxy-url has no secret or a wrong one",
			hint:   "run spliceway connect kubeconfig again",
		}
	}
	// A copy: the tunnel may live for days, and nearly always there is nothing to keep.
	return target, bytes.Clone(head[n:]), nil
}

// errGone says that a client went away before it had said anything that deserves an answer.
var errGone = errors.New("connect: the client has gone")

// readHead reads until the head is complete and returns all that was read and the length of the head.
func readHead(conn duplex, request *httpparse.Request) (buf []byte, n int, err error) {
	limits := &httpparse.Limits{Head: maxClientHead}
	buf = make([]byte, 0, maxClientHead)
	for {
		m, readErr := conn.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+m]
		if m > 0 {
			n, err = httpparse.ParseConnect(buf, limits, request)
			if err == nil {
				return buf, n, nil
			}
			if !errors.Is(err, httpparse.ErrNeedMore) {
				return nil, 0, malformed(err)
			}
		}
		if readErr != nil {
			return nil, 0, fmt.Errorf("%w: %w", errGone, readErr)
		}
		if len(buf) == cap(buf) {
			return nil, 0, &refusal{status: http.StatusRequestHeaderFieldsTooLarge, what: "the head of the CONNECT is too large"}
		}
	}
}

func malformed(err error) *refusal {
	r := &refusal{status: http.StatusBadRequest, what: "this proxy takes nothing but a CONNECT", err: err}
	if parse, ok := errors.AsType[*httpparse.Error](err); ok {
		r.status, r.detail = parse.Status, parse.Reason
	}
	return r
}

// establish makes the tunnel for a target, with a second attempt when a token that had been kept is refused.
func (p *Proxy) establish(ctx context.Context, target string) (*tunnel, error) {
	ctx, cancel := context.WithTimeout(ctx, establishTimeout)
	defer cancel()
	start := time.Now()
	resource, err := p.list.find(ctx, target)
	if err != nil {
		return nil, err
	}
	lease := p.tokenFor(resource.Name)
	token, err := lease.get(ctx)
	if err != nil {
		return nil, err
	}
	t, err := p.gateway.open(ctx, target, token.value)
	if !isTokenRefused(err) {
		return t, err
	}
	lease.drop(token.fetched)
	if !token.fetched.Before(start) {
		return nil, err // it was made for this connection: another one would fare no better
	}
	p.log.Debug().Str("target", target).Str("resource", resource.Name).Msg("token refused, trying a new one")
	if token, err = lease.get(ctx); err != nil {
		return nil, err
	}
	return p.gateway.open(ctx, target, token.value)
}

func isTokenRefused(err error) bool {
	r, ok := errors.AsType[*refusal](err)
	return ok && r.status == http.StatusUnauthorized
}

// refuse answers the client and says the same in the log.
func (p *Proxy) refuse(conn duplex, err error, target string) {
	if errors.Is(err, errGone) {
		p.log.Debug().Err(err).Msg("client went away before its CONNECT")
		return
	}
	r := asRefusal(err)
	p.reporter.report(r, target)
	conn.SetDeadline(time.Now().Add(answerTimeout))
	if r.answer(conn) == nil {
		lingerClose(conn)
	}
}

// lingerClose keeps a client that is still sending from getting a reset before it has read the answer.
func lingerClose(conn duplex) {
	if conn.CloseWrite() != nil {
		return
	}
	conn.SetReadDeadline(time.Now().Add(time.Second))
	var buf [1 << 10]byte
	for {
		if _, err := conn.Read(buf[:]); err != nil {
			return
		}
	}
}
