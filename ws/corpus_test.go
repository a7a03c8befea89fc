package ws_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	. "github.com/spliceway/spliceway/ws"
)

// wireCase is what one peer sends behind the heads of an upgrade, and what has to become of it.
type wireCase struct {
	Name        string     `json:"name"`
	Why         string     `json:"why"`
	From        string     `json:"from"`
	Subprotocol string     `json:"subprotocol"`
	Ports       int        `json:"ports"`
	Stream      wireOctets `json:"stream"`

	Expect    string   `json:"expect"`   // accept or reject
	Strength  string   `json:"strength"` // must, should, policy: how binding that is
	Events    []string `json:"events"`   // of an accept
	Code      int      `json:"code"`     // of a reject
	EndsEarly bool     `json:"ends_early"`
}

func (c *wireCase) decoder(tb testing.TB) *Decoder {
	tb.Helper()
	return NewDecoder(peers[c.From], protocol(tb, c.Subprotocol), &Options{Ports: c.Ports})
}

func (c *wireCase) read(tb testing.TB, d *Decoder, pieces ...[]byte) (events []string, err error) {
	tb.Helper()
	return read(d, protocol(tb, c.Subprotocol) == Tunnel, pieces...)
}

// verdict writes down all that a decoder makes of the pieces.
func (c *wireCase) verdict(tb testing.TB, pieces ...[]byte) string {
	tb.Helper()
	d := c.decoder(tb)
	events, err := c.read(tb, d, pieces...)
	return fmt.Sprintf("%q %v %v", events, err, d.End())
}

// TestWireCases judges every case of testdata, cut in every way.
func TestWireCases(t *testing.T) {
	var cases []*wireCase
	loadJSON(t, "cases.json", &cases)
	if len(cases) != 62 {
		t.Errorf("testdata has %d cases, want 62", len(cases))
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
	events, err := c.read(t, d, stream)
	if !bytes.Equal(stream, before) {
		t.Error("the stream was changed")
	}
	if c.Expect == "accept" {
		if err != nil || d.End() != nil || !slices.Equal(events, c.Events) {
			t.Errorf("%s (%s): read as %q, %v, at the end %v, want %q", c.Why, c.Strength, events, err, d.End(), c.Events)
		}
		return
	}
	if refusal, ok := d.End().(*Error); !ok || refusal.Code != c.Code || (err == nil) != c.EndsEarly {
		t.Fatalf("%s (%s): read as %q, %v, at the end %#v; want code %d, only at the end: %v", c.Why, c.Strength, events,
			err, d.End(), c.Code, c.EndsEarly)
	}
	n, ev, again := d.Next([]byte{0x89, 0})
	if n != 0 || ev.Kind != None || again != d.End() {
		t.Errorf("Next after the refusal = %d, %v, %v, want %v", n, ev.Kind, again, d.End())
	}
}
