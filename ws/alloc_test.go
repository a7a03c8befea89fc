//go:build !race

package ws_test

import (
	"strings"
	"testing"

	. "github.com/spliceway/spliceway/ws"
)

// Nothing must allocate: these are all octets of all sessions.

func TestNextDoesNotAllocate(t *testing.T) {
	payload := strings.Repeat("YWJj", 8<<10)
	for _, row := range []struct {
		name     string
		from     Peer
		protocol Protocol
		stream   []byte
	}{
		{"output", Server, ChannelV5, frame(fin|bin, "", "\x01"+payload)},
		{"input", Client, ChannelV5, frame(fin|bin, key, "\x00"+payload)},
		{"close of a channel", Client, ChannelV5, frame(fin|bin, key, "\xff\x00")},
		{"base64 output", Server, Base64V4, frame(fin|text, "", "1"+payload)},
		{"base64 input", Client, Base64V4, frame(fin|text, key, "0"+payload)},
		{"tunnel", Client, Tunnel, frame(fin|bin, key, payload)},
		{"ping", Client, Tunnel, frame(fin|9, key, "ping")},
	} {
		d := NewDecoder(row.from, row.protocol, nil)
		wantNoAllocs(t, row.name, func() { drain(t, d, row.stream) })
		wantNoAllocs(t, row.name+" in pieces", func() {
			for rest := row.stream; len(rest) > 0; {
				n := min(len(rest), 7)
				drain(t, d, rest[:n])
				rest = rest[n:]
			}
		})
	}
}

func wantNoAllocs(t *testing.T, what string, f func()) {
	t.Helper()
	if got := testing.AllocsPerRun(20, f); got != 0 {
		t.Errorf("%s: %v allocations, want none", what, got)
	}
}
