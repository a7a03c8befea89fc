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

	// End is called once, when the last words have been handed to the client and nothing but the end is left; see
	// Finish. It is called with the Session locked. If nil, the next Down tells.
	End func(cause error)
}

// Final is the last thing that a user is told.
type Final struct {
	Message string // one sentence; it should say who speaks: "gateway: ..."
	Reason  string // of the Status, such as "Forbidden"; if empty, "InternalError"
	Code    int    // of the Status; if zero, 500
	Cause   error  // what the session then ended with; if nil, an Error made of Message
}

// Session is one stream, decoded. Its methods are those of a tap, and may be called by any goroutine.
type Session struct {
	info  *Info
	sink  Sink
	wake  func()
	end   func(error)
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

	// mark tells that what down has taken is with the client.
	mark()

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
		info: info, sink: config.Sink, wake: config.Wake, end: config.End, start: time.Now(), atBorder: true,
	}
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

// Up takes octets of the client. They may go to the API server if there is no error.
func (s *Session) Up(p []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(p) > 0 {
		if s.failed {
			return s.err
		}
		n, err := s.wire.up(p)
		if err != nil {
			return s.fail(client.blame(err))
		}
		p = p[n:]
	}
	return nil
}

// Down takes octets of the API server, p[:n], which then may go to the client: the Sink has every octet of output that
// is in them. What follows is to be given again, after Insert was asked.
//
// If there is an error, n is zero and nothing of p may go to the client. Insert then has the last words, if the session
// is where they can be said.
func (s *Session) Down(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return 0, s.err
	}
	border := -1 // how many octets of p end with a frame
	if s.atBorder {
		border = 0
	}
	for n < len(p) {
		m, err := s.wire.down(p[n:])
		if err != nil {
			return s.cutShort(border, s.fail(server.blame(err)))
		}
		n += m
		if s.wire.border() {
			border = n
			if s.speaks() {
				break
			}
		}
	}
	s.atBorder = border == n
	s.wire.mark()
	return n, nil
}

// cutShort ends a Down that failed. Whole frames before the failure may still go out, so that the last words can follow.
func (s *Session) cutShort(border int, err error) (int, error) {
	s.atBorder = border >= 0
	if border > 0 {
		return border, nil // the next Down returns the error
	}
	return 0, err
}

// speaks reports whether there is something to say and a place to say it.
func (s *Session) speaks() bool {
	if s.final != nil {
		return true
	}
	return len(s.pending) > 0 && s.wire.place() != 0
}

// Insert returns octets of our own for the client, at the point of the stream that Down has come to. They are valid until
// the next call. Nil means that there are none, or that this is not the point for them. They must be sent before anything
// else is, and Insert is to be asked again when they are.
func (s *Session) Insert() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.said:
		s.finished()
		return nil
	case s.err != nil && !s.atBorder:
		return s.insertFilled()
	case !s.atBorder:
		return nil
	case s.final != nil:
		return s.insertLast(s.words[:0])
	case s.err == nil && len(s.pending) > 0:
		return s.insertNotice()
	}
	return nil
}

// insertFilled says why a session ends that failed in the middle of a frame.
func (s *Session) insertFilled() []byte {
	words, ok := s.wire.fill(s.words[:0])
	if !ok {
		s.said = true
		s.finished()
		return nil
	}
	return s.insertLast(words)
}

// insertNotice says the next of the pending words.
func (s *Session) insertNotice() []byte {
	stream := s.wire.place()
	if stream == 0 {
		return nil
	}
	line := s.line(s.pending[0])
	s.pending = s.pending[1:]
	if err := s.emit(&Event{Type: Notice, Stream: stream, Data: line}); err != nil {
		s.fail(err)
		return nil
	}
	s.words = s.wire.notice(s.words[:0], line)
	if len(s.pending) > 0 {
		s.ask()
	}
	return s.words
}

// insertLast says why the session ends. Nothing of the API server's may follow.
func (s *Session) insertLast(words []byte) []byte {
	s.said = true
	if s.err == nil {
		s.err = s.final.cause()
		if err := s.emit(&Event{Type: Notice, Data: s.line(s.final.Message)}); err != nil {
			s.err, s.failed = err, true
		}
	}
	s.words = s.wire.last(words, s.final)
	if len(s.words) == 0 {
		s.finished()
		return nil
	}
	s.ask()
	return s.words
}

// finished tells once that the last words are out.
func (s *Session) finished() {
	if s.end != nil {
		s.end(s.err)
		s.end = nil
	}
}

// line returns the words as the user sees them: on a terminal that is in raw mode, a new line begins further right.
func (s *Session) line(words string) []byte {
	if s.info.TTY {
		return []byte("\r\n" + words + "\r\n")
	}
	return []byte(words + "\n")
}

// maxPending is how many words may wait. A session that gives no chance to say them drops the rest.
const maxPending = 8

// Say tells the user something, as soon as the session allows. Sessions that have no place for words never say it.
func (s *Session) Say(words string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.final == nil && len(s.pending) < maxPending {
		s.pending = append(s.pending, words)
		s.ask()
	}
}

// Finish ends the session with last words, as soon as a frame of the API server is complete. Config.End is called when
// they are with the client. A stream that is silent in the middle of a frame may never come to that: set a timer, too.
func (s *Session) Finish(f Final) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.final == nil {
		s.final = f.orDefault()
		s.ask()
	}
}

// ask wakes whoever calls Insert.
func (s *Session) ask() {
	if s.wake != nil {
		s.wake()
	}
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
		return &Error{Blame: audit.BlameRecorder, Reason: ReasonRecorder, Err: err}
	}
	return nil
}

// data emits octets of a type, unless there are none.
func (s *Session) data(t EventType, from side, p []byte) error {
	if len(p) == 0 {
		return nil
	}
	s.content[from] += int64(len(p))
	return s.emit(&Event{Type: t, Data: p})
}

// fail makes err final, and prepares what the user is told.
func (s *Session) fail(err error) error {
	if s.failed {
		return s.err
	}
	if s.failed = true; s.err == nil {
		s.err = err
	}
	if s.final == nil {
		s.final = failure(err)
	}
	s.ask()
	return err
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

// failure is what the user is told about an error.
func failure(err error) *Final {
	f := Final{Message: "gateway: the session was ended, because what was sent can't be read with certainty", Cause: err}
	var e *Error
	if errors.As(err, &e) && e.Reason == ReasonRecorder {
		f.Message = "gateway: the session was ended, because it can't be recorded any more; tell your administrator"
	}
	return f.orDefault()
}

func (f Final) orDefault() *Final {
	if f.Reason == "" {
		f.Reason = "InternalError"
	}
	if f.Code == 0 {
		f.Code = 500
	}
	return &f
}

// cause returns the error that the session ends with.
func (f *Final) cause() error {
	if f.Cause != nil {
		return f.Cause
	}
	return &Error{Blame: audit.BlameGateway, Reason: ReasonFinished, Err: text(f.Message)}
}
