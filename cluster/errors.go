package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
)

// DialError says why an API server could not be connected to.
type DialError struct {
	Cluster string // name
	Addr    string // host:port
	Reason  string // one of the Reason constants
	Hint    string // what is wrong and what to do, for the operator
	Err     error
}

// Values of DialError.Reason: metric labels and log words.
const (
	ReasonCanceled    = "canceled"     // the caller gave up
	ReasonTimeout     = "timeout"      // no answer in time
	ReasonRefused     = "refused"      // nobody listens there
	ReasonUnreachable = "unreachable"  // no route, or the network is down
	ReasonName        = "name"         // the host name does not resolve
	ReasonClosed      = "closed"       // closed during the handshake
	ReasonAuthority   = "authority"    // certificate of an unknown authority
	ReasonServerName  = "server-name"  // certificate of another host
	ReasonCertificate = "certificate"  // certificate expired or otherwise invalid
	ReasonNoTLS       = "no-tls"       // the server does not speak TLS
	ReasonRejected    = "tls-rejected" // the server ended the handshake with an alert
	ReasonExhausted   = "exhausted"    // the gateway has run out of files, memory or ports
	ReasonOther       = "other"
)

// Error is the sentence for the operator, with the hint and the cause.
func (e *DialError) Error() string {
	return fmt.Sprintf("cluster: dialing %s at %s: %s: %v", e.Cluster, e.Addr, e.Hint, e.Err)
}

// Unwrap returns the cause.
func (e *DialError) Unwrap() error { return e.Err }

// Exhausted reports whether it is the gateway that has run out of something, and not
// known whether the API server can be reached.
func (e *DialError) Exhausted() bool { return e.Reason == ReasonExhausted }

// Sentence is for the user: it names the cluster and the kind of the fault, and no
// address or file of the operator's.
func (e *DialError) Sentence() string {
	return fmt.Sprintf("cannot connect to the API server of cluster %q: %s", e.Cluster, sentences[e.Reason])
}

var sentences = map[string]string{
	ReasonCanceled:    "the connection was closed",
	ReasonTimeout:     "it did not answer in time",
	ReasonRefused:     "it refused the connection",
	ReasonUnreachable: "its network cannot be reached",
	ReasonName:        "its name cannot be resolved",
	ReasonClosed:      "it closed the connection during the TLS handshake",
	ReasonAuthority:   "its certificate is not trusted by the gateway",
	ReasonServerName:  "its certificate is for another name",
	ReasonCertificate: "its certificate is not valid",
	ReasonNoTLS:       "it does not speak TLS",
	ReasonRejected:    "it rejected the TLS handshake",
	ReasonExhausted:   "the gateway has too many connections open; tell your administrator",
	ReasonOther:       "an unexpected error, see the gateway's log",
}

func (c *Cluster) dialError(ctx context.Context, err error) *DialError {
	e := &DialError{Cluster: c.cfg.Name, Addr: c.server.Addr(), Err: err}
	if cause := ctx.Err(); cause != nil {
		// The handshake then fails with whatever closing the socket gave.
		e.Reason, e.Hint, e.Err = ReasonCanceled, "given up by the caller", cause
		if errors.Is(cause, context.DeadlineExceeded) {
			e.Reason, e.Hint = ReasonTimeout, fmt.Sprintf("no complete TLS handshake within %v; check the address and the firewalls", c.cfg.DialTimeout)
		}
		return e
	}
	if e.Reason, e.Hint = c.certificateFault(err); e.Reason == "" {
		e.Reason, e.Hint = c.connectionFault(err)
	}
	return e
}

// certificateFault explains why the API server's certificate was not accepted.
func (c *Cluster) certificateFault(err error) (reason, hint string) {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		if c.cfg.CAFile == "" {
			return ReasonAuthority, "the certificate is not signed by an authority of this system; set certificateAuthorityFile to the CA of the API server"
		}
		return ReasonAuthority, fmt.Sprintf("the certificate is not signed by an authority in %s; put the CA of the API server there", c.cfg.CAFile)
	case errors.As(err, &name):
		return ReasonServerName, fmt.Sprintf("the certificate is not for %s; set serverName to a name that it has", c.cfg.ServerName)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return ReasonCertificate, "the certificate has expired or is not valid yet; renew it, or set the clock"
	case errors.As(err, &invalid):
		return ReasonCertificate, "the certificate is not valid"
	}
	return "", ""
}

// connectionFault explains everything but a bad certificate of the API server.
func (c *Cluster) connectionFault(err error) (reason, hint string) {
	var dns *net.DNSError
	var header tls.RecordHeaderError
	var timeout net.Error
	switch {
	case exhausted(err):
		return ReasonExhausted, "the gateway has no files, memory or ports left for it; raise its limit of open files, or lower limits"
	case errors.As(err, &dns):
		return ReasonName, fmt.Sprintf("the name %s cannot be resolved; check server in the configuration and the DNS", c.server.Host)
	case errors.Is(err, syscall.ECONNREFUSED):
		return ReasonRefused, "nothing listens there; check that the API server runs and that the port is right"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.ENETDOWN):
		return ReasonUnreachable, "there is no route; check the address and the network"
	case errors.As(err, &header):
		return ReasonNoTLS, "the answer is not TLS; check that the port is the API server's secure one"
	case rejected(err):
		if c.cfg.ClientCertificateFile != "" {
			return ReasonRejected, fmt.Sprintf("the API server rejected the handshake, perhaps the client certificate in %s", c.cfg.ClientCertificateFile)
		}
		return ReasonRejected, "the API server rejected the handshake"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return ReasonClosed, "the connection was closed during the handshake; check that there is an API server behind this address"
	case errors.As(err, &timeout) && timeout.Timeout():
		return ReasonTimeout, "no answer; check the address and the firewalls"
	}
	return ReasonOther, "unexpected error"
}

// exhausted reports whether it is the gateway that has run out of something it needs
// for a connection: files, memory, ports. Of an error on the way to a DNS server
// package net keeps the text alone.
func exhausted(err error) bool {
	var dns *net.DNSError
	asking := errors.As(err, &dns)
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, errno) || asking && strings.HasSuffix(dns.Err, ": "+errno.Error()) {
			return true
		}
	}
	return false
}

// rejected reports whether err is a TLS alert of the peer, which crypto/tls has no
// exported type for outside QUIC: it is a net.OpError with this operation.
func rejected(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error" && strings.HasPrefix(op.Err.Error(), "tls: ")
}
