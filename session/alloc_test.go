//go:build !race

package session_test

import (
	"strings"
	"testing"

	. "github.com/spliceway/spliceway/session"
)

// nothing is a Sink that keeps nothing.
type nothing struct{}

func (nothing) Event(*Event) error { return nil }

// TestDataDoesNotAllocate: the octets of a session make no garbage.
func TestDataDoesNotAllocate(t *testing.T) {
	for _, test := range dataPaths(t) {
		t.Run(test.name, func(t *testing.T) {
			give := test.start(t, nothing{})
			give()
			if n := testing.AllocsPerRun(100, give); n != 0 {
				t.Errorf("%v allocations, want none", n)
			}
		})
	}
}

// TestTarDoesNotAllocate: nor does the content of files.
func TestTarDoesNotAllocate(t *testing.T) {
	f := NewFiles(&Info{Kind: KindExec}, func(*File) {})
	header := archive(t)[:512]
	copy(header[124:], "77777777777\x00")
	for i := range 8 {
		header[148+i] = ' '
	}
	sum := 0
	for _, c := range header {
		sum += int(c)
	}
	for i := range 6 {
		header[148+5-i] = byte('0' + sum>>(3*i)&7)
	}
	header[154] = 0
	content := []byte(strings.Repeat("x", 32<<10))
	if err := f.Event(&Event{Type: Stdout, Data: header}); err != nil {
		t.Fatal(err)
	}
	e := &Event{Type: Stdout, Data: content}
	if n := testing.AllocsPerRun(100, func() { _ = f.Event(e) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
