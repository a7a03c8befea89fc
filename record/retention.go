package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// tidyInterval is how often retention looks for what is too old.
const tidyInterval = 10 * time.Minute

// keepTidy deletes what retention wants deleted, until the store is closed.
func (s *Store) keepTidy() {
	ticker := time.NewTicker(tidyInterval)
	defer ticker.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-ticker.C:
		case <-s.tidy:
		}
		s.retain()
	}
}

// askTidy has retention run if there is too much.
func (s *Store) askTidy() {
	if s.cfg.MaxSize == 0 || s.used.Load() <= s.cfg.MaxSize {
		return
	}
	select {
	case s.tidy <- struct{}{}:
	default: // it was asked already
	}
}

// retain counts what is there and deletes the oldest recordings as long as they
// are too old or there is too much. What is not ended or is on hold stays.
func (s *Store) retain() {
	before := s.used.Load()
	var total int64
	var bases []string
	for base, err := range files(s.cfg.Dir, metaSuffix, time.Time{}, time.Time{}) {
		if err != nil {
			s.report(Notice{Kind: NoticeFailed, Reason: "looking for recordings that are too old", Err: err})
			return
		}
		size, content := sizes(base)
		total += size
		if content {
			bases = append(bases, base)
		}
	}
	// What was written meanwhile is counted twice until the next time.
	s.used.Add(total - before)
	for _, base := range bases {
		reason := s.tooMuch(base)
		if reason == "" {
			return // those that follow are younger
		}
		if err := s.remove(base, reason); err != nil {
			s.report(Notice{
				Kind: NoticeFailed, ID: baseID(base), Path: base + castSuffix, Reason: "deleting the recording", Err: err,
			})
		}
	}
}

// sizes returns the size of a recording's files and whether it has more than
// metadata.
func sizes(base string) (total int64, content bool) {
	for _, suffix := range []string{castSuffix, sealSuffix, metaSuffix, uploadSuffix, downloadSuffix} {
		if info, err := os.Lstat(base + suffix); err == nil {
			total += info.Size()
			content = content || suffix == castSuffix
		}
	}
	return total, content
}

// tooMuch returns why a recording has to go, or nothing.
func (s *Store) tooMuch(base string) string {
	started, err := idTime(baseID(base))
	switch {
	case err != nil:
		return ""
	case s.cfg.MaxAge > 0 && s.cfg.now().Sub(started) > s.cfg.MaxAge:
		return fmt.Sprintf("older than %s", s.cfg.MaxAge)
	case s.cfg.MaxSize > 0 && s.used.Load() > s.cfg.MaxSize:
		return fmt.Sprintf("all recordings are larger than %d octets and this is the oldest", s.cfg.MaxSize)
	}
	return ""
}

// remove deletes the content of a recording, unless it is not ended or is on
// hold. The metadata says so before it happens.
func (s *Store) remove(base, reason string) error {
	meta, err := ReadMetadata(base)
	if err != nil {
		return err
	}
	if meta.State == StateOpen || meta.Hold != nil {
		return nil
	}
	if meta.State != StateDeleted {
		d := &Deletion{Time: s.cfg.now().UTC().Round(0), Reason: reason, Size: meta.Size}
		d.Signature = signDeletion(s.key, meta.ID, d)
		meta.State, meta.Deletion = StateDeleted, d
		if err := writeMetadata(base, meta, true); err != nil {
			return err
		}
	}
	before, _ := sizes(base)
	if err := removeContent(base); err != nil {
		return err
	}
	after, _ := sizes(base)
	s.used.Add(after - before)
	s.report(Notice{Kind: NoticeDeleted, ID: meta.ID, Path: base + castSuffix, Octets: meta.Size, Reason: reason})
	return nil
}

// removeContent removes all but the metadata.
func removeContent(base string) error {
	var errs []error
	for _, suffix := range []string{uploadSuffix, downloadSuffix, castSuffix, sealSuffix} {
		if err := os.Remove(base + suffix); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
