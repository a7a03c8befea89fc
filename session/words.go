package session

import (
	"errors"

	"github.com/spliceway/spliceway/audit"
)

// Final is the last thing that a user is told.
type Final struct {
	Message string // one sentence; it should say who speaks: "gateway: ..."
	Reason  string // of the Status, such as "Forbidden"; if empty, "InternalError"
	Code    int    // of the Status; if zero, 500
	Cause   error  // what the session then ended with; if nil, an Error made of Message
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
// else is. An error ends the stream behind them: they are the last words, if any could be said.
func (s *Session) Insert() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.said:
		return nil, s.err
	case s.failed && !s.atBorder:
		return s.insertFilled()
	case !s.atBorder:
		return nil, nil
	case s.final != nil:
		return s.insertLast(s.words[:0])
	case len(s.pending) > 0:
		return s.insertNotice()
	}
	return nil, nil
}

// insertFilled says why a session ends that failed in the middle of a frame.
func (s *Session) insertFilled() ([]byte, error) {
	words, ok := s.wire.fill(s.words[:0])
	if !ok {
		s.said = true
		return nil, s.err
	}
	return s.insertLast(words)
}

// insertNotice says the next of the pending words.
func (s *Session) insertNotice() ([]byte, error) {
	stream := s.wire.place()
	if stream == 0 {
		return nil, nil
	}
	line := s.line(s.pending[0])
	s.pending = s.pending[1:]
	if err := s.emit(&Event{Type: Notice, Stream: stream, Data: line}); err != nil {
		s.fail(err)
		return s.insertLast(s.words[:0])
	}
	s.words = s.wire.notice(s.words[:0], line)
	if len(s.pending) > 0 {
		s.ask()
	}
	return s.words, nil
}

// insertLast says why the session ends. Nothing of the API server's may follow.
func (s *Session) insertLast(words []byte) ([]byte, error) {
	s.said = true
	if s.err == nil {
		s.err = s.final.cause()
		if err := s.emit(&Event{Type: Notice, Data: s.line(s.final.Message)}); err != nil {
			s.err, s.failed = err, true
		}
	}
	if s.words = s.wire.last(words, s.final); len(s.words) == 0 {
		return nil, s.err
	}
	return s.words, s.err
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

// Finish ends the session with last words, as soon as a frame of the API server is complete: Insert returns them with the
// cause as its error. Input goes on until then, and after. A stream that is silent in the middle of a frame may never come to that: set a timer, too.
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
