package record

import (
	"errors"
	"os"
)

// probeSize is more than a file system keeps beside the metadata of a file.
const probeSize = 16 << 10

// Ready returns nil if a session can be recorded now. Beyond [Store.Room] it knows
// whether the last write has failed, of a recording or, since then, of the store
// itself, which tries again every Config.Sync.
func (s *Store) Ready() error {
	if err := s.Room(); err != nil {
		return err
	}
	if err := s.trouble.Load(); err != nil {
		return *err
	}
	return nil
}

// wrote notes whether a write has succeeded. Other errors are of limits, which Room
// knows.
func (s *Store) wrote(err error) {
	switch {
	case err == nil:
		if s.trouble.Load() != nil && s.trouble.Swap(nil) != nil {
			s.report(Notice{Kind: NoticeRoom, Reason: "recordings can be written again"})
		}
	case errors.Is(err, ErrWrite):
		if s.trouble.Swap(&err) == nil {
			s.report(Notice{Kind: NoticeFull, Reason: "recordings can't be written", Err: err})
		}
	}
}

// probe writes something, to know whether that can be done.
func (s *Store) probe() {
	f, err := os.CreateTemp(s.cfg.Dir, ".probe-*"+tempSuffix)
	if err == nil {
		defer os.Remove(f.Name())
		_, err = f.Write(make([]byte, probeSize))
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err != nil {
		err = writeError(err)
	}
	s.wrote(err)
}
