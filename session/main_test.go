package session_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spliceway/spliceway/audit"
	"github.com/spliceway/spliceway/conn"
	"github.com/spliceway/spliceway/httpparse"
	"github.com/spliceway/spliceway/internal/testnet"
	. "github.com/spliceway/spliceway/session"
)

func TestMain(m *testing.M) { testnet.Main(m) }

var _ conn.Tap = (*Session)(nil)

// capture is a session between a real client and a real server, from testdata.
type capture struct {
	Name     string `json:"name"`
	Request  string `json:"request"`
	Response string `json:"response"`
	Expect   struct {
		Stdout       string      `json:"stdout"`
		StdoutLength int         `json:"stdout_length"`
		StdoutSHA256 string      `json:"stdout_sha256"`
		Stderr       string      `json:"stderr"`
		ExitCode     *int        `json:"exit_code"`
		Resizes      [][2]uint16 `json:"resizes"`
		Ports        []uint16    `json:"ports"`
	} `json:"expect"`
	Segments []struct {
		From   string `json:"from"`
		Octets []struct {
			Hex   string `json:"hex"`
			Times int    `json:"times"`
		} `json:"octets"`
	} `json:"segments"`
}

// segment is octets of one side.
type segment struct {
	up bool
	p  []byte
}

func (c *capture) segments(tb testing.TB) (all []segment) {
	tb.Helper()
	for _, s := range c.Segments {
		var p []byte
		for _, part := range s.Octets {
			octets, err := hex.DecodeString(part.Hex)
			if err != nil {
				tb.Fatal(err)
			}
			p = append(p, bytes.Repeat(octets, max(part.Times, 1))...)
		}
		all = append(all, segment{s.From == "client", p})
	}
	return all
}

func captures(tb testing.TB) (all []*capture) {
	tb.Helper()
	text, err := os.ReadFile("testdata/captures.json")
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil || len(all) < 15 {
		tb.Fatalf("%d captures: %v", len(all), err)
	}
	return all
}

// recognise gives both heads to Recognise.
func recognise(tb testing.TB, request, response string) (*Info, error) {
	tb.Helper()
	var req httpparse.Request
	var resp httpparse.Response
	var info audit.RequestInfo
	if _, err := httpparse.ParseRequest([]byte(request), nil, &req); err != nil {
		tb.Fatalf("ParseRequest(%q): %v", request, err)
	}
	if _, err := httpparse.ParseResponse([]byte(response), nil, &req, &resp); err != nil {
		tb.Fatalf("ParseResponse(%q): %v", response, err)
	}
	info.Parse(req.Method, req.Target)
	return Recognise(&req, &resp, &info)
}

// expect gives the request's head to Expect.
func expect(tb testing.TB, request string) (*Info, error) {
	tb.Helper()
	var req httpparse.Request
	var info audit.RequestInfo
	if _, err := httpparse.ParseRequest([]byte(request), nil, &req); err != nil {
		tb.Fatalf("ParseRequest(%q): %v", request, err)
	}
	info.Parse(req.Method, req.Target)
	return Expect(&req, &info)
}

// heads makes the heads of an upgrade. protocol is offered and chosen, unless it is "-".
func heads(spdy bool, target, protocol string) (request, response string) {
	if spdy {
		field := ""
		if protocol != "-" {
			field = "X-Stream-Protocol-Version: " + protocol + "\r\n"
		}
		return "POST " + target + " HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n" + field + "\r\n",
			"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n" + field + "\r\n"
	}
	field := ""
	if protocol != "-" {
		field = "Sec-WebSocket-Protocol: " + protocol + "\r\n"
	}
	return "GET " + target + " HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" + field + "\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
			"Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n" + field + "\r\n"
}

// mustRecognise is recognise of heads that are a session.
func mustRecognise(tb testing.TB, spdy bool, target, protocol string) *Info {
	tb.Helper()
	request, response := heads(spdy, target, protocol)
	info, err := recognise(tb, request, response)
	if err != nil {
		tb.Fatalf("Recognise(%q, %q): %v", target, protocol, err)
	}
	return info
}

// collector is a Sink that keeps what it is given as text: one line for an event, those of one stream that follow each
// other joined.
type collector struct {
	done  []string
	data  []byte // of the line that may be continued, if last has data
	last  EventType
	fail  EventType // not taken
	times []int64
}

