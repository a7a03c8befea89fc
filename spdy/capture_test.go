package spdy_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	. "github.com/spliceway/spliceway/spdy"
)

// capture is a session of kubectl with an API server, recorded between them.
type capture struct {
	Name     string `json:"name"`
	What     string `json:"what"`
	Mode     string `json:"mode"`
	Segments []struct {
		From   string     `json:"from"`
		Octets wireOctets `json:"octets"`
	} `json:"segments"`
	Expect struct {
		Streams      []wireStream `json:"streams"`
		Stdout       string       `json:"stdout"`
		StdoutLength int          `json:"stdout_length"`
		StdoutSHA256 string       `json:"stdout_sha256"`
		Stderr       string       `json:"stderr"`
		ExitCode     *int         `json:"exit_code"`
		Resizes      [][2]int     `json:"resizes"`
	} `json:"expect"`
}

// session is what a capture shows.
type session struct {
	streams []wireStream
	data    map[Label][]byte
}

// take adds an event.
func (s *session) take(ev Event) {
	switch ev.Kind {
	case Open:
		s.streams = append(s.streams, wireStream{uint32(ev.Stream), ev.Label.String(), string(ev.Header.Get("port")),
			string(ev.RequestID)})
	case Data:
		s.data[ev.Label] = append(s.data[ev.Label], ev.Data...)
	}
}

// play gives a capture to the decoders, its segments cut in pieces of a size.
func (c *capture) play(t *testing.T, size int) *session {
	t.Helper()
	conn := NewConn(modes[c.Mode], nil)
	s := &session{data: map[Label][]byte{}}
	for i, segment := range c.Segments {
		for piece := range slices.Chunk(segment.Octets.octets(t), size) {
			for len(piece) > 0 {
				n, ev, err := conn.From(peers[segment.From]).Next(piece)
				if err != nil {
					t.Fatalf("segment %d from the %s: %v", i, segment.From, err)
				}
				s.take(ev)
				piece = piece[n:]
			}
		}
	}
	for name, peer := range peers {
		if err := conn.From(peer).End(); err != nil {
			t.Errorf("end of the %s: %v", name, err)
		}
	}
	return s
}

// TestCaptures wants of real sessions what their users saw.
func TestCaptures(t *testing.T) {
	var captures []*capture
	loadJSON(t, "captures.json", &captures)
	if len(captures) != 5 {
		t.Errorf("testdata has %d captures, want 5", len(captures))
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
	if !slices.Equal(s.streams, c.Expect.Streams) {
		t.Errorf("%s: streams %+v, want %+v", c.What, s.streams, c.Expect.Streams)
	}
	if c.Mode == "portforward" {
		if len(s.data[LabelData]) == 0 {
			t.Error("nothing was forwarded")
		}
		return
	}
	stdout := s.data[LabelStdout]
	if sum := sha256.Sum256(stdout); c.Expect.StdoutSHA256 != "" {
		if got := hex.EncodeToString(sum[:]); len(stdout) != c.Expect.StdoutLength || got != c.Expect.StdoutSHA256 {
			t.Errorf("%s: stdout of %d octets %s, want %d %s", c.What, len(stdout), got, c.Expect.StdoutLength,
				c.Expect.StdoutSHA256)
		}
	} else if got := hex.EncodeToString(stdout); got != c.Expect.Stdout {
		t.Errorf("%s: stdout %s, want %s", c.What, got, c.Expect.Stdout)
	}
	if got := hex.EncodeToString(s.data[LabelStderr]); got != c.Expect.Stderr {
		t.Errorf("%s: stderr %s, want %s", c.What, got, c.Expect.Stderr)
	}
	if got := exitCode(t, s.data[LabelError]); got != *c.Expect.ExitCode {
		t.Errorf("%s: exit code %d, want %d", c.What, got, *c.Expect.ExitCode)
	}
	if got := resizes(t, s.data[LabelResize]); !slices.Equal(got, c.Expect.Resizes) {
		t.Errorf("%s: resizes %v, want %v", c.What, got, c.Expect.Resizes)
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
