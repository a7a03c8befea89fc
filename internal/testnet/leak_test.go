package testnet

import (
	"strings"
	"testing"
)

func TestLeakedNamesGoroutine(t *testing.T) {
	stop := make(chan struct{})
	go leakingGoroutine(stop)
	if left := strings.Join(leaked(0), "\n"); !strings.Contains(left, "created by github.com/spliceway/spliceway/internal/testnet.TestLeakedNamesGoroutine") {
		t.Errorf("leaked() = %q, want the goroutine that this test started", left)
	}
	close(stop)
	if left := leaked(leakPatience); len(left) > 0 {
		t.Errorf("leaked() = %q after the goroutine has ended", left)
	}
}

func leakingGoroutine(stop chan struct{}) { <-stop }

func TestRuntimeOnly(t *testing.T) {
	tests := []struct {
		name, stack string
		want        bool
	}{
		{"cleanups", "goroutine 20 [runnable]:\nruntime.runCleanups()\n\t/go/src/runtime/mcleanup.go:745 +0x143", true},
		{"cleanup-of-ours", "goroutine 20 [running]:\nmain.f()\n\t/f.go:1 +0x1\nruntime.runCleanups()\n\t/go/src/runtime/mcleanup.go:745 +0x143", false},
		{"not-started-yet", "goroutine 48 [runnable]:\nmain.f.gowrap1()\n\t/f.go:1\nruntime.goexit({})\n\t/asm_amd64.s:1771 +0x1\ncreated by main.f in goroutine 1\n\t/f.go:1 +0xaa", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := runtimeOnly(test.stack); got != test.want {
				t.Errorf("runtimeOnly(%q) = %v, want %v", test.stack, got, test.want)
			}
		})
	}
}
