package doctor

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
	"time"
)

// patience is for each exchange with a server.
const patience = 10 * time.Second

// lookUp finds the addresses of a host.
func lookUp(ctx context.Context, host string) (string, error) {
	if net.ParseIP(host) != nil {
		return "is an address", nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		var dns *net.DNSError
		if errors.As(err, &dns) && dns.IsNotFound {
			return "", faultf("check the spelling, and the DNS of this machine", "there is no host of the name %s", host)
		}
		return "", faultf("check the DNS of this machine", "the name %s can't be resolved: %v", host, err)
	}
	return strings.Join(addresses, ", "), nil
}

// reach opens a TCP connection and closes it.
func reach(ctx context.Context, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	var timeout net.Error
	switch {
	case err == nil:
		c.Close()
		return "is open", nil
	case errors.Is(err, syscall.ECONNREFUSED):
		return "", faultf("check that the server runs, and that the port is right", "nothing listens on %s", address)
	case errors.As(err, &timeout) && timeout.Timeout():
		return "", faultf("check the address, and the firewalls on the way", "nothing answers on %s", address)
	}
	return "", faultf("check the address and the network", "%s can't be reached: %v", address, err)
}

// secure makes the TLS handshake on conn. whose says whose certificate it is, and setting what says which one to trust.
func secure(ctx context.Context, conn net.Conn, config *tls.Config, whose, setting string) (*tls.Conn, string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, "", tlsFault(err, config.ServerName, whose, setting)
	}
	leaf := secured.ConnectionState().PeerCertificates[0]
	return secured, fmt.Sprintf("%s, certificate for %s until %s", tls.VersionName(secured.ConnectionState().Version),
		strings.Join(names(leaf), ", "), leaf.NotAfter.UTC().Format(time.RFC3339)), nil
}

func names(leaf *x509.Certificate) []string {
	all := append([]string{}, leaf.DNSNames...)
	for _, address := range leaf.IPAddresses {
		all = append(all, address.String())
	}
	return all
}

// tlsFault says why a handshake failed.
func tlsFault(err error, name, whose, setting string) error {
	var unknown x509.UnknownAuthorityError
	var other x509.HostnameError
	var invalid x509.CertificateInvalidError
	var header tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		verb := "expired on " + invalid.Cert.NotAfter.UTC().Format(time.RFC3339)
		if time.Now().Before(invalid.Cert.NotBefore) {
			verb = "is not valid before " + invalid.Cert.NotBefore.UTC().Format(time.RFC3339)
		}
		return faultf("renew it, or set the clock of this machine if that is wrong", "the certificate of %s %s", whose, verb)
	case errors.As(err, &unknown):
		return faultf("give the CA that has signed it with "+setting, "the certificate of %s is signed by an authority that is not trusted here", whose)
	case errors.As(err, &other):
		return faultf("use a name that it has, or have a certificate made for this one",
			"the certificate of %s is for %s, not for %s", whose, strings.Join(names(other.Certificate), ", "), name)
	case errors.As(err, &invalid):
		return faultf("have another certificate made", "the certificate of %s can't be used: %v", whose, invalid)
	case errors.As(err, &header):
		return faultf("check the port", "what answers for %s does not speak TLS", whose)
	case errors.As(err, &alert), strings.Contains(err.Error(), "remote error: tls:"):
		return faultf("check that it is the right server, and that nothing on the way takes TLS apart", "%s rejects the handshake: %v", whose, err)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return faultf("check that it is the right server; its log may say why", "%s closes the connection during the handshake", whose)
	}
	return faultf("check the network", "the handshake with %s does not end: %v", whose, err)
}
