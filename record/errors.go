package record

import (
	"errors"
	"fmt"
)

// Why a session is not recorded or a recording ends. All but ErrClosed and
// ErrWrite are limits that the configuration sets.
var (
	ErrClosed       = errors.New("record: closed")
	ErrWrite        = errors.New("record: writing the recording")
	ErrStoreMoved   = errors.New("record: the directory of the recordings is gone")
	ErrSessionLimit = errors.New("record: the recording has the size at which it ends")
	ErrQuota        = errors.New("record: the quota of all recordings is used up")
	ErrLowSpace     = errors.New("record: the file system has too little space left")
)

// writeError returns an error of a write or fsync.
func writeError(err error) error { return fmt.Errorf("%w: %w", ErrWrite, err) }
