//go:build linux

package soak

import (
	"flag"
	"testing"
	"time"

	"github.com/spliceway/spliceway/internal/testnet"
)

var (
	duration = flag.Duration("duration", 8*time.Second, "for all classes of faults in all rounds together")
	rounds   = flag.Int("rounds", 1, "how often each class of faults comes")
	idle     = flag.Int("idle", 100, "idle tunnels beside active ones")
)

func TestMain(m *testing.M) { testnet.Main(m) }
