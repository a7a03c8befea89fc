package record

import (
	"os"
	"testing"

	"github.com/spliceway/spliceway/internal/testnet"
)

// TestMain runs the tests, or, in a process that the crash test has started,
// the writer that it kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		writeUntilKilled(dir)
		return
	}
	testnet.Main(m)
}
