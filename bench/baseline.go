package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spliceway/spliceway/authn"
)

// newBaselineHandler returns the reverse proxy: what net/http gives, tuned as one
// would for this job.
func newBaselineHandler(server *url.URL, upstream *tls.Config, bearer string) http.Handler {
	authorization := []string{"Bearer " + bearer}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(server)
			for name := range r.Out.Header {
				if strings.HasPrefix(name, "Impersonate-") || strings.HasPrefix(name, "X-Remote-") {
					delete(r.Out.Header, name)
				}
			}
			caller := r.In.Context().Value(callerKey{}).(*caller)
			r.Out.Header["Authorization"] = authorization
			r.Out.Header["Impersonate-User"] = caller.user
			r.Out.Header["Impersonate-Group"] = caller.groups
			r.Out.Header["X-Forwarded-For"] = caller.address
		},
		Transport: &http.Transport{
			TLSClientConfig:     upstream,
			Protocols:           http1(),
			DisableCompression:  true,
			MaxIdleConns:        256,
			MaxIdleConnsPerHost: 256,
			IdleConnTimeout:     time.Minute,
		},
		BufferPool: &copyBuffers{},
	}
}

func http1() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	return p
}

// caller is who sends the requests of a tunnel, in the form of header values.
type caller struct{ user, groups, address []string }

// callerKey is the key of the *caller in the context of a tunnel's requests.
type callerKey struct{}

func newCaller(id *authn.Identity, remote net.Addr) *caller {
	host, _, _ := net.SplitHostPort(remote.String()) // of a TCP connection
	return &caller{user: []string{id.User}, groups: id.Groups, address: []string{host}}
}

// copyBuffers is an httputil.BufferPool.
type copyBuffers struct{ pool sync.Pool }

func (b *copyBuffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, 32<<10)
}

func (b *copyBuffers) Put(p []byte) { b.pool.Put(&p) }

// newBaselineServer returns the server of the inner connections.
func newBaselineServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		Protocols:         http1(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          log.Default(),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, callerKey{}, callerOf(c))
		},
	}
}

// clientTLS returns the settings towards a server whose authority is in a file.
func clientTLS(authorityFile string) (*tls.Config, error) {
	pem, err := os.ReadFile(authorityFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in " + authorityFile)
	}
	return &tls.Config{
		RootCAs:            roots,
		NextProtos:         []string{"http/1.1"},
		ClientSessionCache: tls.NewLRUClientSessionCache(0),
	}, nil
}

// baselineFlags is the command line of the subcommand.
type baselineFlags struct {
	listen, server, authority, keys, bearer string
	pair                                    keyPair
}

func parseBaselineFlags(args []string) (*baselineFlags, error) {
	f := &baselineFlags{}
	flags := flag.NewFlagSet("bench baseline", flag.ContinueOnError)
	flags.StringVar(&f.listen, "listen", "", "`ADDRESS`")
	flags.StringVar(&f.pair.cert, "cert", "", "`FILE`")
	flags.StringVar(&f.pair.key, "key", "", "`FILE`")
	flags.StringVar(&f.keys, "keys", "", "`FILE` with the issuer's key set")
	flags.StringVar(&f.server, "server", "", "`URL` of the upstream")
	flags.StringVar(&f.authority, "authority", "", "`FILE` with the upstream's authority")
	flags.StringVar(&f.bearer, "bearer", "", "`TOKEN` for the upstream")
	return f, flags.Parse(args)
}

// runBaseline is the subcommand.
func runBaseline(ctx context.Context, args []string) error {
	f, err := parseBaselineFlags(args)
	if err != nil {
		return err
	}
	server, err := url.Parse(f.server)
	if err != nil {
		return err
	}
	upstream, err := clientTLS(f.authority)
	if err != nil {
		return err
	}
	config, err := f.pair.load()
	if err != nil {
		return err
	}
	keys, err := authn.NewKeySet(authn.KeySetConfig{File: f.keys})
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", f.listen)
	if err != nil {
		return err
	}
	tunnels := newTunnelListener(l, config, authn.NewVerifier(keys, authn.VerifierConfig{Issuer: issuerName, Audience: audience}))
	return tunnels.serve(ctx, newBaselineServer(newBaselineHandler(server, upstream, f.bearer)))
}
