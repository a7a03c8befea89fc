package gateway

import (
	"sync/atomic"
	"time"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/conn"
	"github.com/spliceway/spliceway/metrics"
	"github.com/spliceway/spliceway/record"
	"github.com/spliceway/spliceway/session"
	"github.com/spliceway/spliceway/trace"
)

// stream is what every upgraded stream has, watched or not: its place in the
// accounts, and its two audit events. Its tap owns it.
type stream struct {
	recorder *recorder
	upgrade  *conn.Upgrade
	info     *session.Info
	decision record.Decision
	event    audit.Session
	started  time.Time
	entry    *record.Entry
	counts   *metrics.Cluster
	place    trace.Context // in the trace of its request; zero if that is not traced
	settled  bool
	lost     error // why its recording is not whole; nil if it is

	up, down atomic.Int64 // octets so far, for whoever looks on
}

// newStream counts a stream as open. It must be settled.
func newStream(r *recorder, u *conn.Upgrade, info *session.Info, d record.Decision, counts *metrics.Cluster) *stream {
	s := &stream{
		recorder: r, upgrade: u, info: info, decision: d, started: time.Now(), entry: r.account.Begin(d), counts: counts,
		event: audit.Session{
			Connection: u.Caller.Connection, RequestID: u.ID, Kind: string(info.Kind),
			Protocol: info.Protocol, Subprotocol: info.Subprotocol,
			Namespace: info.Namespace, Pod: info.Pod, Container: info.Container, Node: info.Node,
			Command: info.Command, TTY: info.TTY, Mode: d.Mode.String(), Rule: d.Rule,
		},
	}
	if u.Trace.Valid() {
		s.place = r.tracing.Start(u.Trace)
	}
	counts.StreamOpened(info.Protocol)
	return s
}

// begin tells of the stream, and shows it from now on. Its event does not change
// any more.
func (s *stream) begin() {
	s.recorder.audit.SessionStarted(&s.event)
	s.recorder.open.show(s)
}

// fail notes that the recording is not whole.
func (s *stream) fail(err error) {
	if s.lost == nil {
		s.lost = err
	}
}

// outcome is what became of the recording: a stream that could have been recorded
// and was not is a failure, whatever its mode.
func (s *stream) outcome() record.Outcome {
	switch {
	case s.lost != nil:
		return record.OutcomeFailed
	case !s.decision.Record() || s.info.Kind == session.KindApplication:
		return record.OutcomeExempt
	}
	return record.OutcomeRecorded
}

// settle counts the outcome, once.
func (s *stream) settle(o record.Outcome) {
	if s.settled {
		return
	}
	s.settled = true
	s.entry.Settle(o)
	s.counts.StreamClosed(s.info.Protocol, o.String())
}

// end settles the stream and tells of its end.
func (s *stream) end(e *audit.SessionEnd) {
	s.recorder.open.hide(s)
	outcome := s.outcome()
	s.settle(outcome)
	e.Recording, e.Duration = outcome.String(), time.Since(s.started)
	if e.Err == nil {
		e.Err = s.lost
	}
	s.recorder.audit.SessionEnded(&s.event, e)
	if s.place.Sampled {
		s.recorder.tracing.session(s, e)
	}
}

// unwatched is the Tap of a stream whose octets nobody looks at.
type unwatched struct{ *stream }

// Up implements conn.Tap.
func (u *unwatched) Up(p []byte) error {
	u.up.Add(int64(len(p)))
	return nil
}

// Down implements conn.Tap.
func (u *unwatched) Down(p []byte) (int, error) {
	u.down.Add(int64(len(p)))
	return len(p), nil
}

// Insert implements conn.Tap.
func (*unwatched) Insert() ([]byte, error) { return nil, nil }

// Close implements conn.Tap.
func (u *unwatched) Close(cause error) {
	u.end(&audit.SessionEnd{Reason: reasonOf(cause), Err: cause})
}
