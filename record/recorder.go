package record

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// A Recorder records one session. All methods may be called concurrently; the
// order of calls is the order of events. Times are since the start of the
// session; one that is earlier than that of the call before is taken for that.
// No method keeps a slice.
type Recorder struct {
	store  *Store
	id     string
	base   string // of the paths; empty without Dir
	failed func(error)

	cast, sealed file         // nil without Dir
	info         os.FileInfo  // of the .cast, nil if it is none of the operating system's
	synced       atomic.Int64 // octets of the .cast that are on disk for sure
	unsynced     atomic.Int64 // when the first one behind them was written, in Unix nanoseconds; 0 if there is none
	due          atomic.Int64 // the age of the store from which on a tick has something to do

	mu         sync.Mutex // guards all below
	meta       Metadata
	enc        encoder
	echo       *echo // nil if input is not recorded or the session has no terminal
	seal       sealer
	lines      *lineWriter // nil without Lines
	gathering  bool
	cols, rows uint16
	offset     int64 // octets of the .cast that were written
	sealOffset int64
	pending    int64 // octets of output in enc
	err        error // why nothing more is recorded
	torn       bool  // the .cast has octets behind offset
	closed     bool
	endSealed  bool // the end of the seal was made
	finished   bool // the files are closed

	uploads, downloads container

	checkpointed   int64
	checkpointTime time.Time
}

// An End says how a session ended.
type End struct {
	Time      time.Duration // since the start; if zero, that of the last event
	Cause     string        // a sentence; if empty, the session ended by itself
	Transfers []Transfer
	Forwards  []Forward
}

// newRecorder makes the files.
func newRecorder(s *Store, session Session, failed func(error)) (*Recorder, error) {
	now := s.cfg.now()
	session.complete(now)
	if _, err := idTime(session.ID); err != nil {
		return nil, err
	}
	r := &Recorder{
		store:          s,
		id:             session.ID,
		failed:         failed,
		meta:           Metadata{Version: 1, State: StateOpen, Format: s.cfg.Format, Session: session},
		enc:            newEncoder(s.cfg.Format, session.TTY),
		seal:           sealer{id: session.ID, key: s.key},
		cols:           session.Cols,
		rows:           session.Rows,
		checkpointTime: now,
	}
	r.meta.sealedWith(s.key)
	if s.cfg.Input && session.TTY {
		r.echo = &echo{}
	}
	if s.cfg.Lines != nil {
		r.lines = &lineWriter{w: s.cfg.Lines, id: r.id}
	}
	if s.dir == nil {
		return r, nil
	}
	if err := r.createFiles(); err != nil {
		return nil, writeError(err)
	}
	return r, nil
}

// createFiles makes the .cast and the .seal. The .seal is first because it
// tells whether the id is taken.
func (r *Recorder) createFiles() error {
	base, err := basePath(r.store.cfg.Dir, r.id)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(base), dirMode); err != nil {
		return err
	}
	if _, err := os.Lstat(base + metaSuffix); err == nil {
		return &fs.PathError{Op: "create", Path: base + metaSuffix, Err: fs.ErrExist}
	}
	sealed, err := os.OpenFile(base+sealSuffix, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, fileMode)
	if err != nil {
		return err
	}
	cast, err := r.store.cfg.create(base + castSuffix)
	if err != nil {
		sealed.Close()
		os.Remove(base + sealSuffix)
		return err
	}
	r.base, r.cast, r.sealed = base, cast, sealed
	if f, ok := cast.(*os.File); ok {
		r.info, err = f.Stat()
	}
	return err
}

// begin writes what is known at the start. It is called with mu held, as
// abandon is.
func (r *Recorder) begin() error {
	digest, err := r.meta.Session.digest()
	if err != nil {
		return err
	}
	if err := r.seal.begin(digest); err != nil {
		return err
	}
	if err := r.writeMetadata(false); err != nil {
		return err
	}
	if err := r.writeSeal(); err != nil {
		return writeError(err)
	}
	if err := r.enc.header(&r.meta.Session); err != nil {
		return err
	}
	if r.commit(); r.err != nil {
		return r.err
	}
	if r.store.cfg.Sync == SyncAlways {
		return r.startOnDisk()
	}
	return nil
}

// startOnDisk makes the metadata and the names of the files last.
func (r *Recorder) startOnDisk() error {
	if r.base == "" {
		return nil
	}
	if err := syncPath(r.base + metaSuffix); err != nil {
		return writeError(err)
	}
	if err := syncDirs(filepath.Dir(r.base)); err != nil {
		return writeError(err)
	}
	return nil
}

