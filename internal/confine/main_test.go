package confine

import (
	"os"
	"testing"

	"github.com/spliceway/spliceway/internal/testnet"
)

// confinedTo in the environment makes the test binary a process that confines
// itself to what it says and then tries what its arguments say.
const confinedTo = "SPLICEWAY_TEST_CONFINED"

func TestMain(m *testing.M) {
	if text := os.Getenv(confinedTo); text != "" {
		try(text, os.Args[1:])
		return
	}
	testnet.Main(m)
}
