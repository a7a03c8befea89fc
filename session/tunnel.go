package session

import "github.com/spliceway/spliceway/ws"

// tunnel is a port-forward over SPDY, the octets of which are in the messages of a WebSocket.
type tunnel struct {
	forwardSPDY
	messages
}

func newTunnel(s *Session) *tunnel {
	return &tunnel{forwardSPDY: *newForwardSPDY(s), messages: newMessages(s)}
}

func (w *tunnel) up(p []byte) (n int, err error) {
	n, ev, err := w.messages.next(client, p)
	return n, w.inner(w.forwardSPDY.up, &ev, err)
}

func (w *tunnel) down(p []byte) (n int, err error) {
	n, ev, err := w.messages.next(server, p)
	return n, w.inner(w.forwardSPDY.down, &ev, err)
}

// inner gives octets of a message to the decoder of SPDY.
func (w *tunnel) inner(next func([]byte) (int, error), ev *ws.Event, err error) error {
	for p := ev.Data; err == nil && ev.Kind == ws.Data && len(p) > 0; {
		var n int
		n, err = next(p)
		p = p[n:]
	}
	return err
}

// border: frames and messages are not aligned, so that both have to be at an end.
func (w *tunnel) border() bool { return w.messages.border() && w.forwardSPDY.border() }

func (w *tunnel) last(dst []byte, f *Final) []byte {
	if w.closed {
		return dst
	}
	frames := w.forwardSPDY.last(nil, f)
	return appendClose(append(appendHead(dst, opBinary, len(frames)), frames...))
}

func (w *tunnel) close() error {
	if err := w.forwardSPDY.close(); err != nil {
		return err
	}
	return w.messages.close()
}
