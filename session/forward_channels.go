package session

import (
	"encoding/binary"

	"github.com/spliceway/spliceway/ws"
)

// forwardChannels is a port-forward in the old WebSocket form: the i-th port of the request has the data channel 2*i and
// the error channel 2*i+1, and is one connection for as long as the WebSocket lasts.
type forwardChannels struct {
	forward
	silent
	messages
	ports []forwardPort
}

type forwardPort struct {
	connection
	told [2]announced // of the data and of the error channel
}

// announced is the first message of the server on a channel: the port, with the low octet first.
type announced struct {
	octets [2]byte
	have   int
	done   bool
}

func newForwardChannels(s *Session) *forwardChannels {
	w := &forwardChannels{forward: forward{session: s}, messages: newMessages(s)}
	for _, port := range s.info.Ports {
		w.ports = append(w.ports, forwardPort{connection: connection{port: port}})
	}
	return w
}

func (w *forwardChannels) up(p []byte) (n int, err error) {
	n, ev, err := w.next(client, p)
	// What is no data channel, servers don't read.
	if i := int(ev.Channel / 2); err == nil && ev.Kind == ws.Data && ev.Channel%2 == 0 && i < len(w.ports) {
		w.carried(&w.ports[i].connection, client, ev.Data)
	}
	return n, err
}

func (w *forwardChannels) down(p []byte) (n int, err error) {
	n, ev, err := w.next(server, p)
	if err != nil || ev.Kind != ws.Data {
		return n, err
	}
	port := &w.ports[ev.Channel/2]
	isError := ev.Channel%2 == 1
	told := &port.told[ev.Channel%2]
	switch {
	case !told.done:
		if err := told.take(port.port, ev.Data, ev.End); err != nil || isError || !told.done {
			return n, err
		}
		err = w.opened(&port.connection)
	case isError:
		port.failed(ev.Data)
	default:
		w.carried(&port.connection, server, ev.Data)
	}
	return n, err
}

const errAnnounced = text("a port other than the one that was asked for")

// take takes octets of the message.
func (a *announced) take(port uint16, p []byte, end bool) error {
	if len(p) > len(a.octets)-a.have {
		return errAnnounced
	}
	a.have += copy(a.octets[a.have:], p)
	if a.done = end; end && (a.have < len(a.octets) || binary.LittleEndian.Uint16(a.octets[:]) != port) {
		return errAnnounced
	}
	return nil
}

// last tells each connection why it ends.
func (w *forwardChannels) last(dst []byte, f *Final) []byte {
	if w.closed {
		return dst
	}
	for i := range w.ports {
		if port := &w.ports[i]; port.told[1].done && port.number != 0 {
			dst = w.appendMessage(dst, uint8(2*i+1), []byte(f.Message))
		}
	}
	return appendClose(dst)
}

func (w *forwardChannels) close() error {
	for i := range w.ports {
		if err := w.forward.ended(&w.ports[i].connection); err != nil {
			return err
		}
	}
	return w.messages.close()
}
