package tlsmux

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/rs/zerolog"
	"github.com/spliceway/spliceway/httpparse"
)

// Config configures a [Mux]. Certificates and Authenticate are required.
type Config struct {
	// Certificates chooses the certificate of both layers by
	// hello.ServerName. For the inner layer of a client that sends no server
	// name, as TLS demands of one that knows the server by an IP address,
	// hello.ServerName is the host of the CONNECT, so it can be an IP address
	// here. See [Certificates.Get].
	Certificates func(hello *tls.ClientHelloInfo) (*tls.Certificate, error)

	// Authenticate decides about a CONNECT that is well formed and has a
	// bearer token. It returns what is to serve the tunnel, or an error: a
	// *[Refusal] is answered as it says, any other error with 400. It must
	// return when ctx ends. The Connect is valid until it returns.
	Authenticate func(ctx context.Context, c *Connect) (Handler, error)

	// Observe, if not nil, is told the end of each phase. The last outcome of
	// a connection has a Result other than ResultOK or is of PhaseTunnel;
	// none follows it. It is called by the goroutine that serves the
	// connection, before an answer is sent for PhaseConnect and PhaseAuthn,
	// and must not keep a.
	Observe func(a *Attempt, o Outcome)

	// AcceptFailed, if not nil, is told each error of Accept that is waited
	// out.
	AcceptFailed func(err error)

	// Full, if not nil, is told each time that MaxConnections keeps a listener
	// waiting.
	Full func()

	// ProxyTrusted are the peers that are load balancers: a connection from
	// them must begin with a PROXY protocol header, version 1 or 2. From any
	// other peer such a header is not looked at and fails as what it is, no
	// TLS. An IPv4 network may be written as IPv6 (::ffff:10.0.0.0/104).
	ProxyTrusted []netip.Prefix

	// HeadLimits bounds the head of the CONNECT. Zero fields mean those of
	// package httpparse.
	HeadLimits httpparse.Limits

	// MaxConnections is how many connections may be open at once, together
	// with one that each listener holds ready to accept. More wait in the
	// kernel's backlog. If zero, 16384.
	MaxConnections int

	// MaxOpening is how many connections may be between the PROXY header, or
	// accept if there is none, and the end of PhaseAuthn. If zero, there is no
	// limit but MaxConnections.
	MaxOpening int

	// MaxPerSource and MaxOpeningPerSource are the same for one source, which
	// is an IPv4 address or an IPv6 network of 64 bits, in all phases and in
	// those of MaxOpening. If zero, there is no limit. A connection beyond any
	// of the three is closed with ResultLimited before it costs a handshake.
	MaxPerSource        int
	MaxOpeningPerSource int

	// ProxyTimeout is for the PROXY header. If zero, 5 seconds.
	ProxyTimeout time.Duration

	// HandshakeTimeout is for the outer handshake and the CONNECT head
	// together. If zero, 10 seconds.
	HandshakeTimeout time.Duration

	// AuthenticateTimeout is when the context of Authenticate ends. If zero,
	// 10 seconds.
	AuthenticateTimeout time.Duration

	// InnerTimeout is for the answer to the CONNECT and the inner handshake
	// together. If zero, 10 seconds.
	InnerTimeout time.Duration

	// ShutdownGrace is how long Shutdown waits for handlers whose context it
	// has ended. If zero, 10 seconds.
	ShutdownGrace time.Duration

	// Log is for what nobody else can tell: panics, failures of Accept, and
	// that MaxConnections was reached. The zero Logger discards.
	Log zerolog.Logger
}

const (
	defaultMaxConnections      = 16384
	defaultProxyTimeout        = 5 * time.Second
	defaultHandshakeTimeout    = 10 * time.Second
	defaultAuthenticateTimeout = 10 * time.Second
	defaultInnerTimeout        = 10 * time.Second
	defaultShutdownGrace       = 10 * time.Second
)

// complete fills in the defaults and brings the prefixes to the form in which
// addresses are compared.
func (cfg *Config) complete() error {
	if cfg.Certificates == nil || cfg.Authenticate == nil {
		return errors.New("tlsmux: Certificates and Authenticate are required")
	}
	setDefault(&cfg.MaxConnections, defaultMaxConnections)
	setDefault(&cfg.ProxyTimeout, defaultProxyTimeout)
	setDefault(&cfg.HandshakeTimeout, defaultHandshakeTimeout)
	setDefault(&cfg.AuthenticateTimeout, defaultAuthenticateTimeout)
	setDefault(&cfg.InnerTimeout, defaultInnerTimeout)
	setDefault(&cfg.ShutdownGrace, defaultShutdownGrace)
	for name, n := range map[string]int{
		"MaxConnections": cfg.MaxConnections, "MaxOpening": cfg.MaxOpening,
		"MaxPerSource": cfg.MaxPerSource, "MaxOpeningPerSource": cfg.MaxOpeningPerSource,
	} {
		if n < 0 {
			return fmt.Errorf("tlsmux: %s is %d", name, n)
		}
	}
	trusted := make([]netip.Prefix, len(cfg.ProxyTrusted))
	for i, prefix := range cfg.ProxyTrusted {
		var err error
		if trusted[i], err = unmapPrefix(prefix); err != nil {
			return err
		}
	}
	cfg.ProxyTrusted = trusted
	return nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
