package session

import (
	"sort"

	"github.com/spliceway/spliceway/spdy"
)

// connection is one TCP connection of a port-forward: a data channel and an error channel.
type connection struct {
	port     uint16
	number   uint32 // zero until both channels are there
	up, down int64
	failure  []byte // what the server says on the error channel, as far as it is kept
}

// maxFailure is how much of the text of a failed connection is kept.
const maxFailure = 1 << 10

// forward is the connections of a port-forward, whatever carries them.
type forward struct {
	session *Session
	count   uint32
}

// opened reports a connection.
func (f *forward) opened(c *connection) error {
	f.count++
	c.number = f.count
	return f.session.emit(&Event{Type: PortOpened, Port: c.port, Conn: c.number})
}

// ended reports the end of a connection, once, unless it was never opened.
func (f *forward) ended(c *connection) error {
	if c.number == 0 {
		return nil
	}
	e := Event{Type: PortClosed, Port: c.port, Conn: c.number, Up: c.up, Down: c.down, Text: string(c.failure)}
	c.number = 0
	return f.session.emit(&e)
}

// carried counts octets of the data channel.
func (f *forward) carried(c *connection, from side, p []byte) {
	f.session.content[from] += int64(len(p))
	if from == client {
		c.up += int64(len(p))
	} else {
		c.down += int64(len(p))
	}
}

// failed keeps octets of the error channel.
func (c *connection) failed(p []byte) {
	c.failure = append(c.failure, p[:min(len(p), maxFailure-len(c.failure))]...)
}

// forwardSPDY is a port-forward over SPDY: two streams for each connection, which name its port and a number that is the
// same for both.
type forwardSPDY struct {
	forward
	silent
	conn    *spdy.Conn
	whole   bool
	pairs   map[pairKey]*pair       // those that are not over
	streams map[spdy.StreamID]*pair // the streams of pairs
}

// pairKey is what the two streams of a pair have in common.
type pairKey struct {
	request string
	stream  spdy.StreamID // of the error stream, for old clients that send no request id
}

// pair is a connection with its streams.
type pair struct {
	connection
	key         pairKey
	data, error spdy.StreamID // zero until opened
	replied     bool          // the error stream was
	ended       [2]bool       // the data stream, by side
	errorEnded  [2]bool       // the error stream
}

func newForwardSPDY(s *Session) *forwardSPDY {
	return &forwardSPDY{
		forward: forward{session: s}, conn: spdy.NewConn(spdy.PortForward, nil), whole: true,
		pairs: make(map[pairKey]*pair), streams: make(map[spdy.StreamID]*pair),
	}
}

func (w *forwardSPDY) up(p []byte) (n int, err error) { return w.next(client, spdy.Client, p) }

func (w *forwardSPDY) down(p []byte) (n int, err error) { return w.next(server, spdy.Server, p) }

// next takes one event of either side.
func (w *forwardSPDY) next(from side, peer spdy.Peer, p []byte) (n int, err error) {
	n, ev, err := w.conn.From(peer).Next(p)
	if err != nil {
		return 0, err
	}
	if from == server {
		w.whole = ev.Kind != spdy.None && ev.Rest == 0
	}
	if ev.Kind == spdy.Open {
		return n, w.open(&ev)
	}
	c := w.streams[ev.Stream]
	if c == nil {
		return n, nil
	}
	if ev.Stream == c.error {
		return n, w.errorStream(c, from, &ev)
	}
	return n, w.dataStream(c, from, &ev)
}

// errorStream takes an event of the error stream of a pair.
func (w *forwardSPDY) errorStream(c *pair, from side, ev *spdy.Event) error {
	switch ev.Kind {
	case spdy.Reply:
		c.replied = true
	case spdy.Data:
		if from == server {
			c.failed(ev.Data)
		}
		c.errorEnded[from] = c.errorEnded[from] || ev.Fin
	case spdy.Reset:
		c.errorEnded = [2]bool{true, true}
	}
	if c.data == 0 && c.errorEnded[client] && c.errorEnded[server] {
		return w.forget(c) // what is opened later is a pair of its own
	}
	return nil
}

// dataStream takes an event of the data stream of a pair.
func (w *forwardSPDY) dataStream(c *pair, from side, ev *spdy.Event) error {
	if ev.Kind == spdy.Data {
		w.carried(&c.connection, from, ev.Data)
		c.ended[from] = c.ended[from] || ev.Fin
	}
	if ev.Kind == spdy.Reset || c.ended[client] && c.ended[server] {
		return w.forget(c)
	}
	return nil
}

const errPair = text("two streams of one request that don't go together")

// open takes a new stream into its pair.
func (w *forwardSPDY) open(ev *spdy.Event) error {
	key := pairKey{request: string(ev.RequestID)}
	if len(ev.RequestID) == 0 {
		if key.stream = ev.Stream; ev.Label == spdy.LabelData {
			key.stream -= 2
		}
	}
	c := w.pairs[key]
	if c == nil {
		c = &pair{connection: connection{port: ev.Port}, key: key}
		w.pairs[key] = c
	}
	id, ended := &c.error, &c.errorEnded
	if ev.Label == spdy.LabelData {
		id, ended = &c.data, &c.ended
	}
	if *id != 0 || c.port != ev.Port {
		return errPair
	}
	*id, ended[client] = ev.Stream, ev.Fin
	w.streams[ev.Stream] = c
	if c.data == 0 || c.error == 0 {
		return nil
	}
	return w.opened(&c.connection)
}

// forget reports the end of a connection and drops its pair.
func (w *forwardSPDY) forget(c *pair) error {
	delete(w.pairs, c.key)
	delete(w.streams, c.data)
	delete(w.streams, c.error)
	return w.forward.ended(&c.connection)
}

// ordered returns the pairs in the order in which they were opened.
func (w *forwardSPDY) ordered() []*pair {
	all := make([]*pair, 0, len(w.pairs))
	for _, c := range w.pairs {
		all = append(all, c)
	}
	sort.Slice(all, func(i, k int) bool { return all[i].number < all[k].number })
	return all
}

func (w *forwardSPDY) border() bool { return w.whole }

// last tells each connection why it ends, which kubectl prints.
func (w *forwardSPDY) last(dst []byte, f *Final) []byte {
	for _, c := range w.ordered() {
		if c.replied && !c.errorEnded[server] {
			dst = appendData(dst, c.error, true, []byte(f.Message))
		}
	}
	return appendGoAway(dst)
}

func (w *forwardSPDY) close() error {
	for _, c := range w.ordered() {
		if err := w.forget(c); err != nil {
			return err
		}
	}
	if err := w.conn.From(spdy.Client).End(); err != nil {
		return client.blame(err)
	}
	return w.conn.From(spdy.Server).End()
}
