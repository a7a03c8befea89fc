package fuzz

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"golang.org/x/net/websocket"

	"github.com/spliceway/spliceway/ws"
)

// libraryFrames returns the payloads, but for empty ones, that x/net/websocket finds
// in what a peer sends: as the server if a client sends, and the other way round.
func libraryFrames(t *testing.T, from ws.Peer, stream []byte) (payloads [][]byte) {
	t.Helper()
	receive := func(c *websocket.Conn) {
		var payload []byte
		for websocket.Message.Receive(c, &payload) == nil {
			if len(payload) > 0 {
				payloads = append(payloads, payload)
			}
		}
	}
	if from == ws.Client {
		serve(t, stream, receive)
	} else {
		receive(dial(t, stream))
	}
	return payloads
}

// hijacked is the connection of a server, behind the heads.
type hijacked struct {
	net.Conn
	http.ResponseWriter
	in io.Reader
}

func (h *hijacked) Read(p []byte) (int, error)  { return h.in.Read(p) }
func (h *hijacked) Write(p []byte) (int, error) { return len(p), nil }
func (h *hijacked) Close() error                { return nil }
func (h *hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h, bufio.NewReadWriter(bufio.NewReader(h.in), bufio.NewWriter(io.Discard)), nil
}

// serve runs a server with a client that sends the stream.
func serve(t *testing.T, stream []byte, handler websocket.Handler) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "http://a/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
	accept := func(*websocket.Config, *http.Request) error { return nil }
	websocket.Server{Handshake: accept, Handler: handler}.ServeHTTP(&hijacked{in: bytes.NewReader(stream)}, r)
}

// dialed is the connection of a client: its server takes the upgrade and sends the
// stream.
type dialed struct {
	out    bytes.Buffer
	in     io.Reader // nil before the upgrade
	stream []byte
}

func (d *dialed) Read(p []byte) (int, error) {
	if d.in == nil {
		r, err := http.ReadRequest(bufio.NewReader(&d.out))
		if err != nil {
			return 0, err
		}
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		d.in = io.MultiReader(bytes.NewReader(fmt.Appendf(nil, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"+
			"Upgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))), bytes.NewReader(d.stream))
	}
	return d.in.Read(p)
}

func (d *dialed) Write(p []byte) (int, error) { return d.out.Write(p) }
func (d *dialed) Close() error                { return nil }

// dial returns a client whose server sends the stream.
func dial(t *testing.T, stream []byte) *websocket.Conn {
	t.Helper()
	config, err := websocket.NewConfig("ws://a/", "http://a/")
	if err != nil {
		t.Fatal(err)
	}
	c, err := websocket.NewClient(config, &dialed{stream: stream})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
