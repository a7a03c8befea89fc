package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// commit writes what the encoder has made, if nothing is in the way. An error
// is kept in r.err. It is called with mu held, as all in this file.
func (r *Recorder) commit() {
	if r.err != nil {
		r.drop()
		return
	}
	r.enc.closeEvent()
	if len(r.enc.buf) == 0 {
		return
	}
	err := r.admit(len(r.enc.buf))
	if err == nil {
		err = r.append()
	}
	if err != nil {
		r.fail(err)
	}
}

// admit tells whether the limits allow n octets more.
func (r *Recorder) admit(n int) error {
	cfg := &r.store.cfg
	switch {
	case cfg.MaxSession > 0 && r.offset+r.contentSize()+int64(n) > cfg.MaxSession:
		return ErrSessionLimit
	case cfg.Quota > 0 && r.store.used.Load()+int64(n) > cfg.Quota:
		return ErrQuota
	case r.store.low.Load():
		return ErrLowSpace
	}
	return nil
}

// append writes what the encoder has made. After an error the .cast is as it
// was before.
func (r *Recorder) append() error {
	p := r.enc.buf
	if err := r.appendCast(p); err != nil {
		return writeError(err)
	}
	if r.store.dir == nil {
		r.store.wrote(nil) // with a directory, room for one write is not yet room
	}
	r.offset += int64(len(p))
	r.pending = 0
	r.seal.write(p)
	r.enc.taken()
	if len(r.seal.lines) > 0 {
		if err := r.writeSeal(); err != nil {
			return writeError(err)
		}
	}
	return nil
}

func (r *Recorder) appendCast(p []byte) error {
	if r.cast != nil {
		_, err := r.cast.Write(p)
		if err == nil && r.store.cfg.Sync == SyncAlways {
			err = r.syncCast()
		}
		if err != nil {
			r.cutBack()
			return err
		}
	}
	if r.lines != nil {
		if err := r.lines.write("cast", r.offset, p); err != nil {
			r.cutBack()
			return err
		}
	}
	if r.cast != nil {
		r.store.used.Add(int64(len(p)))
	}
	r.store.written.Add(int64(len(p)))
	r.due.Store(0)
	switch {
	case r.store.cfg.Sync == SyncAlways:
		r.synced.Store(r.offset + int64(len(p)))
	case r.cast != nil && r.unsynced.Load() == 0:
		r.unsynced.Store(r.store.cfg.now().UnixNano())
	}
	return nil
}

// cutBack removes what was written of lines that are not taken. If it can't,
// the end tries again before it seals.
func (r *Recorder) cutBack() {
	r.torn = r.cast != nil && r.cast.Truncate(r.offset) != nil
}

// writeSeal writes the lines of the seal. They are kept after an error.
func (r *Recorder) writeSeal() error {
	p := r.seal.lines
	if r.sealed != nil {
		if _, err := r.sealed.Write(p); err != nil {
			r.sealed.Truncate(r.sealOffset)
			return err
		}
		r.store.used.Add(int64(len(p)))
	}
	if r.lines != nil {
		if err := r.lines.write("seal", r.sealOffset, p); err != nil {
			if r.sealed != nil {
				r.sealed.Truncate(r.sealOffset)
			}
			return err
		}
	}
	r.sealOffset += int64(len(p))
	r.seal.lines = p[:0]
	return nil
}

// writeMetadata writes the .json, and has it on disk with sync.
func (r *Recorder) writeMetadata(sync bool) error {
	if r.base != "" {
		if err := writeMetadata(r.base, &r.meta, sync); err != nil {
			return err
		}
	}
	if r.lines != nil {
		text, err := printMetadata(&r.meta)
		if err != nil {
			return err
		}
		if err := r.lines.write("json", 0, text); err != nil {
			return writeError(err)
		}
	}
	return nil
}

