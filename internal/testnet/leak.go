package testnet

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// leakPatience is how long goroutines may take to end after the last test.
const leakPatience = 5 * time.Second

// Main runs the tests of a package and exits. A run that passed fails when
// goroutines are still there some seconds after its last test; their stacks
// are printed.
//
//	func TestMain(m *testing.M) { testnet.Main(m) }
func Main(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if left := leaked(leakPatience); len(left) > 0 {
			fmt.Fprintf(os.Stderr, "testnet: %d goroutines are left after the last test:\n\n%s\n",
				len(left), strings.Join(left, "\n\n"))
			code = 1
		}
	}
	os.Exit(code)
}

// leaked returns the stacks of the goroutines that do not end in time. It is
// called outside of bubbles: there is nothing to wait for but real time.
func leaked(patience time.Duration) []string {
	const step = 10 * time.Millisecond
	for {
		left := foreign()
		if len(left) == 0 || patience <= 0 {
			return left
		}
		time.Sleep(step)
		patience -= step
	}
}

// foreign returns the stacks of all goroutines that belong neither to the
// caller nor to the testing package nor to the runtime.
func foreign() []string {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	stacks := strings.Split(strings.TrimSpace(string(buf)), "\n\n")
	var left []string
	for _, stack := range stacks[1:] { // the first is ours
		if !known(stack) {
			left = append(left, stack)
		}
	}
	return left
}

// known tells a goroutine that is not the tests'.
func known(stack string) bool {
	for _, frame := range []string{
		"\ntesting.(*M).", // the goroutine of Main itself, when a test calls leaked
		"\ntesting.(*T).Run(",
		"\ntesting.(*F).",
		"\ncreated by testing.(*F).",
		"\ninternal/fuzz.",
		"\nos/signal.signal_recv(",
		"\nos/signal.loop(",
	} {
		if strings.Contains(stack, frame) {
			return true
		}
	}
	return runtimeOnly(stack)
}

// runtimeOnly tells a goroutine of the runtime, such as the one that runs
// cleanups, which shows only while it works: all its frames are in package
// runtime. Lines with a tab are the frames' positions.
func runtimeOnly(stack string) bool {
	for _, line := range strings.Split(stack, "\n")[1:] {
		if !strings.HasPrefix(line, "\t") && !strings.HasPrefix(line, "runtime.") &&
			!strings.HasPrefix(line, "created by runtime.") {
			return false
		}
	}
	return true
}
