package record

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// SyncAlways, as Config.Sync, has every call of a Recorder wait for fsync.
const SyncAlways time.Duration = -1

// Config configures a [Store]. Dir or Lines is required.
type Config struct {
	// Dir is the directory of the store. It is made, but not its parent.
	Dir string

	// Lines, if not nil, is written everything that is written to the files,
	// as lines of less than 8 KiB for [Collect]; without Dir only there. Each
	// Write is of one whole line. It must be safe for concurrent use, by
	// those who write other lines to the same place as well.
	Lines io.Writer

	// KeyFile is the private key of the seal, Ed25519 in PKCS #8 and PEM. It
	// is made if there is none, together with the public key in a file of the
	// same name that ends in .pub. If empty, seal.key in Dir.
	KeyFile string

	// Format is of the .cast files. If zero, V2.
	Format Format

	// Sync is how long after a write the fsync follows at most, apart from how
	// long it takes. If zero, 1 second.
	Sync time.Duration

	// Checkpoint is how long after a write a signature follows at most, and
	// one follows a MiB at the next Sync anyway. What was written after the
	// last checkpoint of a gateway that was killed can only be sealed as it is
	// found by the next one. If zero, 5 seconds.
	Checkpoint time.Duration

	// Input has what was typed recorded too, but for what the terminal did not
	// show.
	Input bool

	// KeepFiles has the content of copied files kept, if who records gives it
	// ([Recorder.Keep]). It needs Dir: it is never part of Lines.
	KeepFiles bool

	// MaxSession is the size of a .cast file and of the content of copied
	// files, in octets, at which the recording ends. If zero, there is no limit.
	MaxSession int64

	// Quota is the size of all files, in octets, at which no session is
	// recorded any more. If zero, there is none.
	Quota int64

	// MinFree is how many octets of the file system are left free. If zero,
	// none.
	MinFree int64

	// MaxAge is how long after their start recordings are deleted, and MaxSize
	// how many octets of all files are left when the oldest are deleted. What
	// is not ended or is on hold stays. If zero, none are deleted for it.
	MaxAge  time.Duration
	MaxSize int64

	// Synced, if not nil, is told how long each fsync of a .cast took. It is
	// called by any goroutine and must not wait for anything.
	Synced func(took time.Duration)

	// Report, if not nil, is told what an operator or auditor has to know. It
	// is called by any goroutine, by Open too, must not wait for anything, and
	// must not call the Recorder or the Store.
	Report func(Notice)

	now    func() time.Time                // if nil, time.Now; for tests
	create func(path string) (file, error) // if nil, createLocked; for tests
	free   func(dir string) (int64, error) // if nil, freeSpace; for tests
}

// A Notice tells what happened to a recording or to the store.
type Notice struct {
	Kind   NoticeKind
	ID     string // of the recording, empty if it is about the store
	Path   string // of the .cast, empty without Dir
	Octets int64  // size of the .cast
	Reason string // a sentence
	Err    error  // if there is one
}

// A NoticeKind is what a Notice is about.
type NoticeKind string

// The kinds of notices.
const (
	NoticeRecovered NoticeKind = "recovered" // left by a crash, is ended and sealed now
	NoticeTruncated NoticeKind = "truncated" // ends before its session
	NoticeDeleted   NoticeKind = "deleted"   // by retention
	NoticeFailed    NoticeKind = "failed"    // could not be ended, recovered, deleted; is tried again
	NoticeFull      NoticeKind = "full"      // nothing can be recorded, for the lack of room
	NoticeRoom      NoticeKind = "room"      // again there is room
)

const (
	defaultSync       = time.Second
	defaultCheckpoint = 5 * time.Second
)

// complete fills in the defaults.
func (cfg *Config) complete() error {
	if cfg.Dir == "" && cfg.Lines == nil {
		return errors.New("record: Dir or Lines is required")
	}
	if cfg.Dir == "" && cfg.KeyFile == "" {
		return errors.New("record: without Dir, KeyFile is required")
	}
	if cfg.Format == 0 {
		cfg.Format = V2
	}
	if cfg.Format != V2 && cfg.Format != V3 {
		return fmt.Errorf("record: there is no asciicast version %d", cfg.Format)
	}
	if cfg.Sync == 0 {
		cfg.Sync = defaultSync
	}
	if cfg.Checkpoint == 0 {
		cfg.Checkpoint = defaultCheckpoint
	}
	if cfg.Sync < 0 && cfg.Sync != SyncAlways || cfg.Checkpoint < 0 || cfg.MaxSession < 0 || cfg.Quota < 0 ||
		cfg.MinFree < 0 || cfg.MaxAge < 0 || cfg.MaxSize < 0 {
		return errors.New("record: a duration or a size is negative")
	}
	if cfg.now == nil {
		cfg.now = time.Now
	}
	if cfg.free == nil {
		cfg.free = freeSpace
	}
	if cfg.create == nil {
		cfg.create = func(path string) (file, error) { return createLocked(path) }
	}
	return nil
}
