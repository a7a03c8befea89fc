package conn

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/spliceway/spliceway/internal/testnet"
	"github.com/spliceway/spliceway/internal/tlsio"
)

// A client of TLS 1.3 may ask for key updates, each of which is answered from within
// Read. One that asks and does not read what comes has that Read wait in a Write, with
// the lock that a Close needs.

// sealer lies below the TLS of a client. It can go on in place of crypto/tls, which
// never asks for a key update. The cipher suite has to be TLS_AES_128_GCM_SHA256.
type sealer struct {
	net.Conn
	t      *testing.T
	keys   bytes.Buffer // the KeyLogWriter's
	secret []byte       // client_application_traffic_secret_N. RFC 8446, Section 7.1
	sent   uint64       // records under it
}

// Write counts the records that crypto/tls writes, which it never cuts.
func (s *sealer) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; s.sent++ {
		rest = rest[5+int(binary.BigEndian.Uint16(rest[3:])):]
	}
	return s.Conn.Write(p)
}

// begin is called when the handshake is over, and nothing else was sent.
func (s *sealer) begin() {
	s.t.Helper()
	_, line, _ := strings.Cut(s.keys.String(), "CLIENT_TRAFFIC_SECRET_0 ")
	line, _, _ = strings.Cut(line, "\n")
	_, digits, _ := strings.Cut(line, " ")
	var err error
	if s.secret, err = hex.DecodeString(digits); err != nil || len(s.secret) != sha256.Size {
		s.t.Fatalf("a secret of %d octets (%v), want those of SHA-256", len(s.secret), err)
	}
	s.sent = 0
}

// derive is HKDF-Expand-Label with no context. RFC 8446, Section 7.1.
func (s *sealer) derive(label string, length int) []byte {
	label = "tls13 " + label
	info := binary.BigEndian.AppendUint16(nil, uint16(length))
	info = append(append(info, byte(len(label))), label...)
	key, err := hkdf.Expand(sha256.New, s.secret, string(append(info, 0)), length)
	if err != nil {
		s.t.Fatal(err)
	}
	return key
}

// seal returns a record. RFC 8446, Section 5.2.
func (s *sealer) seal(kind byte, content []byte) []byte {
	block, err := aes.NewCipher(s.derive("key", 16))
	if err != nil {
		s.t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		s.t.Fatal(err)
	}
	nonce := s.derive("iv", gcm.NonceSize())
	for i, octet := range binary.BigEndian.AppendUint64(nil, s.sent) {
		nonce[len(nonce)-8+i] ^= octet
	}
	s.sent++
	head := []byte{23, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(head[3:], uint16(len(content)+1+gcm.Overhead()))
	return gcm.Seal(head, nonce, append(content, kind), head)
}

// askForUpdates sends octets, each in a record of its own and behind a key update
// that wants an answer: crypto/tls ends a session of nothing but updates.
// RFC 8446, Section 4.6.3.
func (s *sealer) askForUpdates(octets string) {
	const handshake, applicationData, keyUpdate, requested = 22, 23, 24, 1
	for i := range len(octets) {
		update := s.seal(handshake, []byte{keyUpdate, 0, 0, 1, requested})
		s.secret, s.sent = s.derive("traffic upd", sha256.Size), 0
		if _, err := s.Conn.Write(append(update, s.seal(applicationData, []byte{octets[i]})...)); err != nil {
			return // it was closed
		}
	}
}

// keyUpdater is a client behind two layers of TLS that keeps the outer one busy.
type keyUpdater struct {
	*client
	top net.Conn
	low *sealer // below both
}

func (s *site) keyUpdater() *keyUpdater {
	s.t.Helper()
	ca := testnet.NewCA(s.t)
	certs := &tls.Config{Certificates: []tls.Certificate{ca.Issue(s.t, "gateway.test")}}
	theirs, ours := testnet.Pipe()
	u := &keyUpdater{low: &sealer{Conn: theirs, t: s.t}}
	outerBase := tlsio.NewBase(ours)
	outer := tls.Server(outerBase, certs)
	innerBase := tlsio.NewBase(outer)
	inner := tls.Server(innerBase, certs)
	u.client = s.serve(tlsio.New(inner, innerBase, outerBase), &peer{t: s.t, name: "client", PipeConn: theirs})

	trust := &tls.Config{RootCAs: ca.Pool(), ServerName: "gateway.test"}
	logged := trust.Clone()
	logged.KeyLogWriter = &u.low.keys
	below := tls.Client(u.low, logged)
	if err := below.Handshake(); err != nil {
		s.t.Fatal(err)
	}
	u.low.begin()
	top := tls.Client(below, trust)
	if err := top.Handshake(); err != nil {
		s.t.Fatal(err)
	}
	u.top = top
	return u
}

// keepsBusy asks for updates, among octets of a record of the inner layer that never
// ends. The answers are more than the pipe holds.
func (u *keyUpdater) keepsBusy() {
	go u.low.askForUpdates("\x17\x03\x03\x40\x00" + strings.Repeat("a", 8<<10)) // ends with the connection
	after(time.Second)
}

// Its connection ends with its token, whatever it is at.
func TestEndOfClientThatAsksForKeyUpdates(t *testing.T) {
	for name, said := range map[string]string{
		"idle":       "",
		"head":       "GET /x HTTP/1.1\r\n",
		"body":       request("PUT /x", "Content-Length: 5") + "he",
		"no-answer":  request("GET /x"),
		"watch":      request("GET /api/v1/pods?watch=1"),
		"no-upgrade": spdyRequest,
	} {
		t.Run(name, func(t *testing.T) {
			conversation(t, func(s *site) {
				u := s.keyUpdater()
				io.WriteString(u.top, said)
				after(time.Second)
				u.keepsBusy()
				u.cancel(ErrTokenExpired)
				after(5 * time.Second) // which crypto/tls gives its close_notify
				u.wantEnd("token-expired", "")
			})
		})
	}
}

// What it has of the API server's is given back in time.
func TestTimeoutOfClientThatAsksForKeyUpdates(t *testing.T) {
	conversation(t, func(s *site) {
		u := s.keyUpdater()
		io.WriteString(u.top, request("GET /x"))
		after(time.Second)
		u.keepsBusy()
		after(4 * time.Minute)
		u.wantEnd("client-closed", "client")
		s.wantReasons("upstream upstream-timeout")
		s.wantPool(0, 0)
	})
}
