package session

import (
	"errors"
	"sync"
	"time"

	"github.com/spliceway/spliceway/audit"
)

// Config is what a Session needs. A zero field means what its comment says.
type Config struct {
	// Sink takes the events. Required.
	Sink Sink

	// Notice is told to the user at the start, where the session has a place for it. If empty, nothing is.
	Notice string

	// Wake asks for a call of Insert soon. It is called with the Session locked, so it must only ask. If nil, Insert is
	// asked between two Downs only.
	Wake func()

	// Closing is called when either side has sent a WebSocket close frame: only the end of the connection is left, which
	// is not to be waited for long (RFC 6455, Section 7.1.1). It is called with the Session locked, so it must only ask. If
	// nil, nobody is told.
	Closing func()
}

// Session is one stream, decoded. Its methods are those of a tap, and may be called by any goroutine.
type Session struct {
	info  *Info
	sink  Sink
	batch Gatherer // sink, if it is one; else nil
	wake  func()
	shut  func() // Config.Closing
	start time.Time

	mu       sync.Mutex
	wire     wire  // guarded by mu, like all below
	event    Event // the one that the Sink is shown
	content  [2]int64
	atBorder bool     // what Down has taken ends where a frame does
	pending  []string // words that are still to be said
	final    *Final   // set when the session is to end
	said     bool     // the last words were handed out
	err      error    // the first, for ever: nothing of the API server's goes to the client any more
	failed   bool     // nor anything to the API server; a session that the gateway ends may go on up there
	words    []byte   // storage of what Insert returns
}

// wire is one way to put a session on the wire. All methods are called with the Session locked.
type wire interface {
	// up and down take octets of the client and of the server, at least one, and give rise to one event at most.
	up(p []byte) (n int, err error)
	down(p []byte) (n int, err error)

	// border reports whether what down has taken ends where a frame does, and words may follow.
	border() bool

	// keep is called before octets of the server are taken, mark when those that down has taken so far may go to the
	// client. back tells that none since keep do. What follows here goes by what the client has.
	keep()
	mark()
	back()

	// fill appends what completes the frame that the client has a part of, if that can be done: output that was never
	// sent, NULs. Words may follow then.
	fill(dst []byte) (_ []byte, ok bool)

	// place returns the stream on which the user sees words of ours, Stdout or Stderr. Zero if there is none, or not yet,
	// or not at this point.
	place() EventType

	// notice appends the words in a frame on that stream.
	notice(dst, words []byte) []byte

	// last appends what ends the session, with the cause if that can be said.
	last(dst []byte, f *Final) []byte

	// close tells that nothing more comes, and reports what that cuts short.
	close() error
}

// New starts a session: the Sink has taken Started when it returns. An error is the Sink's.
func New(info *Info, config Config) (*Session, error) {
	s := &Session{
		info: info, sink: config.Sink, wake: config.Wake, shut: config.Closing, start: time.Now(), atBorder: true,
	}
	s.batch, _ = config.Sink.(Gatherer)
	s.wire = newWire(s, info)
	if config.Notice != "" {
		s.pending = append(s.pending, config.Notice)
	}
	if err := s.emit(&Event{Type: Started}); err != nil {
		return nil, err
	}
	return s, nil
}

// newWire returns the wire for what was negotiated.
func newWire(s *Session, info *Info) wire {
	switch {
	case info.form.framing == framingNone:
		return &application{session: s}
	case info.form.framing == framingSPDY && info.Kind == KindPortForward:
		return newForwardSPDY(s)
	case info.form.framing == framingSPDY:
		return newExecSPDY(s)
	case info.form.framing == framingTunnel:
		return newTunnel(s)
	case info.Kind == KindPortForward:
		return newForwardChannels(s)
	}
	return newExecChannels(s)
}

// Info returns what is known about the session. It must not be changed.
func (s *Session) Info() *Info { return s.info }

// Up takes octets of the client. They may go to the API server if there is no error. With the first error Wake is called:
// Insert has the last words.
func (s *Session) Up(p []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(p) > 0 {
		if s.failed {
			return s.err
		}
		n, err := s.wire.up(p)
		if err != nil {
			s.fail(client.blame(err))
			return s.err
		}
		p = p[n:]
	}
	return nil
}

// Down takes octets of the API server, p[:n], which then may go to the client: the Sink has every octet of output that
// is in them. What follows is to be given again, after Insert was asked.
//
// If there is an error, n is zero and nothing of p may go to the client. The first time n is zero without an error, unless
// p is empty: then Insert has the error, and the last words with it.
func (s *Session) Down(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.afterwards()
	}
	s.wire.keep()
	if s.batch != nil {
		s.batch.Gather()
	}
	n, border, err := s.take(p)
	if err != nil {
		// Whole frames before the failure still go out, so that words can follow.
		s.fail(server.blame(err))
		n = max(border, 0)
	}
	if s.batch != nil {
		if err := s.batch.Flush(); err != nil {
			s.fail(recorderError(err))
			s.wire.back()
			return 0, nil
		}
	}
	s.atBorder = border == n
	return n, nil
}

// take decodes octets of the API server, up to a place where there is something to say. border is how many of p end with
// a frame, -1 if none do.
func (s *Session) take(p []byte) (n, border int, err error) {
	border = -1
	if s.atBorder {
		border = 0
	}
	for n < len(p) {
		m, err := s.wire.down(p[n:])
		if err != nil {
			return n, border, err
		}
		n += m
		if s.wire.border() {
			border = n
			s.wire.mark()
			if s.speaks() {
				break
			}
		}
	}
	s.wire.mark()
	return n, border, nil
}

// afterwards returns the error, but not before Insert did.
func (s *Session) afterwards() error {
	if !s.said {
		return nil
	}
	return s.err
}

// Close ends the session, in order if cause is nil. It is called once, after all others.
func (s *Session) Close(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.wire.close()
	switch {
	case s.err != nil:
		cause = s.err
	case cause == nil && err != nil:
		cause = server.blame(err)
	}
	// The Sink that does not take this one remembers by itself why.
	_ = s.emit(&Event{Type: Ended, Cause: cause, Up: s.content[client], Down: s.content[server]})
}

// emit shows an event to the Sink.
func (s *Session) emit(e *Event) error {
	s.event = *e
	s.event.Time = time.Since(s.start)
	if err := s.sink.Event(&s.event); err != nil {
		return recorderError(err)
	}
	return nil
}

// recorderError is about a Sink that does not take what it is given.
func recorderError(err error) *Error {
	return &Error{Blame: audit.BlameRecorder, Reason: ReasonRecorder, Err: err}
}

// data emits octets of a type, unless there are none.
func (s *Session) data(t EventType, from side, p []byte) error {
	if len(p) == 0 {
		return nil
	}
	s.content[from] += int64(len(p))
	return s.emit(&Event{Type: t, Data: p})
}

// closing tells that a side has sent its last frame.
func (s *Session) closing() {
	if s.shut != nil {
		s.shut()
	}
}

// fail makes err final, and prepares what the user is told.
func (s *Session) fail(err error) {
	s.failed = true
	if s.err == nil {
		s.err = err
	}
	if s.final == nil {
		s.final = failure(err)
	}
	s.ask()
}

// blame returns err as a refusal of the side's octets, if it is not an Error already.
func (s side) blame(err error) error {
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	b := audit.BlameUpstream
	if s == client {
		b = audit.BlameClient
	}
	return &Error{Blame: b, Reason: ReasonProtocol, Err: err}
}