// fail ends the recording before its session.
func (r *Recorder) fail(err error) {
	r.err = err
	r.store.wrote(err)
	r.meta.Truncated = &Truncation{
		Reason: err.Error(),
		Time:   r.store.cfg.now().UTC().Round(0),
		Offset: r.offset,
	}
	r.drop()
	r.store.report(Notice{
		Kind: NoticeTruncated, ID: r.id, Path: r.path(), Octets: r.offset, Reason: err.Error(), Err: err,
	})
}

// drop forgets what was not written.
func (r *Recorder) drop() {
	r.lose(r.pending)
	r.pending = 0
	r.enc.drop()
}

// lose counts octets of output that are not recorded. In a strict session
// nobody sees them.
func (r *Recorder) lose(n int64) {
	if r.meta.Truncated != nil && r.meta.Mode != Strict {
		r.meta.Truncated.Lost += n
	}
}

// Close ends the recording. It returns why the recording is not complete, or
// could not be ended: then the store tries again. After the first call, and in
// all other methods, it returns [ErrClosed].
func (r *Recorder) Close(end End) error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return ErrClosed
	}
	r.commit()
	if r.err == nil {
		r.enc.giveUp()
		r.last(end.Time, end.Cause)
		r.commit()
	}
	if r.err != nil && !r.torn {
		// The words are beyond the limits, and if they can't be written the
		// metadata still has them.
		r.enc.giveUp()
		r.last(end.Time, "the recording ends before its session: "+r.err.Error())
		if err := r.append(); err != nil {
			r.drop()
		}
	}
	r.closed = true
	r.due.Store(0)
	r.meta.Cause = end.Cause
	r.meta.Transfers, r.meta.Forwards = end.Transfers, end.Forwards
	result := r.err
	r.mu.Unlock()
	if err := r.finish(); err != nil {
		r.store.report(Notice{Kind: NoticeFailed, ID: r.id, Path: r.path(), Reason: "ending the recording", Err: err})
		if result == nil {
			result = err
		}
	}
	return result
}

// last makes the marker at the end.
func (r *Recorder) last(at time.Duration, text string) {
	if text != "" {
		r.enc.event(at, codeMarker, text)
	}
}

// finish seals the recording and closes the files. After an error it can be
// called again.
func (r *Recorder) finish() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.closed || r.finished {
		return nil
	}
	if err := r.conclude(); err != nil && !r.removed() {
		return err
	}
	if r.base != "" {
		// What they have is on disk.
		r.cast.Close()
		r.sealed.Close()
		_ = r.eachContainer((*os.File).Close)
	}
	r.finished = true
	r.store.forget(r)
	r.store.askTidy()
	return nil
}

// removed tells whether the .cast is gone, so that there is nothing to end.
func (r *Recorder) removed() bool {
	if r.info == nil {
		return false
	}
	_, err := os.Stat(r.path())
	return errors.Is(err, fs.ErrNotExist)
}

// conclude writes the end of the seal and then the metadata, so that a crash in
// between leaves a recording that is not ended.
func (r *Recorder) conclude() error {
	if !r.endSealed {
		now := r.store.cfg.now().UTC().Round(0)
		r.meta.State, r.meta.Ended = StateComplete, &now
		r.meta.Size, r.meta.Duration = r.offset, r.duration()
		if err := r.seal.end(&r.meta, now); err != nil {
			return err
		}
		r.endSealed = true
	}
	if r.torn {
		if r.cutBack(); r.torn {
			return fmt.Errorf("%w: removing a line that was not completed", ErrWrite)
		}
	}
	if r.cast != nil {
		if err := r.syncCast(); err != nil {
			return writeError(err)
		}
	}
	if err := r.eachContainer((*os.File).Sync); err != nil {
		return writeError(err)
	}
	if len(r.seal.lines) > 0 {
		if err := r.writeSeal(); err != nil {
			return writeError(err)
		}
	}
	if r.sealed != nil {
		if err := r.sealed.Sync(); err != nil {
			return writeError(err)
		}
		if err := syncDirs(filepath.Dir(r.base)); err != nil {
			return writeError(err)
		}
	}
	return r.writeMetadata(true)
}
