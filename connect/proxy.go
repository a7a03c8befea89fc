package connect

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/spliceway/spliceway/issuer"
)

const (
	// maxClients bounds the connections of local clients; k9s on a large cluster has a few dozen.
	maxClients = 1024
	// establishTimeout is for everything between the client's CONNECT and its answer. net/http waits for a minute.
	establishTimeout = 45 * time.Second

	minAcceptDelay = 5 * time.Millisecond
	maxAcceptDelay = time.Second
)

// Proxy is the local CONNECT proxy. Make it with New.
type Proxy struct {
	listen   string
	log      zerolog.Logger
	keeper   gatekeeper
	issuer   *issuerClient
	gateway  *gateway
	slots    chan struct{}
	list     *resourceList
	reporter reporter

	base context.Context // of fetches; ended by stop
	stop context.CancelFunc
	// tasks counts connections and fetches.
	tasks sync.WaitGroup

	mu     sync.Mutex
	tokens map[string]*lease[string] // guarded by mu; by resource name
}

// New checks the options, reads the files they name, makes the proxy's secret if there is none, and makes the key
// that tokens will be bound to. It sends nothing.
func New(options Options) (*Proxy, error) {
	listen, err := options.listenAddress()
	if err != nil {
		return nil, err
	}
	address, config, err := options.gateway()
	if err != nil {
		return nil, err
	}
	client, err := newIssuerClient(options.Issuer)
	if err != nil {
		return nil, err
	}
	secret, err := LoadProxySecret(options.ProxySecretFile)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("connect: making the key: %w", err)
	}
	p := &Proxy{
		listen:   listen,
		log:      options.Log,
		keeper:   newGatekeeper(secret),
		issuer:   client,
		gateway:  &gateway{address: address, tls: config, key: key},
		slots:    make(chan struct{}, maxClients),
		tokens:   make(map[string]*lease[string]),
		reporter: reporter{log: options.Log},
	}
	p.base, p.stop = context.WithCancel(context.Background())
	p.list = &resourceList{lease[[]issuer.ResourceInfo]{
		fetch:  p.fetchResources,
		base:   p.base,
		tasks:  &p.tasks,
		failed: p.renewalFailed("the list of resources"),
	}}
	return p, nil
}

// Run listens on the configured address, calls ready, and serves until ctx is done; then it returns nil. It is called
// once.
//
// Before it listens it asks the issuer for the user's resources: wrong or missing credentials are returned as
// ErrCredentials at once, any other fault is logged and left to the connections, because it may pass.
func (p *Proxy) Run(ctx context.Context, ready func()) error {
	switch _, err := p.list.get(ctx); {
	case ctx.Err() != nil:
		p.close()
		return nil
	case errors.Is(err, ErrCredentials):
		p.close()
		return err
	case err != nil:
		p.reporter.report(asRefusal(err), "")
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", p.listen)
	if err != nil {
		p.close()
		return fmt.Errorf("connect: listening: %w", err)
	}
	ready()
	return p.Serve(ctx, ln)
}

// Serve takes over ln, which must listen on a loopback address, and serves until ctx is done; then it returns nil. All
// tunnels end with it. It is called once.
func (p *Proxy) Serve(ctx context.Context, ln net.Listener) error {
	defer p.close()
	defer ln.Close()
	if addr, err := netip.ParseAddrPort(ln.Addr().String()); err != nil || !addr.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("connect: %s is not a loopback address", ln.Addr())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	p.log.Info().Str("listen", ln.Addr().String()).Str("gateway", p.gateway.address).Str("issuer", p.issuer.root).
		Msg("connect is listening")
	return p.accept(ctx, ln)
}

// close ends what the proxy has started and waits for it.
func (p *Proxy) close() {
	p.stop()
	p.tasks.Wait()
	p.issuer.close()
}

func (p *Proxy) accept(ctx context.Context, ln net.Listener) error {
	delay := minAcceptDelay
	for {
		select {
		case p.slots <- struct{}{}: // before Accept: what we cannot serve stays in the backlog
		case <-ctx.Done():
			return nil
		}
		conn, err := ln.Accept()
		if err != nil {
			<-p.slots
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("connect: accepting: %w", err)
			}
			p.log.Error().Err(err).Msg("accepting failed")
			if !sleep(ctx, delay) {
				return nil
			}
			delay = min(2*delay, maxAcceptDelay)
			continue
		}
		delay = minAcceptDelay
		p.tasks.Go(func() {
			defer func() { <-p.slots }()
			p.handle(ctx, conn.(duplex))
		})
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (p *Proxy) fetchResources(ctx context.Context) (held[[]issuer.ResourceInfo], error) {
	list, err := p.issuer.resources(ctx)
	if err != nil {
		return held[[]issuer.ResourceInfo]{}, err
	}
	return holdResources(list, time.Now()), nil
}

// tokenFor returns the lease of a resource's token. There are as many as resources that the issuer has named.
func (p *Proxy) tokenFor(resource string) *lease[string] {
	p.mu.Lock()
	defer p.mu.Unlock()
	l, ok := p.tokens[resource]
	if !ok {
		l = &lease[string]{
			fetch: func(ctx context.Context) (held[string], error) {
				return p.issuer.token(ctx, &p.gateway.key.PublicKey, resource)
			},
			base:   p.base,
			tasks:  &p.tasks,
			failed: p.renewalFailed("the token for " + resource),
		}
		p.tokens[resource] = l
	}
	return l
}

func (p *Proxy) renewalFailed(what string) func(error, time.Time) {
	return func(err error, until time.Time) {
		p.log.Warn().Err(err).Str("what", what).Time("good_until", until).
			Msg("renewal failed, the one in hand goes on until it expires")
	}
}
