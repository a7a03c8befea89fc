package spdy_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	. "github.com/spliceway/spliceway/spdy"
)

// wireCase is what one peer sends on a new connection, and what has to become of it.
type wireCase struct {
	Name   string       `json:"name"`
	Why    string       `json:"why"`
	From   string       `json:"from"`
	Mode   string       `json:"mode"`
	Open   []wireStream `json:"open"` // streams that the client opened before
	Stream wireOctets   `json:"stream"`

	Expect    string   `json:"expect"`   // accept or reject
	Strength  string   `json:"strength"` // must, should, policy: how binding that is
	Frames    []string `json:"frames"`   // of an accept
	EndsEarly bool     `json:"ends_early"`
}

// decoder returns a decoder for the case.
func (c *wireCase) decoder(tb testing.TB) *Decoder {
	tb.Helper()
	conn := NewConn(modes[c.Mode], nil)
	open(tb, conn, c.Open...)
	return conn.From(peers[c.From])
}

// verdict writes down all that a decoder makes of the pieces.
func (c *wireCase) verdict(tb testing.TB, pieces ...[]byte) string {
	tb.Helper()
	d := c.decoder(tb)
	frames, err := read(d, pieces...)
	return fmt.Sprintf("%q %v %v", frames, err, d.End())
}

// TestWireCases judges every case of testdata, cut in every way.
func TestWireCases(t *testing.T) {
	var cases []*wireCase
	loadJSON(t, "cases.json", &cases)
	if len(cases) != 68 {
		t.Errorf("testdata has %d cases, want 68", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			stream := c.Stream.octets(t)
			judge(t, c, stream)
			whole := c.verdict(t, stream)
			for how, pieces := range cuttings(stream) {
				if got := c.verdict(t, pieces...); got != whole {
					t.Fatalf("%s: %s the stream is read as\n%.2000s\nbut whole as\n%.2000s", c.Why, how, got, whole)
				}
			}
		})
	}
}

// judge compares what becomes of the whole stream with what the case wants.
func judge(t *testing.T, c *wireCase, stream []byte) {
	t.Helper()
	before := bytes.Clone(stream)
	d := c.decoder(t)
	frames, err := read(d, stream)
	if !bytes.Equal(stream, before) {
		t.Error("the stream was changed")
	}
	if c.Expect == "accept" {
		if err != nil || d.End() != nil || !slices.Equal(frames, c.Frames) {
			t.Errorf("%s (%s): read as %q, %v, at the end %v, want %q", c.Why, c.Strength, frames, err, d.End(), c.Frames)
		}
		return
	}
	if (err == nil) != c.EndsEarly || d.End() == nil {
		t.Fatalf("%s (%s): read as %q, %v, at the end %v; want a refusal, only at the end: %v", c.Why, c.Strength, frames,
			err, d.End(), c.EndsEarly)
	}
	n, ev, again := d.Next([]byte{0, 0, 0, 1, 0, 0, 0, 0})
	if n != 0 || ev.Kind != None || again != d.End() {
		t.Errorf("Next after the refusal = %d, %v, %v, want %v", n, ev.Kind, again, d.End())
	}
}
