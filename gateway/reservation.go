package gateway

import (
	"sync"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/record"
	"github.com/spliceway/spliceway/session"
)

// reservation is a recording that is open before the API server hears of the
// request: behind an upgrade's 101 a command may already be running, and what it
// says would have nowhere to go. It implements conn.Reservation. Who keeps the
// recording calls keep, everybody else Release.
type reservation struct {
	recorder *recorder
	info     *session.Info // as far as the request tells
	decision record.Decision
	rec      *record.Recorder

	mu     sync.Mutex
	failed func(error) // guarded by mu; nil until somebody keeps it
}

// reserve opens a recording of what a request is going to be.
func (r *recorder) reserve(facts record.Session, info *session.Info, d record.Decision) (*reservation, error) {
	held := &reservation{recorder: r, info: info, decision: d}
	var err error
	held.rec, err = r.store.Start(facts, held.recordingFailed)
	if err != nil {
		return nil, err
	}
	return held, nil
}

// recordingFailed is told by the store when a recording ends between two calls. What
// happens before anybody keeps it is the result of keep.
func (h *reservation) recordingFailed(err error) {
	h.mu.Lock()
	failed := h.failed
	h.mu.Unlock()
	if failed != nil {
		failed(err)
	}
}

// keep hands the recording to a session, which has to close it also if there is an
// error: it has then failed already.
func (h *reservation) keep(subprotocol string, failed func(error)) (*record.Recorder, error) {
	h.mu.Lock()
	h.failed = failed
	h.mu.Unlock()
	h.rec.Negotiated(subprotocol)
	return h.rec, h.rec.Err()
}

// Release implements conn.Reservation.
func (h *reservation) Release() {
	if err := h.rec.Discard("the API server did not agree to the session"); err != nil {
		h.recorder.log.Error().Err(err).Str(audit.FieldSessionID, h.rec.ID()).
			Msg("a recording whose session did not begin can't be removed; the next start ends it")
	}
}

// facts are what a recording says of a session from the start on.
func facts(who *audit.Connection, id, path []byte, info *session.Info, d record.Decision) record.Session {
	return record.Session{
		Kind: string(info.Kind), Protocol: info.Protocol,
		User: who.User, Groups: who.Groups, Subject: who.Subject, Service: who.Service, Device: who.Device,
		RemoteAddr: who.RemoteAddr, ConnID: who.ID, RequestID: string(id),
		Cluster: who.Cluster, Namespace: info.Namespace, Pod: info.Pod, Container: info.Container, Node: info.Node,
		Path: string(path), Command: info.Command, TTY: info.TTY, Stdin: info.Stdin,
		Mode: d.Mode, Rule: d.Rule,
	}
}
