package trace

import (
	"testing"

	"github.com/spliceway/spliceway/internal/testnet"
)

func TestMain(m *testing.M) { testnet.Main(m) }
