package session

import (
	"encoding/binary"

	"github.com/spliceway/spliceway/spdy"
)

// execSPDY is an exec or attach over SPDY: each channel is a stream that the client opens and the server replies to.
type execSPDY struct {
	exec
	conn    *spdy.Conn
	whole   bool // what down has taken ends with a frame
	at      rest // else where that is in the frame
	streams [channels]spdy.StreamID
	open    [channels]bool // the server has replied, and has neither ended nor reset it, nor has the client

	marked, kept spdyView
}

// spdyView is what of it the client has.
type spdyView struct {
	at   rest
	open [channels]bool
	told told
}

// rest is how many octets of a data frame are still to come.
type rest struct {
	channel channel
	octets  int
}

// execStreams is one for each channel.
const execStreams = int(channels)

func newExecSPDY(s *Session) *execSPDY {
	return &execSPDY{
		exec: newExec(s), conn: spdy.NewConn(spdy.Exec, &spdy.Limits{Streams: execStreams}), whole: true,
	}
}

// spdyChannel returns the channel that a label stands for.
func spdyChannel(label spdy.Label) channel {
	switch label {
	case spdy.LabelStdin:
		return stdin
	case spdy.LabelStdout:
		return stdout
	case spdy.LabelStderr:
		return stderr
	case spdy.LabelError:
		return failures
	case spdy.LabelResize:
		return resizes
	}
	return channels
}

func (w *execSPDY) up(p []byte) (n int, err error) {
	n, ev, err := w.conn.From(spdy.Client).Next(p)
	if err != nil {
		return 0, err
	}
	c := spdyChannel(ev.Label)
	switch ev.Kind {
	case spdy.Data:
		err = w.exec.up(c, ev.Data)
	case spdy.Reset:
		w.shut(c)
		if c < channels {
			w.marked.open[c], w.kept.open[c] = false, false
		}
	}
	if err == nil && (ev.Fin || ev.Kind == spdy.Reset) {
		err = w.upEnd(c)
	}
	return n, err
}

func (w *execSPDY) down(p []byte) (n int, err error) {
	n, ev, err := w.conn.From(spdy.Server).Next(p)
	if err != nil {
		return 0, err
	}
	c := spdyChannel(ev.Label)
	switch ev.Kind {
	case spdy.Data:
		err = w.exec.down(c, ev.Data, ev.Rest == 0)
	case spdy.Reply:
		w.streams[c], w.open[c] = ev.Stream, true
	}
	if ended := ev.Fin || ev.Kind == spdy.Reset; ended {
		w.shut(c)
		if err == nil && c == failures {
			err = w.downEnd(true)
		}
	}
	w.whole = ev.Kind != spdy.None && ev.Rest == 0
	w.at = rest{c, ev.Rest}
	return n, err
}

// shut notes that nothing may be written on a stream any more.
func (w *execSPDY) shut(c channel) {
	if c < channels {
		w.open[c] = false
	}
}

func (w *execSPDY) border() bool { return w.whole }

func (w *execSPDY) keep() { w.kept = w.marked }
func (w *execSPDY) back() { w.marked = w.kept }
func (w *execSPDY) mark() { w.marked = spdyView{w.at, w.open, w.told()} }

// fill: of output only, of which more octets do no harm.
func (w *execSPDY) fill(dst []byte) ([]byte, bool) {
	r := w.marked.at
	if r.channel != stdout && r.channel != stderr || r.octets == 0 || r.octets > maxFill {
		return dst, false
	}
	return append(dst, make([]byte, r.octets)...), true
}

func (w *execSPDY) place() EventType {
	c := w.exec.place()
	if c == channels || !w.marked.open[c] {
		return 0
	}
	return c.event()
}

func (w *execSPDY) notice(dst, words []byte) []byte {
	return appendData(dst, w.streams[w.exec.place()], false, words)
}

// last ends the streams of the server. A client reads its output up to the end before it looks for the status.
func (w *execSPDY) last(dst []byte, f *Final) []byte {
	open, told := &w.marked.open, w.marked.told
	cause := w.cause(f, told)
	if c := w.exec.place(); (len(cause) == 0 || !open[failures]) && w.place() != 0 && !told.known {
		dst = appendData(dst, w.streams[c], false, w.session.line(f.Message))
	}
	for _, c := range [...]channel{stdout, stderr} {
		if open[c] {
			dst = appendData(dst, w.streams[c], true, nil)
		}
	}
	if open[failures] {
		dst = appendData(dst, w.streams[failures], true, cause)
	}
	return appendGoAway(dst)
}

func (w *execSPDY) close() error {
	if err := w.downEnd(false); err != nil {
		return err
	}
	if err := w.conn.From(spdy.Client).End(); err != nil {
		return client.blame(err)
	}
	return w.conn.From(spdy.Server).End()
}

// appendData appends a data frame of the server's. p is short.
func appendData(dst []byte, id spdy.StreamID, fin bool, p []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(id))
	length := uint32(len(p))
	if fin {
		const flagFin = 1 << 24
		length |= flagFin
	}
	return append(binary.BigEndian.AppendUint32(dst, length), p...)
}

// appendGoAway appends the frame by which the server says that it is about to end the connection: of no stream as the
// last good one, with the status OK.
func appendGoAway(dst []byte) []byte {
	return append(dst, 0x80, 3, 0, 7, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0)
}
