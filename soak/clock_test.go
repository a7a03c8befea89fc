//go:build linux

package soak

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// clock is by how much the gateway's clock is wrong. Time that passes, which timers and
// deadlines go by, is not touched, as it isn't when a machine's clock is set.
type clock struct {
	file string
	off  []byte // seconds; nil if the gateway could not be built so
}

// The line of time.Now that asks the machine, what is put behind it, and what that
// calls.
const (
	nowAsks  = "\tsec, nsec, mono := runtimeNow()\n"
	nowAdds  = "\tsec += clockOff()\n"
	clockOff = `package time

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

var clockFile = openClock()

func openClock() *int64 {
	name, _ := syscall.Getenv("` + clockVariable + `")
	fd, err := syscall.Open(name, syscall.O_RDONLY, 0)
	if err != nil {
		return nil
	}
	defer syscall.Close(fd)
	page, err := syscall.Mmap(fd, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil
	}
	return (*int64)(unsafe.Pointer(&page[0]))
}

func clockOff() int64 {
	if clockFile == nil {
		return 0
	}
	return atomic.LoadInt64(clockFile)
}
`
	clockVariable = "SOAK_CLOCK"
)

// newClock returns a clock that is right, and what makes go build use it. Without a
// time.Now as it knows it, there is no clock and nothing for go build.
func newClock(t *testing.T, dir string) (c *clock, flags []string) {
	t.Helper()
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	text, err := os.ReadFile(filepath.Join(source, "time.go"))
	if err != nil || strings.Count(string(text), nowAsks) != 1 {
		return new(clock), nil
	}
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {
		filepath.Join(source, "time.go"):       write("time.go", strings.Replace(string(text), nowAsks, nowAsks+nowAdds, 1)),
		filepath.Join(source, "soak_clock.go"): write("soak_clock.go", clockOff),
	}})
	if err != nil {
		t.Fatal(err)
	}
	c = &clock{file: write("clock", strings.Repeat("\x00", 8))}
	f, err := os.OpenFile(c.file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if c.off, err = syscall.Mmap(int(f.Fd()), 0, 8, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(c.off) })
	return c, []string{"-overlay", write("overlay.json", string(overlay))}
}

// set makes the clock wrong by d.
func (c *clock) set(d time.Duration) {
	binary.NativeEndian.PutUint64(c.off, uint64(int64(d/time.Second)))
}

// needClock skips what needs a clock that can be set.
func (b *bed) needClock() {
	if b.gateway.clock.off == nil {
		b.t.Skip("this version of Go has another time.Now: nothing is known of clocks that are set")
	}
}

// steppedClock sets the gateway's clock forward and back: within what tokens allow,
// beyond it, beyond certificates, and right again.
func (b *bed) steppedClock(ctx context.Context) (n int64) {
	sizes := []time.Duration{time.Second, 20 * time.Second, 45 * time.Minute, 2 * time.Hour, 400 * 24 * time.Hour, 50 * 365 * 24 * time.Hour}
	for ; pause(ctx, time.Duration(rand.IntN(1000))*time.Millisecond); n++ {
		switch d := sizes[rand.IntN(len(sizes))]; n % 4 {
		case 0:
			b.gateway.clock.set(d)
		case 2:
			b.gateway.clock.set(-d)
		default:
			b.gateway.clock.set(0)
		}
	}
	b.gateway.clock.set(0)
	b.untilLetIn()
	return n
}

// environment is what tells the gateway of its clock.
func (c *clock) environment() []string {
	return append(os.Environ(), fmt.Sprintf("%s=%s", clockVariable, c.file))
}