// Negotiated notes the subprotocol that both sides have agreed on, for the metadata
// at the end.
func (r *Recorder) Negotiated(subprotocol string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.meta.Subprotocol = subprotocol
}

// Discard ends a recording whose session did not begin, instead of Close, and leaves
// no trace of it. Lines can't be taken back: with them the recording ends like any
// other, with why as its cause.
func (r *Recorder) Discard(why string) error {
	if r.lines != nil {
		return r.Close(End{Cause: why})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrClosed
	}
	r.store.forget(r)
	return r.abandon()
}

// abandon removes the files of a recording that was not begun.
func (r *Recorder) abandon() error {
	r.closed, r.finished = true, true
	if r.base == "" {
		return nil
	}
	errs := []error{r.cast.Close(), r.sealed.Close()}
	for _, suffix := range []string{castSuffix, sealSuffix, metaSuffix} {
		if err := os.Remove(r.base + suffix); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	r.store.used.Add(-r.offset - r.sealOffset)
	return errors.Join(errs...)
}

// ID returns the id of the recording.
func (r *Recorder) ID() string { return r.id }

// path returns the path of the .cast, or nothing without Dir.
func (r *Recorder) path() string {
	if r.base == "" {
		return ""
	}
	return r.base + castSuffix
}

// Err returns why nothing more is recorded, or nil, whatever the mode.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Output records what the session wrote to its terminal or to stdout.
func (r *Recorder) Output(at time.Duration, p []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.meta.Output += int64(len(p))
	return r.output(at, stdout, p)
}

// ErrorOutput records what the session wrote to stderr.
func (r *Recorder) ErrorOutput(at time.Duration, p []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.meta.ErrorOutput += int64(len(p))
	return r.output(at, stderr, p)
}

// output is called with mu held.
func (r *Recorder) output(at time.Duration, s stream, p []byte) error {
	const piece = 32 << 10 // bounds the buffer, with most
	most := piece
	if r.gathering {
		most = maxGather
	}
	var typed []byte
	if r.echo != nil {
		typed = r.echo.output(at, p)
	}
	for len(p) > 0 && r.err == nil && !r.closed {
		n := min(len(p), piece)
		r.enc.output(at, s, p[:n])
		r.pending += int64(n)
		if p = p[n:]; len(r.enc.buf) >= most && len(p) > 0 {
			r.commit()
		}
	}
	if len(typed) > 0 && r.err == nil && !r.closed {
		r.enc.event(at, codeInput, string(typed))
	}
	r.lose(int64(len(p)))
	return r.done()
}

// Input records what the user typed, if the configuration wants it and, in a
// session with a terminal, when it was shown. What is left out, or waits for
// being shown, is no error.
func (r *Recorder) Input(at time.Duration, p []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.meta.Input += int64(len(p))
	switch {
	case r.err != nil || r.closed || len(p) == 0 || !r.store.cfg.Input:
	case r.echo != nil:
		r.echo.input(at, p)
		return nil
	default:
		r.enc.event(at, codeInput, string(p))
	}
	return r.done()
}

// Resize records that the terminal has another size. Zeros and the size that
// it has are passed over.
func (r *Recorder) Resize(at time.Duration, cols, rows uint16) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	same := cols == r.cols && rows == r.rows
	if r.err == nil && !r.closed && cols > 0 && rows > 0 && !same {
		r.cols, r.rows = cols, rows
		r.enc.resize(at, cols, rows)
	}
	return r.done()
}

// Exit records the exit status of the command.
func (r *Recorder) Exit(at time.Duration, code int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil && !r.closed {
		r.meta.Exit = &code
		r.enc.exit(at, code)
	}
	return r.done()
}

// Mark records words of the gateway, which players show as a marker.
func (r *Recorder) Mark(at time.Duration, text string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil && !r.closed {
		r.enc.event(at, codeMarker, text)
	}
	return r.done()
}

// maxGather is from how many octets on no more are gathered.
const maxGather = 128 << 10

// Gather has the calls until Flush kept in memory, up to some 200 KiB, so that
// outputs of one moment become one event. They return what was known before.
func (r *Recorder) Gather() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gathering = true
}

// Flush writes what was gathered. Its result is that of all calls since Gather.
func (r *Recorder) Flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gathering = false
	return r.done()
}

// done ends a method: it writes, unless more is gathered, and returns what the
// mode says.
func (r *Recorder) done() error {
	if r.closed {
		return ErrClosed
	}
	if !r.gathering || len(r.enc.buf) >= maxGather {
		r.enc.note()
		r.commit()
	}
	if r.meta.Mode == Strict {
		return r.err
	}
	return nil
}

// duration returns the time of the last event in seconds.
func (r *Recorder) duration() float64 { return float64(r.enc.committed) / 1e6 }
