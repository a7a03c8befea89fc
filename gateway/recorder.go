package gateway

import (
	"errors"
	"net/http"

	"github.com/rs/zerolog"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/conn"
	"github.com/spliceway/spliceway/httpparse"
	"github.com/spliceway/spliceway/metrics"
	"github.com/spliceway/spliceway/record"
	"github.com/spliceway/spliceway/session"
)

// recorder decides about every upgraded stream: whether it is recorded, and what
// becomes of one that can't be. It is shared by all clusters of a generation and safe for
// concurrent use.
type recorder struct {
	policy  record.Policy
	notice  string // told to the user at the start; empty: nothing
	store   *store // nil if nothing is recorded at all
	account *record.Account
	open    *sessions // that are decoded
	audit   *audit.Log
	tracing *tracing
	log     zerolog.Logger
}

// openRecordings sets the policy and opens the store, if there is anything to
// record.
func (g *Gateway) openRecordings(gen, old *generation) error {
	r := &gen.recorder
	r.policy, r.notice = gen.config.Recordings.Policy(), gen.config.Recordings.Notice
	r.audit, r.account, r.open, r.log = g.audit, &g.account, &g.sessions, g.log
	r.tracing = gen.tracing
	if !r.records() {
		return nil
	}
	var err error
	if r.store, err = g.openStore(gen, old); err != nil {
		return err
	}
	gen.behind = append(gen.behind, &r.store.part)
	return nil
}

// records reports whether any session may be recorded.
func (r *recorder) records() bool {
	if r.policy.Mode != record.Off {
		return true
	}
	for _, rule := range r.policy.Rules {
		if !rule.Exempt {
			return true
		}
	}
	return false
}

// recordingNotice logs what the store has to say.
func (g *Gateway) recordingNotice(n record.Notice) {
	g.metrics.RecordingNotice(string(n.Kind))
	event := g.log.Warn()
	switch n.Kind {
	case record.NoticeFailed, record.NoticeFull, record.NoticeTruncated:
		event = g.log.Error()
	case record.NoticeRoom:
		event = g.log.Info()
	}
	event.Str(audit.FieldKind, string(n.Kind)).Str(audit.FieldSessionID, n.ID).Str(audit.FieldFile, n.Path).
		Str(audit.FieldReason, n.Reason).Err(n.Err).Msg("recordings")
}

// ready returns why no session can be recorded now, or nil.
func (r *recorder) ready() error {
	if r.store == nil {
		return nil
	}
	return r.store.Ready()
}

// subject is what the policy tells sessions apart by.
func subject(who *audit.Connection, namespace string) record.Subject {
	return record.Subject{User: who.User, Groups: who.Groups, Namespace: namespace, Cluster: who.Cluster}
}

// admit refuses what must be recorded and can't be, and opens the recordings of what
// may become a session, before the API server hears of it.
func (r *recorder) admit(caller *conn.Caller, id []byte, req *httpparse.Request, info *audit.RequestInfo) (conn.Reservation, *conn.Error) {
	if info.Stream() == audit.StreamProxy && session.RunsCommand(info) {
		return nil, r.admitRun(caller, info)
	}
	if req.Upgrade == httpparse.ProtocolNone {
		return nil, nil
	}
	expected, unknown := session.Expect(req, info)
	if expected == nil && unknown == nil {
		return nil, nil
	}
	who, namespace := caller.Connection, string(info.Namespace)
	if expected != nil {
		namespace = expected.Namespace // a node's proxy has another
	}
	d := r.policy.Decide(subject(who, namespace))
	switch {
	case !d.Record():
		return nil, nil
	case unknown != nil && d.Mode == record.Strict:
		return nil, refusedStream(unknown)
	case unknown != nil:
		return nil, nil // tap counts what goes on unseen
	}
	held, err := r.reserve(facts(who, id, info.Path, expected, d), expected, d)
	switch {
	case err == nil:
		return held, nil
	case d.Mode == record.Strict:
		return nil, refusedStore(err)
	}
	return nil, nil // tap tries again, and counts what fails
}

// admitRun decides about a command that no session is seen of.
func (r *recorder) admitRun(caller *conn.Caller, info *audit.RequestInfo) *conn.Error {
	if !r.policy.Decide(subject(caller.Connection, string(info.Namespace))).Record() {
		return nil
	}
	return &conn.Error{Blame: audit.BlameClient, Status: http.StatusForbidden, Reason: "unrecordable",
		Say: "a command that a kubelet runs without a stream can't be recorded; use kubectl exec"}
}

// tap decides about a stream. The error refuses it before it has begun.
func (r *recorder) tap(u *conn.Upgrade, counts *metrics.Cluster) (conn.Tap, error) {
	info, unknown := session.Recognise(u.Request, u.Response, u.Info)
	if info == nil {
		info = &session.Info{Protocol: u.Response.Upgrade.String(), Namespace: string(u.Info.Namespace)}
	}
	held, _ := u.Reservation.(*reservation)
	if held != nil && (unknown != nil || held.info.Kind != info.Kind) {
		held.Release() // it is another session than it seemed, or none
		held = nil
	}
	var decision record.Decision
	if held != nil {
		decision = held.decision
	} else {
		decision = r.policy.Decide(subject(u.Caller.Connection, info.Namespace))
	}
	if unknown == nil && held == nil && info.Recorded() && decision.Mode == record.Strict {
		unknown = errUnexpected
	}
	s := newStream(r, u, info, decision, counts)
	switch {
	case !decision.Record() || info.Kind == session.KindApplication:
		s.begin()
		return &unwatched{s}, nil
	case unknown == nil:
		w := &watched{stream: s}
		return w, w.start(held)
	case decision.Mode == record.BestEffort:
		s.begin()
		s.fail(unknown)
		return &unwatched{s}, nil
	}
	s.settle(record.OutcomeFailed)
	return nil, refusedStream(unknown)
}

// errUnexpected is of a session that the request did not look like: nothing was opened
// for it before its command could run, and to open it now could fail too late.
var errUnexpected = errors.New("the API server agreed to another session than the request asks for")

// refusedStream is the refusal of a stream that can't be decoded.
func refusedStream(err error) *conn.Error {
	return &conn.Error{Blame: audit.BlameClient, Status: http.StatusForbidden, Reason: "unrecordable", Err: err,
		Say: "sessions are recorded here, and this one speaks a protocol that can't be; use kubectl exec, attach or port-forward"}
}

// refusedStore is the refusal of a session that nothing can be written about.
func refusedStore(err error) *conn.Error {
	return &conn.Error{Blame: audit.BlameRecorder, Status: http.StatusServiceUnavailable, Reason: "recorder", Err: err,
		Say: "the session can't be recorded, so it was not started; tell your administrator"}
}
