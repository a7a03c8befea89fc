package ws_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/spliceway/spliceway/spdy"
	. "github.com/spliceway/spliceway/ws"
)

// capture is a session of kubectl with an API server, recorded between them.
type capture struct {
	Name        string `json:"name"`
	What        string `json:"what"`
	Subprotocol string `json:"subprotocol"`
	Segments    []struct {
		From   string     `json:"from"`
		Octets wireOctets `json:"octets"`
	} `json:"segments"`
	Expect struct {
		Streams []struct {
			ID         uint32 `json:"id"`
			StreamType string `json:"streamtype"`
			Port       string `json:"port"`
			RequestID  string `json:"requestid"`
		} `json:"streams"`
		Stdout       *string  `json:"stdout"`
		StdoutLength int      `json:"stdout_length"`
		StdoutSHA256 string   `json:"stdout_sha256"`
		Stderr       string   `json:"stderr"`
		ExitCode     *int     `json:"exit_code"`
		Resizes      [][2]int `json:"resizes"`
	} `json:"expect"`
}

// session is what a capture shows.
type session struct {
	data    map[uint8][]byte // by channel
	closed  []string         // what the peers closed
	streams []string         // of a tunnel
	tunnel  *spdy.Conn
}

// take adds an event.
func (s *session) take(t *testing.T, from string, ev Event) {
	t.Helper()
	switch ev.Kind {
	case CloseChannel:
		s.closed = append(s.closed, fmt.Sprint("channel ", ev.Channel))
	case Close:
		s.closed = append(s.closed, fmt.Sprint("by the ", from, " ", ev.Code))
	case Data:
		s.data[ev.Channel] = append(s.data[ev.Channel], ev.Data...)
		if s.tunnel != nil {
			s.takeTunnel(t, from, ev.Data)
		}
	}
}

// takeTunnel adds octets of a tunnel.
func (s *session) takeTunnel(t *testing.T, from string, octets []byte) {
	t.Helper()
	for len(octets) > 0 {
		n, ev, err := s.tunnel.From(spdy.Peer(peers[from])).Next(octets)
		if err != nil {
			t.Fatalf("tunnel from the %s: %v", from, err)
		}
		if ev.Kind == spdy.Open {
			s.streams = append(s.streams, fmt.Sprintf("%d %s %d %s", ev.Stream, ev.Label, ev.Port, ev.RequestID))
		}
		octets = octets[n:]
	}
}

// play gives a capture to decoders, its segments cut in pieces of a size.
func (c *capture) play(t *testing.T, size int) *session {
	t.Helper()
	p := protocol(t, c.Subprotocol)
	decoders := map[string]*Decoder{"client": NewDecoder(Client, p, nil), "server": NewDecoder(Server, p, nil)}
	s := &session{data: map[uint8][]byte{}}
	if p == Tunnel {
		s.tunnel = spdy.NewConn(spdy.PortForward, nil)
	}
	for i, segment := range c.Segments {
		for piece := range slices.Chunk(segment.Octets.octets(t), size) {
			for len(piece) > 0 {
				n, ev, err := decoders[segment.From].Next(piece)
				if err != nil {
					t.Fatalf("segment %d from the %s: %v", i, segment.From, err)
				}
				s.take(t, segment.From, ev)
				piece = piece[n:]
			}
		}
	}
	for from, d := range decoders {
		if err := d.End(); err != nil {
			t.Errorf("end of the %s: %v", from, err)
		}
	}
	return s
}

// TestCaptures wants of real sessions what their users saw.
func TestCaptures(t *testing.T) {
	var captures []*capture
	loadJSON(t, "captures.json", &captures)
	if len(captures) != 10 {
		t.Errorf("testdata has %d captures, want 10", len(captures))
	}
	for _, c := range captures {
		for _, size := range []int{1 << 20, 1, 2, 3, 5, 7, 11, 100, 4096} {
			t.Run(fmt.Sprintf("%s/pieces=%d", c.Name, size), func(t *testing.T) { c.judge(t, c.play(t, size)) })
		}
	}
}

// judge compares what a capture shows with what it has to.
func (c *capture) judge(t *testing.T, s *session) {
	t.Helper()
	if !slices.ContainsFunc(s.closed, func(s string) bool { return s == "by the server 1000" || s == "by the client 1000" }) &&
		c.Name != "ws-attach" {
		t.Errorf("closed: %q, want one by a peer", s.closed)
	}
	if s.tunnel != nil {
		var want []string
		for _, stream := range c.Expect.Streams {
			want = append(want, fmt.Sprintf("%d %s %s %s", stream.ID, stream.StreamType, stream.Port, stream.RequestID))
		}
		if !slices.Equal(s.streams, want) {
			t.Errorf("%s: streams %q, want %q", c.What, s.streams, want)
		}
		return
	}
	if c.Name == "ws-exec-stdin" && !slices.Contains(s.closed, "channel 0") {
		t.Errorf("closed: %q, want channel 0 among them", s.closed)
	}
	c.judgeOutput(t, s)
	if got := resizes(t, s.data[ChannelResize]); !slices.Equal(got, c.Expect.Resizes) {
		t.Errorf("%s: resizes %v, want %v", c.What, got, c.Expect.Resizes)
	}
	if c.Expect.ExitCode == nil {
		return
	}
	if got := exitCode(t, s.data[ChannelError]); got != *c.Expect.ExitCode {
		t.Errorf("%s: exit code %d, want %d", c.What, got, *c.Expect.ExitCode)
	}
}

// judgeOutput compares what was on the screen.
func (c *capture) judgeOutput(t *testing.T, s *session) {
	t.Helper()
	stdout := s.data[ChannelStdout]
	if c.Expect.Stdout != nil {
		if got := hex.EncodeToString(stdout); got != *c.Expect.Stdout {
			t.Errorf("%s: stdout %s, want %s", c.What, got, *c.Expect.Stdout)
		}
	} else {
		sum := sha256.Sum256(stdout)
		if got := hex.EncodeToString(sum[:]); len(stdout) != c.Expect.StdoutLength || got != c.Expect.StdoutSHA256 {
			t.Errorf("%s: stdout of %d octets %s, want %d %s", c.What, len(stdout), got, c.Expect.StdoutLength,
				c.Expect.StdoutSHA256)
		}
	}
	if got := hex.EncodeToString(s.data[ChannelStderr]); got != c.Expect.Stderr {
		t.Errorf("%s: stderr %s, want %s", c.What, got, c.Expect.Stderr)
	}
}

// exitCode reads the status at the end of a session.
func exitCode(t *testing.T, status []byte) (code int) {
	t.Helper()
	var s struct {
		Status  string
		Details struct {
			Causes []struct{ Reason, Message string }
		}
	}
	if err := json.Unmarshal(status, &s); err != nil {
		t.Fatalf("status %q: %v", status, err)
	}
	for _, cause := range s.Details.Causes {
		if _, err := fmt.Sscan(cause.Message, &code); cause.Reason == "ExitCode" && err == nil {
			return code
		}
	}
	if s.Status != "Success" {
		t.Fatalf("status %q", status)
	}
	return 0
}

// resizes reads the sizes of a terminal.
func resizes(t *testing.T, stream []byte) (sizes [][2]int) {
	t.Helper()
	from := json.NewDecoder(bytes.NewReader(stream))
	for from.More() {
		var size struct{ Width, Height int }
		if err := from.Decode(&size); err != nil {
			t.Fatalf("resizes %q: %v", stream, err)
		}
		sizes = append(sizes, [2]int{size.Width, size.Height})
	}
	return sizes
}
