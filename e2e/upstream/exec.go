package upstream

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"

	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// Exec is the far end of a session: what a command writes and how it ends.
type Exec struct {
	Stdout, Stderr io.Writer
	Stdin          io.Reader // nil unless the client asked for it

	conn   io.Closer
	status func(string) error
}

// End tells the client how the command ended, and closes the session.
func (e *Exec) End(status string) error { return errors.Join(e.status(status), e.conn.Close()) }

// Accept takes an upgrade to version 4 or 5 of the channel protocol, over what
// the request asks for.
func Accept(w http.ResponseWriter, r *http.Request) (*Exec, error) {
	if isWebSocket(r) {
		conn, err := Switch(w, r, "v5.channel.k8s.io")
		if err != nil {
			return nil, err
		}
		return acceptChannels(conn, r), nil
	}
	conn, err := Switch(w, r, "v4.channel.k8s.io")
	if err != nil {
		return nil, err
	}
	return acceptStreams(conn, r)
}

// channel writes messages.
type channel struct {
	conn   net.Conn
	number byte
}

func (c *channel) Write(p []byte) (int, error) {
	if _, err := io.WriteString(c.conn, Message(c.number, string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

func acceptChannels(conn net.Conn, r *http.Request) *Exec {
	e := &Exec{Stdout: &channel{conn, 1}, Stderr: &channel{conn, 2}, conn: conn}
	e.status = func(status string) error {
		_, err := io.WriteString(conn, Message(3, status)+Frame(FinClose, "\x03\xe8"))
		return err
	}
	if asks(r, "stdin") {
		e.Stdin = &input{r: bufio.NewReader(conn)}
	}
	return e
}

// input is what a client sends on channel 0.
type input struct {
	r    *bufio.Reader
	rest []byte
}

func (i *input) Read(p []byte) (int, error) {
	for len(i.rest) == 0 {
		payload, err := readMasked(i.r)
		if err != nil {
			return 0, err
		}
		if len(payload) > 0 && payload[0] == 0 {
			i.rest = payload[1:]
		}
	}
	n := copy(p, i.rest)
	i.rest = i.rest[n:]
	return n, nil
}

// readMasked reads a short frame of a client.
func readMasked(r *bufio.Reader) ([]byte, error) {
	var head [6]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	if head[1] < 0x80 || head[1] > 0x80+125 {
		return nil, errors.New("upstream: a frame that is not masked or not short")
	}
	payload := make([]byte, head[1]-0x80)
	_, err := io.ReadFull(r, payload)
	for i := range payload {
		payload[i] ^= head[2+i%4]
	}
	return payload, err
}

func asks(r *http.Request, stream string) bool { return r.URL.Query().Get(stream) == "true" }

// acceptStreams waits for the streams that the request asks for.
func acceptStreams(conn net.Conn, r *http.Request) (*Exec, error) {
	opened := make(chan httpstream.Stream, 8)
	c, err := spdy.NewServerConnection(conn, func(s httpstream.Stream, _ <-chan struct{}) error {
		opened <- s
		return nil
	})
	if err != nil {
		conn.Close()
		return nil, err
	}
	e := &Exec{conn: c}
	for range streamsOf(r) {
		select {
		case s := <-opened:
			e.add(s)
		case <-c.CloseChan():
			return nil, io.ErrUnexpectedEOF
		}
	}
	return e, nil
}

// streamsOf are the streams that a client of version 4 opens, in its order.
func streamsOf(r *http.Request) []string {
	all := []string{"error"}
	tty := asks(r, "tty")
	for _, name := range []string{"stdin", "stdout", "stderr"} {
		if asks(r, name) && !(tty && name == "stderr") {
			all = append(all, name)
		}
	}
	if tty {
		all = append(all, "resize")
	}
	return all
}

func (e *Exec) add(s httpstream.Stream) {
	switch s.Headers().Get("streamtype") {
	case "error":
		e.status = func(status string) error {
			_, err := io.WriteString(s, status)
			return errors.Join(err, s.Close())
		}
	case "stdin":
		e.Stdin = s
	case "stdout":
		e.Stdout = s
	case "stderr":
		e.Stderr = s
	}
}
