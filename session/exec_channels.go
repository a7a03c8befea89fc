package session

import "github.com/spliceway/spliceway/ws"

// execChannels is an exec or attach over WebSocket: the first octet of each message is its channel.
type execChannels struct {
	exec
	messages
	channel channel // of the server's message at hand; channels if that is not known yet

	marked, kept channelsView
}

// channelsView is what of it the client has.
type channelsView struct {
	at            cursor
	channel       channel
	told          told
	ready, closed bool
}

func newExecChannels(s *Session) *execChannels {
	return &execChannels{exec: newExec(s), messages: newMessages(s), channel: channels}
}

func (w *execChannels) up(p []byte) (n int, err error) {
	n, ev, err := w.next(client, p)
	if err != nil {
		return 0, err
	}
	switch ev.Kind {
	case ws.Data:
		err = w.exec.up(channel(ev.Channel), ev.Data)
	case ws.CloseChannel:
		err = w.upEnd(channel(ev.Channel))
	}
	return n, err
}

func (w *execChannels) down(p []byte) (n int, err error) {
	n, ev, err := w.next(server, p)
	if err != nil {
		return 0, err
	}
	switch ev.Kind {
	case ws.Data:
		if w.channel = channel(ev.Channel); ev.End {
			w.channel = channels
		}
		err = w.exec.down(channel(ev.Channel), ev.Data, ev.End)
	case ws.Close:
		// Before version 4 a success is not said in words.
		err = w.downEnd(ev.Code == closeNormal)
	}
	return n, err
}

func (w *execChannels) keep() { w.kept = w.marked }
func (w *execChannels) back() { w.marked = w.kept }
func (w *execChannels) mark() {
	w.marked = channelsView{w.at, w.channel, w.told(), w.ready, w.closed}
}

// fill: of output only, of which more octets do no harm.
func (w *execChannels) fill(dst []byte) ([]byte, bool) {
	c, at := w.marked.channel, &w.marked.at
	if c != stdout && c != stderr || !at.inData() || at.left > maxFill {
		return dst, false
	}
	return w.appendFiller(dst, at), true
}

// place: the first message of the server tells clients that the session is there, so ours must not be it.
func (w *execChannels) place() EventType {
	if !w.marked.ready || w.marked.closed {
		return 0
	}
	return w.exec.place().event()
}

func (w *execChannels) notice(dst, words []byte) []byte {
	return w.appendMessage(dst, uint8(w.exec.place()), words)
}

func (w *execChannels) last(dst []byte, f *Final) []byte {
	if w.marked.closed {
		return dst
	}
	if cause := w.cause(f, w.marked.told); len(cause) > 0 {
		dst = w.appendMessage(dst, uint8(failures), cause)
	}
	return appendClose(dst)
}

func (w *execChannels) close() error {
	if err := w.downEnd(false); err != nil {
		return err
	}
	return w.messages.close()
}
