package connect

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/rs/zerolog"
)

const (
	// DefaultListen is where the proxy listens unless it is told otherwise. The port stands in kubeconfigs, so that it
	// has to be the same at every start.
	DefaultListen = "127.0.0.1:8445"

	defaultGatewayPort = "8443"
)

// Options configures a Proxy. Each field but Log is a flag of the command line.
type Options struct {
	// Listen is a loopback address and a port; default: DefaultListen. Port 0 takes a free one.
	Listen string
	// Gateway is the host and the port of the gateway; default port: 8443. Required.
	Gateway string
	// GatewayCAFile holds the certificates, in PEM, that the gateway's must chain to; default: those of the system.
	GatewayCAFile string
	// GatewayServerName is the name that the gateway's certificate must have; default: the host of Gateway.
	GatewayServerName string
	// ProxySecretFile is where the secret for clients of the proxy is kept; default: $XDG_STATE_HOME/spliceway/proxy-secret, or the same under ~/.local/state.
	ProxySecretFile string
	// Issuer says where tokens come from.
	Issuer IssuerOptions
	// Log takes one line for each refusal, and more at debug level. It never sees a token or a secret.
	Log zerolog.Logger
}

// IssuerOptions says where tokens come from and who asks for them.
type IssuerOptions struct {
	// URL is the root of the issuer: https, without query. Required.
	URL string
	// CAFile holds the certificates, in PEM, that the issuer's must chain to; default: those of the system.
	CAFile      string
	Credentials Credentials
}

// listenAddress returns the address to listen on, or an error for one that others than this machine can reach.
func (o *Options) listenAddress() (string, error) {
	listen := o.Listen
	if listen == "" {
		listen = DefaultListen
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("connect: listen address: %w", err)
	}
	if host == "localhost" {
		// Not looked up: a resolver that says something else would open the proxy to a network.
		host = "127.0.0.1"
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || !addr.IsLoopback() {
		return "", fmt.Errorf("connect: listen address %q is not a loopback address, and others must not use this proxy", listen)
	}
	return net.JoinHostPort(host, port), nil
}

// gateway returns the address to dial and the TLS configuration for it.
func (o *Options) gateway() (address string, config *tls.Config, err error) {
	if o.Gateway == "" {
		return "", nil, errors.New("connect: the gateway's address is missing")
	}
	host, port, err := net.SplitHostPort(o.Gateway)
	if err != nil {
		host, port = strings.Trim(o.Gateway, "[]"), defaultGatewayPort
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil || !plainHost(host) {
		return "", nil, fmt.Errorf("connect: gateway address %q is not host:port", o.Gateway)
	}
	roots, err := loadRoots(o.GatewayCAFile)
	if err != nil {
		return "", nil, fmt.Errorf("connect: gateway's certificate authority: %w", err)
	}
	name := o.GatewayServerName
	if name == "" {
		name = host
	}
	return net.JoinHostPort(host, port), &tls.Config{
		RootCAs:    roots,
		ServerName: name,
		MinVersion: tls.VersionTLS13, // the proof needs its exporter
	}, nil
}

// plainHost reports whether host is an address or can be a name: what a URL or a path has does not belong to it.
func plainHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host != "" && !strings.ContainsAny(host, "/:@?#[] ")
}

// loadRoots returns nil, the system's roots, for no file.
func loadRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s has no certificate in PEM", file)
	}
	return roots, nil
}
