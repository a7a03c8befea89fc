package cluster

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/spliceway/spliceway/internal/filewatch"
)

// Cluster is one API server and the gateway's credential there. All methods may be
// called concurrently.
type Cluster struct {
	cfg    Config // complete
	server Server
	host   []byte

	transport     *filewatch.Value[*tls.Config]
	authorization *filewatch.Value[[]byte] // nil if a client certificate authenticates
}

// New reads the files of a cluster. It does not connect.
func New(cfg Config) (*Cluster, error) {
	return newCluster(cfg, os.Getenv, ServiceAccountDir)
}

func newCluster(cfg Config, getenv func(string) string, accountDir string) (*Cluster, error) {
	cfg, err := cfg.complete(getenv, accountDir)
	if err != nil {
		return nil, err
	}
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("cluster: %q %w", cfg.Name, err)
	}
	c := &Cluster{cfg: cfg}
	if c.server, err = ParseServer(cfg.Server); err != nil {
		return nil, fmt.Errorf("cluster: server of %q: %w", cfg.Name, err)
	}
	c.host = []byte(c.server.Authority)
	if cfg.ServerName == "" {
		c.cfg.ServerName = c.server.Host
	}
	if err := c.watch(); err != nil {
		return nil, err
	}
	return c, nil
}

// watch makes the values that follow the files.
func (c *Cluster) watch() (err error) {
	var files []string
	for _, file := range []string{c.cfg.CAFile, c.cfg.ClientCertificateFile, c.cfg.ClientKeyFile} {
		if file != "" {
			files = append(files, file)
		}
	}
	c.transport, err = filewatch.New(func() (*tls.Config, error) { return loadTLS(&c.cfg, c.cfg.ServerName) }, files...)
	if err != nil || c.cfg.BearerTokenFile == "" {
		return err
	}
	c.authorization, err = filewatch.New(func() ([]byte, error) { return loadAuthorization(c.cfg.BearerTokenFile) }, c.cfg.BearerTokenFile)
	return err
}

// Name returns the name of the cluster in the configuration.
func (c *Cluster) Name() string { return c.cfg.Name }

// Host returns the API server's authority for the Host line. It must not be
// changed.
func (c *Cluster) Host() []byte { return c.host }

// Addr returns the API server's host:port, for logs.
func (c *Cluster) Addr() string { return c.server.Addr() }

// Authorization returns the complete header line, with CRLF, that authenticates
// the gateway; nil if its client certificate does. It must not be changed, and is
// to be asked for anew for each request.
func (c *Cluster) Authorization() []byte {
	if c.authorization == nil {
		return nil
	}
	return c.authorization.Get()
}

// Refresh looks at the token's file now, as after a 401. changed reports that this
// call is the one that has read it anew. With an error the line is what it was.
//
// Of several calls, and of Run, one is told of a change and the others are not:
// what decides about a retry is whether Authorization differs from the line that
// was sent.
func (c *Cluster) Refresh() (changed bool, err error) {
	if c.authorization == nil {
		return false, nil
	}
	return c.authorization.Check()
}

// Kinds of files, as Run reports them.
const (
	KindToken     = "token"
	KindTransport = "upstream-tls" // authorities and client certificate
)

// Run follows the files until ctx is done, looking every so often. report is told
// of each reload, with nil, and of each new failure, with the error; it may be
// called from two goroutines at once and may be nil.
func (c *Cluster) Run(ctx context.Context, every time.Duration, report func(kind string, err error)) {
	if report == nil {
		report = func(string, error) {}
	}
	var wg sync.WaitGroup
	wg.Go(func() { c.transport.Run(ctx, every, func(err error) { report(KindTransport, err) }) })
	if c.authorization != nil {
		wg.Go(func() { c.authorization.Run(ctx, every, func(err error) { report(KindToken, err) }) })
	}
	wg.Wait()
}

// keepAlive notices a server that is gone within a minute.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}

// Dial connects to the API server and completes the TLS handshake. wrap, if not
// nil, is given the socket and returns what TLS is to use in its place. The error
// is a *DialError.
func (c *Cluster) Dial(ctx context.Context, wrap func(net.Conn) net.Conn) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.DialTimeout)
	defer cancel()
	dialer := net.Dialer{KeepAliveConfig: keepAlive}
	raw, err := dialer.DialContext(ctx, "tcp", c.server.Addr())
	if err != nil {
		return nil, c.dialError(ctx, err)
	}
	socket := raw
	if wrap != nil {
		socket = wrap(raw)
	}
	conn := tls.Client(socket, c.transport.Get())
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close() // no close_notify: there is no session, and it could block
		return nil, c.dialError(ctx, err)
	}
	return conn, nil
}
