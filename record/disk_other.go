//go:build !unix

package record

import (
	"errors"
	"math"
	"os"
)

// lock fails: the gateway serves on Unix only, and without locks a second one
// would take the recordings of the first for left by a crash.
func lock(*os.File) error {
	return errors.ErrUnsupported
}

// shared is asked when lock has failed, which here no wait helps against.
func shared(*os.File) bool { return false }

// freeSpace knows no limit.
func freeSpace(string) (int64, error) { return math.MaxInt64, nil }
