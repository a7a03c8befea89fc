package upstream

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"

	"k8s.io/streaming/pkg/httpstream/spdy"
)

// Client is one end of a session: a connection on which requests can be sent.
type Client struct {
	net.Conn
	Reader *bufio.Reader // of it
}

// NewClient takes a connection.
func NewClient(conn net.Conn) *Client { return &Client{conn, bufio.NewReader(conn)} }

func (c *Client) Read(p []byte) (int, error) { return c.Reader.Read(p) }

// Upgrade sends a head as it is and wants 101.
func (c *Client) Upgrade(head string) (*http.Response, error) {
	response, err := c.Ask(head)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(io.LimitReader(response.Body, 1024))
		return nil, fmt.Errorf("%s: %s", response.Status, body)
	}
	return response, nil
}

// Ask sends a head as it is and reads the head of the answer.
func (c *Client) Ask(head string) (*http.Response, error) {
	if _, err := io.WriteString(c, head); err != nil {
		return nil, err
	}
	return http.ReadResponse(c.Reader, nil)
}

// WebSocketHead asks for a WebSocket as kubectl does. With "-" no subprotocol is
// offered.
func WebSocketHead(target, subprotocol string) string {
	head := "GET " + target + " HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	if subprotocol != "-" {
		head += "Sec-WebSocket-Protocol: " + subprotocol + "\r\n"
	}
	return head + "\r\n"
}

// SPDYHead asks for SPDY as kubectl does.
func SPDYHead(target, subprotocol string) string {
	return "POST " + target + " HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n" +
		"X-Stream-Protocol-Version: " + subprotocol + "\r\nContent-Length: 0\r\n\r\n"
}

// Output copies what comes on a WebSocket's stdout to w, until the end.
func (c *Client) Output(w io.Writer) error {
	for {
		_, payload, err := ReadFrame(c.Reader)
		if err != nil {
			return err
		}
		if len(payload) > 0 && payload[0] == 1 {
			w.Write(payload[1:])
		}
	}
}

// SPDYOutput opens the streams of a session and copies what comes on stdout to
// w, until the end.
func (c *Client) SPDYOutput(w io.Writer, streams ...string) error {
	conn, err := spdy.NewClientConnection(c)
	if err != nil {
		return err
	}
	defer conn.Close()
	var stdout io.Reader
	for _, name := range streams {
		header := http.Header{}
		header.Set("streamtype", name)
		s, err := conn.CreateStream(header)
		if err != nil {
			return err
		}
		if name == "stdout" {
			stdout = s
		}
	}
	_, err = io.Copy(w, stdout)
	return err
}
