package replay

import (
	"os"
	"strings"

	"github.com/spliceway/spliceway/record"
)

// status returns in a word or two how far a recording is and what is special
// about it: active, unended (left by a crash and not yet found by the next
// start), complete, recovered or deleted; truncated; unsealed; held.
func status(r *record.Recording) string {
	words := []string{string(r.State)}
	if r.State == record.StateOpen {
		words[0] = "unended"
		if isWritten(r.Path) {
			words[0] = "active"
		}
	}
	if r.Truncated != nil {
		words = append(words, "truncated")
	}
	if _, err := os.Stat(strings.TrimSuffix(r.Path, ".cast") + ".seal"); os.IsNotExist(err) && r.State != record.StateDeleted {
		words = append(words, "unsealed")
	}
	if r.Hold != nil {
		words = append(words, "held")
	}
	return strings.Join(words, ",")
}
