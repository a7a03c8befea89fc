package spdy

import "sync"

// Peer is one end of a connection.
type Peer uint8

const (
	Client Peer = iota
	Server
)

// Conn is one connection: a decoder for what each peer sends, and the streams that both refer to. The decoders may be
// used at the same time, each by one goroutine. A Conn must not be copied.
type Conn struct {
	mode     Mode
	limits   Limits
	decoders [2]Decoder // by the peer that sends

	mu      sync.Mutex
	streams map[StreamID]stream // guarded by mu; those of an Exec for ever, else those that are open
	last    StreamID            // guarded by mu: the largest that the client opened
	labels  uint16              // guarded by mu: of an Exec, a bit for each label that there was
}

// stream is what is known about a stream.
type stream struct {
	label   Label
	replied bool
	ended   [2]bool // by the peer that has nothing more to send
}

// NewConn returns a Conn on which nothing was sent yet. lim may be nil.
func NewConn(mode Mode, lim *Limits) *Conn {
	c := &Conn{mode: mode, limits: lim.orDefault(), streams: make(map[StreamID]stream)}
	for i := range c.decoders {
		c.decoders[i].conn, c.decoders[i].from = c, Peer(i)
	}
	return c
}

// From returns the decoder for what the peer sends, each time the same.
func (c *Conn) From(peer Peer) *Decoder { return &c.decoders[peer] }

// open adds a stream of the client's.
func (c *Conn) open(id StreamID, label Label, ended bool) (reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case id%2 == 0:
		return "even id of a client's stream"
	case id <= c.last:
		return "stream id that does not increase"
	case c.mode == Exec && c.labels&(1<<label) != 0:
		// The server takes the last one, after it may have used the first.
		return "streamtype twice"
	case len(c.streams) >= c.limits.Streams:
		return "too many streams"
	}
	c.last = id
	c.labels |= 1 << label
	c.streams[id] = stream{label: label, ended: [2]bool{Client: ended}}
	return ""
}

// label returns the label of a stream that a peer sends data or header fields on.
func (c *Conn) label(id StreamID, from Peer) (label Label, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, reason := c.find(id)
	if from == Server && s.label != NoLabel && !s.replied {
		return NoLabel, "frame on a stream that was not replied to"
	}
	return s.label, reason
}

// reply notes the server's reply to a stream.
func (c *Conn) reply(id StreamID) (label Label, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, reason := c.find(id)
	switch {
	case reason != "":
		return NoLabel, reason
	case s.replied:
		return NoLabel, "second reply to a stream"
	case s.label != NoLabel:
		s.replied = true
		c.streams[id] = s
	}
	return s.label, ""
}

// end notes that a peer has nothing more to send on a stream.
func (c *Conn) end(id StreamID, from Peer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.streams[id]
	if !ok {
		return
	}
	s.ended[from] = true
	c.streams[id] = s
	if s.ended[Client] && s.ended[Server] {
		c.forget(id)
	}
}

// reset notes that one of the peers wants no more of a stream.
func (c *Conn) reset(id StreamID) (label Label, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, reason := c.find(id)
	c.forget(id)
	return s.label, reason
}

// find returns a stream. One that is forgotten is the zero stream; where none is ever forgotten, or none can have been,
// that is a refusal. mu is held.
func (c *Conn) find(id StreamID) (s stream, reason string) {
	s, ok := c.streams[id]
	if !ok && (c.mode == Exec || id > c.last || id%2 == 0) {
		return stream{}, "stream that was not opened"
	}
	return s, ""
}

// forget removes a stream that is closed, if there can be many of them. Those of an Exec stay: a server goes on to send
// output on a stream that its client has reset, and a client that wants to can read it. mu is held.
func (c *Conn) forget(id StreamID) {
	if c.mode == PortForward {
		delete(c.streams, id)
	}
}
