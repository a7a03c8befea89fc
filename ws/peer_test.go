package ws_test

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/websocket"

	. "github.com/spliceway/spliceway/ws"
)

// clientWire is the connection of a client of the library that the servers have. It accepts the upgrade, and keeps what
// is sent behind it.
type clientWire struct {
	in, out  bytes.Buffer
	upgraded bool
}

func (w *clientWire) Read(p []byte) (int, error) {
	if !w.upgraded {
		r, err := http.ReadRequest(bufio.NewReader(&w.out))
		if err != nil {
			return 0, err
		}
		sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		fmt.Fprintf(&w.in, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
		w.upgraded = true
		w.out.Reset()
	}
	return w.in.Read(p)
}

func (w *clientWire) Write(p []byte) (int, error) { return w.out.Write(p) }
func (w *clientWire) Close() error                { return nil }

// TestReadsWhatPeersWrite: messages that x/net writes are read as they went in, however they are cut.
func TestReadsWhatPeersWrite(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	config, err := websocket.NewConfig("ws://a/", "http://a/")
	if err != nil {
		t.Fatal(err)
	}
	wire := new(clientWire)
	client, err := websocket.NewClient(config, wire)
	if err != nil {
		t.Fatal(err)
	}
	for range 300 {
		wire.out.Reset()
		var want []string
		for range 1 + random.IntN(5) {
			message := make([]byte, 1+random.IntN(1<<(1+random.IntN(17))))
			for i := range message {
				message[i] = byte(random.Uint32())
			}
			if message[0] == 0xff {
				message[0] = 0
			}
			if err := websocket.Message.Send(client, message); err != nil {
				t.Fatal(err)
			}
			want = append(want, fmt.Sprintf("channel %d%s", message[0], show(message[1:])))
		}
		stream := bytes.Clone(wire.out.Bytes())
		d := NewDecoder(Client, ChannelV5, nil)
		if got, err := read(d, false, chop(random, stream)...); err != nil || d.End() != nil || !slices.Equal(got, want) {
			t.Fatalf("read as\n%.999q, %v, at the end %v\nwant\n%.999q", got, err, d.End(), want)
		}
	}
}

// serverWire is the connection of a server of that library.
type serverWire struct {
	net.Conn
	http.ResponseWriter
	in  io.Reader
	out bytes.Buffer
}

func (w *serverWire) Read(p []byte) (int, error)  { return w.in.Read(p) }
func (w *serverWire) Write(p []byte) (int, error) { return w.out.Write(p) }
func (w *serverWire) Close() error                { return nil }
func (w *serverWire) Header() http.Header         { return http.Header{} }
func (w *serverWire) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w, bufio.NewReadWriter(bufio.NewReader(w.in), bufio.NewWriter(&w.out)), nil
}

// readAsServer returns the messages of a stream as the API server and the runtimes read them.
func readAsServer(t *testing.T, stream []byte) (messages []string) {
	t.Helper()
	r, err := http.NewRequest("GET", "http://a/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
	websocket.Server{
		Handshake: func(*websocket.Config, *http.Request) error { return nil },
		Handler: func(c *websocket.Conn) {
			var message []byte
			for websocket.Message.Receive(c, &message) == nil {
				switch {
				case len(message) == 2 && message[0] == 0xff:
					messages = append(messages, fmt.Sprint("close-channel ", message[1]))
				case len(message) > 0:
					messages = append(messages, fmt.Sprintf("channel %d%s", message[0], show(message[1:])))
				}
			}
		},
	}.ServeHTTP(&serverWire{in: bytes.NewReader(stream)}, r)
	return messages
}

// TestServersReadWhatItReads changes octets of a client's stream at random: of what is still accepted, the library of
// the servers has to make the same messages. Each split has to give the same verdict.
func TestServersReadWhatItReads(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	accepted := 0
	for range 5000 {
		stream := randomStream(random)
		for range random.IntN(3) {
			stream[random.IntN(len(stream))] ^= byte(1 << random.IntN(8))
		}
		got, err := read(NewDecoder(Client, ChannelV5, nil), false, stream)
		again, errAgain := read(NewDecoder(Client, ChannelV5, nil), false, chop(random, stream)...)
		if !slices.Equal(got, again) || fmt.Sprint(err) != fmt.Sprint(errAgain) {
			t.Fatalf("the stream %x is read as\n%q, %v\nbut split as\n%q, %v", stream, got, err, again, errAgain)
		}
		got = slices.DeleteFunc(got, func(event string) bool { return !strings.Contains(event, "channel") || isIncomplete(event) })
		if want := readAsServer(t, stream); len(got) > len(want) || !slices.Equal(got, want[:len(got)]) ||
			err == nil && len(want) > len(got)+1 { // one may be cut by the end
			t.Fatalf("the stream %x is read as\n%q, %v\nby a server as\n%q", stream, got, err, want)
		}
		if err == nil {
			accepted++
		}
	}
	if accepted < 500 {
		t.Errorf("only %d streams were accepted", accepted)
	}
}

// randomStream makes some short frames of a client.
func randomStream(random *rand.Rand) (stream []byte) {
	for range 1 + random.IntN(5) {
		key := fmt.Sprintf("%04x", random.IntN(1<<16))
		first := []byte{fin | bin, fin | bin, fin | text, fin | 9, fin | 10}[random.IntN(5)]
		payload := fmt.Sprintf("%c%x", random.IntN(6), random.Uint64())[:random.IntN(14)]
		if random.IntN(4) == 0 {
			first, payload = fin|bin, "\x00"+strings.Repeat("x", random.IntN(300))
		}
		if random.IntN(6) == 0 {
			first, payload = fin|bin, "\xff"+string(rune(random.IntN(6)))
		}
		stream = append(stream, frame(first, key, payload)...)
	}
	return stream
}