var errDiskFull = errors.New("no space left on device")

func (c *collector) Event(e *Event) error {
	if e.Type == c.fail {
		return errDiskFull
	}
	c.times = append(c.times, int64(e.Time))
	switch e.Type {
	case Stdin, Stdout, Stderr:
		if len(e.Data) == 0 {
			return errors.New("event without data")
		}
		if c.last != e.Type {
			c.done = c.lines()
			c.data, c.last = nil, e.Type
		}
		c.data = append(c.data, e.Data...)
		return nil
	}
	c.done = append(c.lines(), describe(e))
	c.data, c.last = nil, e.Type
	return nil
}

// lines returns all that came.
func (c *collector) lines() []string {
	if len(c.data) == 0 {
		return c.done
	}
	return append(c.done, c.last.String()+" "+string(c.data))
}

func describe(e *Event) string {
	switch e.Type {
	case Resize:
		return fmt.Sprintf("resize %dx%d", e.Cols, e.Rows)
	case Notice:
		return fmt.Sprintf("notice %d %s", e.Stream, e.Data)
	case Exit:
		return strings.TrimSpace(fmt.Sprintf("exit %d %s", e.Code, e.Text))
	case PortOpened:
		return fmt.Sprintf("opened %d #%d", e.Port, e.Conn)
	case PortClosed:
		return strings.TrimSpace(fmt.Sprintf("closed %d #%d up %d down %d %s", e.Port, e.Conn, e.Up, e.Down, e.Text))
	case Ended:
		return strings.TrimSuffix(fmt.Sprintf("ended up %d down %d %v", e.Up, e.Down, e.Cause), " <nil>")
	}
	return e.Type.String()
}

// stream returns the octets of one stream.
func (c *collector) stream(t EventType) (joined string) {
	for _, line := range c.lines() {
		if data, ok := strings.CutPrefix(line, t.String()+" "); ok {
			joined += data
		}
	}
	return joined
}

// find returns the lines that begin with the prefix.
func (c *collector) find(prefix string) (found []string) {
	for _, line := range c.lines() {
		if strings.HasPrefix(line, prefix) {
			found = append(found, line)
		}
	}
	return found
}

func (c *collector) checkTimes(tb testing.TB) {
	tb.Helper()
	if !slices.IsSorted(c.times) {
		tb.Errorf("times go back: %v", c.times)
	}
}

// start begins a session with a sink of its own.
func start(tb testing.TB, info *Info, config Config) (*Session, *collector) {
	tb.Helper()
	sink, ok := config.Sink.(*collector)
	if !ok {
		sink = new(collector)
		config.Sink = sink
	}
	s, err := New(info, config)
	if err != nil {
		tb.Fatalf("New: %v", err)
	}
	return s, sink
}

// down gives octets to Down until they are taken, with Insert in between as a connection does it. It returns what the
// client gets.
func down(s *Session, p []byte) (client []byte, err error) {
	for {
		words, err := s.Insert()
		client = append(client, words...)
		if err != nil || len(p) == 0 {
			return client, err
		}
		n, err := s.Down(p)
		if err != nil {
			return client, err
		}
		if n < 0 || n > len(p) {
			return client, fmt.Errorf("Down takes %d of %d octets", n, len(p))
		}
		if n == 0 {
			words, err := s.Insert()
			if err == nil {
				err = errors.New("Down takes nothing, and Insert does not say why")
			}
			return append(client, words...), err
		}
		client = append(client, p[:n]...)
		p = p[n:]
	}
}

// insert returns the words that Insert has now.
func insert(s *Session) []byte {
	words, _ := s.Insert()
	return words
}

// play gives segments to a session and ends it.
func play(s *Session, segments []segment) (client []byte, err error) {
	for _, seg := range segments {
		before := bytes.Clone(seg.p)
		if seg.up {
			err = s.Up(seg.p)
		} else {
			var p []byte
			p, err = down(s, seg.p)
			client = append(client, p...)
		}
		if !bytes.Equal(before, seg.p) {
			return client, errors.New("octets were changed")
		}
		if err != nil {
			break
		}
	}
	s.Close(nil)
	return client, err
}
