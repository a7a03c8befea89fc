package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// recover ends the recordings that a crash has left in the directory: those
// that are not ended and that no process has locked.
func (s *Store) recover() error {
	for base, err := range casts(s.cfg.Dir) {
		if err != nil {
			return fmt.Errorf("record: looking for recordings that are not ended: %w", err)
		}
		left, err := leftBehind(base)
		if err == nil && left {
			err = s.recoverOne(base)
		}
		if err != nil {
			s.report(Notice{
				Kind: NoticeFailed, ID: baseID(base), Path: base + castSuffix,
				Reason: "ending a recording that a crash has left", Err: err,
			})
		}
	}
	return nil
}

// leftBehind tells whether a recording may be left by a crash, without taking
// its lock. A .cast without metadata is one too.
func leftBehind(base string) (bool, error) {
	text, err := os.ReadFile(base + metaSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	var m struct {
		State State `json:"state"`
	}
	// Metadata that was not on disk when the machine crashed can be empty.
	return json.Unmarshal(text, &m) != nil || m.State == StateOpen || m.State == StateDeleted, nil
}

// recoverOne ends one recording.
func (s *Store) recoverOne(base string) error {
	cast, err := os.OpenFile(base+castSuffix, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer cast.Close()
	if !lockSoon(cast) {
		return nil // another process writes it
	}
	// It can have been ended before the lock was free.
	if left, err := leftBehind(base); err != nil || !left {
		return err
	}
	info, err := cast.Stat()
	if err != nil {
		return err
	}
	meta, err := ReadMetadata(base)
	if err == nil && meta.State == StateDeleted {
		return removeContent(base)
	}
	if err != nil {
		// The metadata is written before the .cast: it has no event.
		meta = &Metadata{Version: 1, Format: s.cfg.Format, Session: Session{ID: baseID(base)}}
		meta.Session.complete(info.ModTime())
	}
	return s.salvage(base, cast, info, meta)
}

// lockSoon takes the lock of a recording, unless it is written. Who only asks whether
// it is, as a list of recordings does, shares the lock for a moment.
func lockSoon(f *os.File) bool {
	const tries, pause = 50, 2 * time.Millisecond
	for range tries {
		if lock(f) == nil {
			return true
		}
		if !shared(f) {
			return false
		}
		time.Sleep(pause)
	}
	return false
}

// salvage completes the last line, seals what is there and writes the metadata.
func (s *Store) salvage(base string, cast *os.File, info os.FileInfo, meta *Metadata) error {
	seal, err := os.ReadFile(base + sealSuffix)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	before, err := prove(cast, info.Size(), seal, meta.ID, s.publicKeys())
	if err != nil {
		return err
	}
	size, torn, err := repair(cast, info.Size(), meta)
	if err != nil {
		return err
	}
	now := s.cfg.now().UTC().Round(0)
	ended := info.ModTime().UTC().Round(0)
	meta.State, meta.Ended, meta.Size, meta.Hold = StateRecovered, &ended, size, nil
	meta.sealedWith(s.key)
	meta.Cause = "the gateway stopped without ending the recording"
	meta.Duration = readEnd(io.NewSectionReader(cast, 0, size)).time
	meta.Recovery = &Recovery{Time: now, Proven: before.proven, Torn: torn, Fault: before.fault()}
	if err := s.sealAgain(base, cast, meta, seal, before); err != nil {
		return err
	}
	if err := writeMetadata(base, meta, true); err != nil {
		return err
	}
	reason := fmt.Sprintf("left by a crash; octets 0 to %d of %d were sealed as they were written", before.proven, size)
	if meta.Recovery.Fault != "" {
		reason += "; " + meta.Recovery.Fault
	}
	s.report(Notice{Kind: NoticeRecovered, ID: meta.ID, Path: base + castSuffix, Octets: size, Reason: reason})
	return nil
}

// fault says what was wrong before a recovery, which a crash does not explain.
func (p *proof) fault() string {
	switch {
	case p.wrong != nil && p.size >= p.wrong.until:
		return fmt.Sprintf("octets from %d on are not what was sealed", p.wrong.offset)
	case p.wrong != nil:
		return fmt.Sprintf("octets from %d on were sealed and are missing", p.size)
	case p.invalid != nil:
		return p.invalid.Error()
	}
	return ""
}

// sealAgain seals a recording from what is proven of it on.
func (s *Store) sealAgain(base string, cast *os.File, meta *Metadata, text []byte, before *proof) error {
	w := sealer{id: meta.ID, key: s.key}
	if before.start == nil {
		digest, err := meta.Session.digest()
		if err != nil {
			return err
		}
		if err := w.begin(digest); err != nil {
			return err
		}
	} else {
		w.chain = resumeChain(before.sum, before.proven)
		w.lines = provenLines(text[:before.kept], before.proven)
	}
	rest := io.NewSectionReader(cast, before.proven, meta.Size-before.proven)
	if _, err := io.Copy(sealWriter{&w}, rest); err != nil {
		return err
	}
	if err := cast.Sync(); err != nil {
		return err
	}
	if err := w.end(meta, meta.Recovery.Time); err != nil {
		return err
	}
	return writeFile(base+sealSuffix, w.lines, fileMode)
}

type sealWriter struct{ *sealer }

func (w sealWriter) Write(p []byte) (int, error) {
	w.write(p)
	return len(p), nil
}

// provenLines returns the lines of a seal without lists of what no checkpoint
// covers, and without an end: that is of metadata that nobody has, if the
// gateway was killed before it wrote them.
func provenLines(text []byte, proven int64) []byte {
	var kept []byte
	for line := range bytes.Lines(text) {
		var l sealLine
		if json.Unmarshal(line, &l) == nil && l.To <= proven && l.End == nil {
			kept = append(kept, line...)
		}
	}
	return kept
}

// repair completes the last line of a .cast that was cut anywhere, so that
// stock players take it, and says so at its end. It returns the new size and how
// many octets of an escape or character that was cut, or of a line of which
// nothing can be shown, were removed.
func repair(cast *os.File, size int64, meta *Metadata) (int64, int64, error) {
	whole, err := lastLine(cast, size)
	if err != nil {
		return 0, 0, err
	}
	line := make([]byte, size-whole)
	if _, err := cast.ReadAt(line, whole); err != nil && err != io.EOF {
		return 0, 0, err
	}
	if whole == 0 {
		return rewrite(cast, meta, int64(len(line)))
	}
	keep, tail := closeLine(line)
	enc := newEncoder(meta.Format, meta.TTY)
	enc.buf = append(enc.buf, tail...)
	end := readEnd(io.NewSectionReader(cast, 0, size))
	if meta.Format == V2 {
		enc.last = int64(end.time * 1e6)
	}
	enc.announced, enc.carried = end.announced, end.unfinished
	enc.giveUp()
	enc.event(0, codeMarker, "the gateway stopped here without ending the recording")
	if err := cast.Truncate(whole + int64(keep)); err != nil {
		return 0, 0, err
	}
	n, err := cast.WriteAt(enc.buf, whole+int64(keep))
	return whole + int64(keep+n), int64(len(line) - keep), err
}

// rewrite writes the first line anew, if not even that is whole.
func rewrite(cast *os.File, meta *Metadata, torn int64) (int64, int64, error) {
	enc := newEncoder(meta.Format, meta.TTY)
	if err := enc.header(&meta.Session); err != nil {
		return 0, 0, err
	}
	enc.event(0, codeMarker, "the gateway stopped here without ending the recording")
	if err := cast.Truncate(0); err != nil {
		return 0, 0, err
	}
	n, err := cast.WriteAt(enc.buf, 0)
	return int64(n), torn, err
}

// lastLine returns the offset behind the last LF.
func lastLine(cast io.ReaderAt, size int64) (int64, error) {
	const piece = 64 << 10
	buf := make([]byte, piece)
	for until := size; until > 0; {
		from := max(until-piece, 0)
		n, err := cast.ReadAt(buf[:until-from], from)
		if err != nil && err != io.EOF {
			return 0, err
		}
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			return from + int64(i) + 1, nil
		}
		until = from
	}
	return 0, nil
}

// closeLine returns how much of an incomplete line is kept, and what completes
// it.
func closeLine(line []byte) (keep int, tail string) {
	e, err := parseEvent(line)
	if err == nil && !e.torn {
		return len(line), "\n"
	}
	if err != nil || e.textEnd == 0 || e.code != codeOutput && e.code != codeInput && e.code != codeMarker {
		return 0, ""
	}
	return e.textEnd, "\"]\n"
}

// A castEnd is how a .cast ends that may go on.
type castEnd struct {
	time       float64 // of the last event, seconds
	announced  stream
	unfinished [2]carry
}

// readEnd reads a .cast to its end.
func readEnd(cast io.Reader) (end castEnd) {
	reader, err := NewReader(cast)
	if err != nil {
		return end
	}
	for {
		e, err := reader.Next()
		if err != nil {
			break
		}
		end.time = e.Time.Seconds()
	}
	if reader.stderr {
		end.announced = stderr
	}
	end.unfinished = reader.unfinished
	return end
}
