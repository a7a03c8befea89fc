package tlsmux

import (
	"crypto/rand"
	"net/netip"
	"strings"
	"time"

	"github.com/spliceway/spliceway/internal/tlsio"
)

// An Attempt is a connection as far as it has come. Fields are set by the
// phases in their order and do not change when the handler is called.
type Attempt struct {
	ID      string    // ours: 26 lower-case letters and digits, never seen before
	Started time.Time // when the connection was accepted

	// Peer is the other end of the TCP connection and RemoteAddr the client:
	// the same, unless a trusted peer says otherwise in a PROXY header. Zero
	// if the listener is not one of TCP. IPv4 addresses are never in IPv6
	// form.
	Peer       netip.AddrPort
	RemoteAddr netip.AddrPort

	OuterServerName string // of the outer TLS; empty if the client sent none; from PhaseOuterTLS on

	// ClientID is X-Connection-Id of the CONNECT, set in PhaseConnect: the
	// client's choice and proof of nothing, but safe to print. At most 128
	// octets of printable ASCII, others replaced by '?'.
	ClientID string

	// Target is host:port of the CONNECT as the client wrote it, set in
	// PhaseConnect. It is what was asked for, not what was granted.
	Target string
}

// A Connect is a CONNECT that waits to be decided about.
type Connect struct {
	*Attempt

	// Token is the bearer token of Proxy-Authorization: one word, not empty.
	Token string

	// Signature is the value of X-Token-Signature, empty if there is none.
	Signature string

	// ExportKeyingMaterial is that of the outer TLS session (RFC 8446,
	// Section 7.5).
	ExportKeyingMaterial func(label string, context []byte, length int) ([]byte, error)
}

// A Phase is a step of a connection; its text is its name in logs and
// metrics.
type Phase string

// The phases in their order.
const (
	PhaseProxyHeader Phase = "proxy_header" // only for trusted peers
	PhaseOuterTLS    Phase = "outer_tls"
	PhaseConnect     Phase = "connect" // from the first octet of the head to its acceptance
	PhaseAuthn       Phase = "authn"   // Config.Authenticate
	PhaseInnerTLS    Phase = "inner_tls"
	PhaseTunnel      Phase = "tunnel" // the handler
)

// A Result is how a phase ended; its text is the word for logs and metrics.
type Result string

// The results. Only ResultOK lets the connection go on.
const (
	ResultOK        Result = "ok"
	ResultHealthz   Result = "healthz"   // PhaseConnect: GET /healthz was answered
	ResultRefused   Result = "refused"   // well formed, answered with a 4xx
	ResultMalformed Result = "malformed" // the client does not speak the protocol of the phase
	ResultRejected  Result = "rejected"  // the client sent a TLS alert, for instance since it does not trust the certificate
	ResultTimeout   Result = "timeout"   // the phase's deadline passed
	ResultClosed    Result = "closed"    // the client hung up
	ResultLimited   Result = "limited"   // a limit was reached: closed without a word; Err is a *LimitError
	ResultShutdown  Result = "shutdown"  // Shutdown ended its patience
	ResultFailed    Result = "failed"    // a handshake that found nothing in common, or a fault of ours
	ResultPanic     Result = "panic"
)

// An Outcome is the end of a phase.
type Outcome struct {
	Phase  Phase
	Result Result
	Status int           // of the answer to the CONNECT or GET /healthz; 0 if none was given
	Took   time.Duration // the phase alone
	Err    error         // nil for ResultOK and ResultHealthz
}

// newID returns 26 characters of base 32 with 130 random bits.
func newID() string { return strings.ToLower(rand.Text()) }

const maxClientID = 128

// printable returns what a client sent in a form that can be written to a log.
func printable(value []byte) string {
	text := []byte(string(value[:min(len(value), maxClientID)]))
	for i, b := range text {
		if b < ' ' || b > '~' {
			text[i] = '?'
		}
	}
	return string(text)
}

// A Tunnel is an authenticated connection whose inner handshake is done.
type Tunnel struct {
	*Attempt

	// Conn is the top of both layers of TLS. It belongs to the handler until that
	// returns; no deadline is set.
	Conn *tlsio.Conn

	// ServerName is what the client takes us for: the server name of the
	// inner TLS, or the host of the CONNECT if it sent none. In lower case.
	ServerName string
}
