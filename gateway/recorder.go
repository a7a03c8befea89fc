package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/config"
	"github.com/spliceway/spliceway/conn"
	"github.com/spliceway/spliceway/httpparse"
	"github.com/spliceway/spliceway/metrics"
	"github.com/spliceway/spliceway/record"
	"github.com/spliceway/spliceway/session"
)

// recorder decides about every upgraded stream: whether it is recorded, and what
// becomes of one that can't be. It is shared by all clusters and safe for
// concurrent use.
type recorder struct {
	policy  record.Policy
	notice  string
	store   *record.Store // nil if nothing is recorded at all
	account record.Account
	audit   *audit.Log
	log     zerolog.Logger
}

// openRecorder opens the store, which ends what a crash has left in it.
func (g *Gateway) openRecorder() error {
	r := &recorder{policy: g.config.Policy(), notice: g.config.Recordings.Notice, audit: g.audit, log: g.log}
	g.recorder = r
	if !r.records() {
		return nil
	}
	settings := g.config.Store()
	settings.Report = r.report
	store, err := record.Open(settings)
	r.store = store
	return err
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

// close ends the store. Recordings that are still open are ended by it.
func (r *recorder) close() {
	if r.store == nil {
		return
	}
	if err := r.store.Close(); err != nil {
		r.log.Error().Err(err).Msg("recordings could not be ended; the next start ends them")
	}
}

// report logs what the store has to say.
func (r *recorder) report(n record.Notice) {
	event := r.log.Warn()
	switch n.Kind {
	case record.NoticeFailed, record.NoticeFull, record.NoticeTruncated:
		event = r.log.Error()
	case record.NoticeRoom:
		event = r.log.Info()
	}
	event.Str(audit.FieldKind, string(n.Kind)).Str(audit.FieldSessionID, n.ID).Str(audit.FieldFile, n.Path).
		Str(audit.FieldReason, n.Reason).Err(n.Err).Msg("recordings")
}

// ready returns why no session can be recorded now, or nil.
func (r *recorder) ready() error {
	if r.store == nil {
		return nil
	}
	return r.store.Room()
}

// subject is what the policy tells sessions apart by.
func subject(who *audit.Connection, namespace string) record.Subject {
	return record.Subject{User: who.User, Groups: who.Groups, Namespace: namespace, Cluster: who.Cluster}
}

// admit refuses a request that runs a command without any stream that could be
// recorded, for whom sessions have to be recorded.
func (r *recorder) admit(caller *conn.Caller, _ *httpparse.Request, info *audit.RequestInfo) *conn.Error {
	if !session.RunsCommand(info) {
		return nil
	}
	if d := r.policy.Decide(subject(caller.Connection, "")); !d.Record() {
		return nil
	}
	return &conn.Error{Blame: audit.BlameClient, Status: http.StatusForbidden, Reason: "unrecordable",
		Say: "a command that a kubelet runs without a stream can't be recorded; use kubectl exec"}
}

// tap decides about a stream. The error refuses it before it has begun.
func (r *recorder) tap(u *conn.Upgrade, counts *metrics.Cluster) (conn.Tap, error) {
	protocol := u.Response.Upgrade.String()
	info, err := session.Recognise(u.Request, u.Response, u.Info)
	namespace := string(u.Info.Namespace)
	if err == nil {
		namespace = info.Namespace
	}
	decision := r.policy.Decide(subject(u.Caller.Connection, namespace))
	entry := r.account.Begin(decision)
	counts.StreamOpened(protocol)
	settle := func(o record.Outcome) {
		entry.Settle(o)
		counts.StreamClosed(protocol, o.String())
	}
	if !decision.Record() {
		return &unrecorded{settle: settle}, nil
	}
	if err != nil {
		settle(record.OutcomeFailed)
		return nil, refusedStream(err)
	}
	w := &watched{r: r, upgrade: u, info: info, decision: decision, settle: settle, started: time.Now()}
	if err := w.start(); err != nil {
		settle(record.OutcomeFailed)
		return nil, err
	}
	return w, nil
}

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

// unrecorded is the Tap of a stream that the policy does not have recorded.
type unrecorded struct{ settle func(record.Outcome) }

func (*unrecorded) Up([]byte) error            { return nil }
func (*unrecorded) Down(p []byte) (int, error) { return len(p), nil }
func (*unrecorded) Insert() ([]byte, error)    { return nil, nil }
func (u *unrecorded) Close(error)              { u.settle(record.OutcomeExempt) }

var _ = errors.Is
var _ = fmt.Sprint
var _ config.Config
