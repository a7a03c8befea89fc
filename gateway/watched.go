package gateway

import (
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/conn"
	"github.com/spliceway/spliceway/record"
	"github.com/spliceway/spliceway/session"
)

// watched is the Tap of a stream that is decoded. Its session calls Event with
// the session's lock held.
type watched struct {
	*stream
	session *session.Session
	rec     *record.Recorder // nil if there is nothing to write: a port-forward, or best-effort without a store
	files   *session.Files
	keeping map[string]*record.Content // by direction; the session's lock guards it
	timers  []*time.Timer

	mu     sync.Mutex
	blind  bool              // guarded by mu; best-effort goes on without the session
	exit   *int              // guarded by mu
	totals session.Event     // guarded by mu; the last one, of type Ended
	copies []record.Transfer // guarded by mu
}

// start opens session and recording, and tells of both. held, which may be nil, is
// taken over. The error refuses the stream, which then is settled.
func (w *watched) start(held *reservation) error {
	if err := w.open(held); err != nil {
		w.settle(record.OutcomeFailed)
		return err
	}
	w.begin()
	w.recorder.open.add(w)
	w.limitByToken()
	return nil
}

// open makes the session first: a recording that fails ends it.
func (w *watched) open(held *reservation) error {
	w.files = session.NewFiles(w.info, w.transferred)
	w.files.Content, w.keeping = w.keep, make(map[string]*record.Content)
	var err error
	w.session, err = session.New(w.info, session.Config{
		Sink: w, Notice: w.recorder.notice, Wake: w.upgrade.Wake, Closing: w.upgrade.Finish,
	})
	if err == nil {
		err = w.openRecording(held)
	}
	switch {
	case err == nil:
		return nil
	case w.decision.Mode == record.Strict:
		w.closeRecording(err)
		return refusedStore(err)
	}
	w.fail(err)
	return nil
}

// openRecording has what is written about the session, if anything is.
func (w *watched) openRecording(held *reservation) error {
	if !w.info.Recorded() {
		return nil
	}
	var err error
	if held == nil { // best-effort: it could not be opened before, or was not expected
		f := facts(w.upgrade.Caller.Connection, w.upgrade.ID, w.upgrade.Info.Path, w.info, w.decision)
		if held, err = w.recorder.reserve(f, w.info, w.decision); err != nil {
			return err
		}
	}
	w.rec, err = held.keep(w.info.Subprotocol, w.recordingFailed)
	w.event.ID = w.rec.ID()
	return err
}

// warning is how long before the end of the token the user is told of it, and
// farewell how long before it the session begins to end.
const (
	warning  = time.Minute
	farewell = time.Second
)

// limitByToken tells the user that the token is about to end, and then why the
// session does.
func (w *watched) limitByToken() {
	left := time.Until(w.upgrade.Caller.Connection.Expires)
	if left > warning+farewell {
		w.timers = append(w.timers, time.AfterFunc(left-warning, func() {
			w.session.Say("gateway: your access ends in one minute; connect again to go on")
		}))
	}
	w.timers = append(w.timers, time.AfterFunc(left-farewell, func() {
		w.session.Finish(session.Final{
			Message: "gateway: your access has ended; connect again to go on", Reason: "Forbidden", Code: http.StatusForbidden,
			Cause: &conn.Error{Reason: "token-expired", Err: conn.ErrTokenExpired},
		})
	}))
}

// recordingFailed is told by the store when a recording ends between two calls.
func (w *watched) recordingFailed(err error) {
	if w.decision.Mode == record.BestEffort {
		return // Close tells
	}
	w.session.Finish(session.Final{
		Message: "gateway: the recording has failed, so the session ends", Reason: "ServiceUnavailable",
		Code: http.StatusServiceUnavailable, Cause: &conn.Error{Blame: audit.BlameRecorder, Reason: "recorder", Err: err},
	})
}

// Up implements conn.Tap.
func (w *watched) Up(p []byte) error {
	w.up.Add(int64(len(p)))
	if w.isBlind() {
		return nil
	}
	return w.judge(w.session.Up(p))
}

// Down implements conn.Tap.
func (w *watched) Down(p []byte) (int, error) {
	n, err := w.take(p)
	w.down.Add(int64(n))
	return n, err
}

// take is Down, uncounted.
func (w *watched) take(p []byte) (int, error) {
	if w.isBlind() {
		return len(p), nil
	}
	n, err := w.session.Down(p)
	if err = w.judge(err); err == nil && w.isBlind() {
		return len(p), nil
	}
	return n, err
}

// Insert implements conn.Tap.
func (w *watched) Insert() ([]byte, error) {
	if w.isBlind() {
		return nil, nil
	}
	words, err := w.session.Insert()
	if err = w.judge(err); err == nil && w.isBlind() {
		return nil, nil // the stream goes on: these would be last words
	}
	return words, err
}

// judge decides what an error of the session means. Without a session that must
// be recorded, a stream that can't be decoded goes on unseen.
func (w *watched) judge(err error) error {
	if err == nil {
		return nil
	}
	var own *session.Error
	if w.decision.Mode == record.BestEffort && errors.As(err, &own) && own.Reason != session.ReasonFinished {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.blind = true
		w.fail(err)
		return nil
	}
	return connError(err)
}

func (w *watched) isBlind() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.blind
}

// Event implements session.Gatherer.
func (w *watched) Event(e *session.Event) error {
	w.files.Event(e) // returns no error: it replaces no recording
	switch e.Type {
	case session.PortOpened, session.PortClosed:
		w.forwarded(e)
	case session.Exit:
		w.exited(e)
	case session.Ended:
		w.mu.Lock()
		w.totals = *e
		w.mu.Unlock()
	}
	if w.rec == nil {
		return nil
	}
	return write(w.rec, e)
}

// Gather implements session.Gatherer: what comes at one moment is written at once.
func (w *watched) Gather() {
	if w.rec != nil {
		w.rec.Gather()
	}
}

// Flush implements session.Gatherer.
func (w *watched) Flush() error {
	if w.rec == nil {
		return nil
	}
	return w.rec.Flush()
}

// write records one event. What the gateway said on a stream of the session is
// recorded where the user saw it.
func write(rec *record.Recorder, e *session.Event) error {
	kind := e.Type
	if kind == session.Notice {
		kind = e.Stream
	}
	switch kind {
	case session.Stdout:
		return rec.Output(e.Time, e.Data)
	case session.Stderr:
		return rec.ErrorOutput(e.Time, e.Data)
	case session.Stdin:
		return rec.Input(e.Time, e.Data)
	case session.Resize:
		return rec.Resize(e.Time, e.Cols, e.Rows)
	case session.Exit:
		if e.Code == session.CodeUnknown {
			return rec.Mark(e.Time, e.Text)
		}
		return rec.Exit(e.Time, e.Code)
	}
	if e.Type == session.Notice {
		return rec.Mark(e.Time, string(e.Data))
	}
	return nil
}

// exited notes how the command ended. Nothing comes behind that but the end of the
// stream, with which the recording is closed: it is not to wait for a peer that forgets.
func (w *watched) exited(e *session.Event) {
	w.upgrade.Finish()
	if e.Code == session.CodeUnknown {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	code := e.Code
	w.exit = &code
}

// forwarded tells of a connection of a port-forward.
func (w *watched) forwarded(e *session.Event) {
	f := &audit.PortForward{Port: e.Port, Number: e.Conn, BytesUp: e.Up, BytesDown: e.Down, Text: e.Text}
	if e.Type == session.PortOpened {
		w.recorder.audit.PortForwardOpened(&w.event, f)
		return
	}
	w.recorder.audit.PortForwardClosed(&w.event, f)
}

// transferred tells of a copied file.
func (w *watched) transferred(f *session.File) {
	file := &audit.File{Name: f.Name, Direction: f.Direction(), Size: f.Size, Mode: f.Mode}
	if f.Hashed {
		file.SHA256 = hex.EncodeToString(f.SHA256[:])
	}
	w.recorder.audit.FileTransferred(&w.event, file)
	copied := record.Transfer{Name: file.Name, Direction: file.Direction, Size: file.Size, Mode: file.Mode, SHA256: file.SHA256}
	if content := w.keeping[file.Direction]; content != nil {
		delete(w.keeping, file.Direction)
		if offset, kept := content.End(f.Hashed); kept {
			copied.Offset = &offset
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.copies = append(w.copies, copied)
}

// keep returns where the content of a file goes, nil if it is not kept. transferred
// is told of the same file next, of those of one direction.
func (w *watched) keep(f *session.File) io.Writer {
	if w.rec == nil {
		return nil
	}
	content := w.rec.Keep(f.Direction())
	if content == nil {
		return nil
	}
	w.keeping[f.Direction()] = content
	return content
}

// Close implements conn.Tap.
func (w *watched) Close(cause error) {
	for _, t := range w.timers {
		t.Stop()
	}
	w.recorder.open.remove(w)
	w.session.Close(cause)
	w.closeRecording(cause)
	w.mu.Lock()
	end := &audit.SessionEnd{Exit: w.exit, Reason: reasonOf(cause), Err: cause, BytesUp: w.totals.Up, BytesDown: w.totals.Down}
	w.mu.Unlock()
	w.end(end)
}

// closeRecording ends what is written about the session.
func (w *watched) closeRecording(cause error) {
	if w.rec == nil {
		return
	}
	w.mu.Lock()
	end := record.End{Transfers: w.copies}
	w.mu.Unlock()
	if cause != nil {
		end.Cause = cause.Error()
	}
	if err := w.rec.Close(end); err != nil {
		w.fail(err)
	}
}

// connError is what package conn is told about the end of a session.
func connError(err error) *conn.Error {
	var told *conn.Error
	if errors.As(err, &told) {
		return told
	}
	var own *session.Error
	if errors.As(err, &own) {
		return &conn.Error{Blame: own.Blame, Reason: own.Reason, Err: own.Err}
	}
	return &conn.Error{Blame: audit.BlameGateway, Reason: "internal", Err: err}
}

// reasonOf is the word for why a stream ended; empty if in order.
func reasonOf(cause error) string {
	var e *conn.Error
	switch {
	case cause == nil:
		return ""
	case errors.As(cause, &e):
		return e.Reason
	}
	return "internal"
}
