package fuzz

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/binary"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os/exec"
	"slices"
	"testing"
)

//go:embed llhttp.js
var script string

// node is a process that reads streams with llhttp.
type node struct {
	in  io.Writer
	out *bufio.Reader
}

// startNode starts it, for as long as the test lasts.
func startNode(tb testing.TB) *node {
	tb.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		tb.Skip("node is not installed: what llhttp would read is not known")
	}
	var stderr bytes.Buffer
	cmd := exec.Command(path, "-e", script)
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		in.Close() // it ends with its input
		if err := cmd.Wait(); err != nil {
			tb.Errorf("node: %v\n%s", err, &stderr)
		}
	})
	return &node{in, bufio.NewReader(out)}
}

// nodeReading is what node makes of a stream.
type nodeReading struct {
	Messages []struct {
		End    int
		Method string
		Target string
		Fields [][]byte // names and values in turn
		Close  bool
		Body   []byte
	}
	Error string
}

// read gives a stream to node.
func (n *node) read(t *testing.T, stream []byte) *nodeReading {
	t.Helper()
	if _, err := n.in.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(stream))), stream...)); err != nil {
		t.Fatal(err)
	}
	line, err := n.out.ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	reading := new(nodeReading)
	if err := json.Unmarshal(line, reading); err != nil {
		t.Fatalf("node: %q: %v", line, err)
	}
	return reading
}

// FuzzLLHTTP reads streams of requests, and what is forwarded of them, with node.
func FuzzLLHTTP(f *testing.F) {
	addSeeds(f)
	n := startNode(f)
	f.Fuzz(n.check)
}

// check compares what the reader here finds in a stream, and forwards, with what
// node finds in both.
func (n *node) check(t *testing.T, stream []byte) {
	t.Helper()
	r := readRequests(stream)
	if len(r.messages) == 0 && r.err != nil {
		return
	}
	n.same(t, stream, r, maybeStricter)
	var forwarded []byte
	for i := range r.messages {
		forwarded = append(forwarded, r.messages[i].forwarded...)
	}
	again := readRequests(forwarded)
	if again.err != nil || len(again.messages) != len(r.messages) {
		t.Fatalf("%q is forwarded as %q, which is read as\n%v", stream, forwarded, again)
	}
	n.same(t, forwarded, again, notStricter)
}

// Whether node may refuse what is accepted here. What is forwarded is in a form that
// nobody refuses.
const (
	maybeStricter = true
	notStricter   = false
)

// same wants that node finds the messages that r did, and no other one in what is
// not complete.
func (n *node) same(t *testing.T, stream []byte, r *reader, stricter bool) {
	t.Helper()
	got := n.read(t, stream)
	for i := range r.messages {
		m := &r.messages[i]
		if i >= len(got.Messages) && stricter && got.Error != "" {
			return
		}
		if i >= len(got.Messages) {
			t.Fatalf("%q: node finds %d messages, and %q; it misses %v", stream, i, got.Error, m)
		}
		theirs := &got.Messages[i]
		var fields []string
		for k := 0; k+1 < len(theirs.Fields); k += 2 {
			fields = append(fields, string(theirs.Fields[k])+": "+string(theirs.Fields[k+1]))
		}
		if theirs.Method+" "+theirs.Target != m.line || theirs.End != m.end || !bytes.Equal(theirs.Body, dechunk(t, m)) ||
			theirs.Close != m.close || !slices.Equal(fields, fieldLines(m.header)) {
			t.Fatalf("%v\nis read by node as %+v", m, theirs)
		}
		if m.close {
			return // to node it is the last one
		}
	}
	if r.err == nil && !r.ended && len(got.Messages) > len(r.messages) {
		t.Fatalf("%q: needs more, but node reads %+v", stream[r.taken:], got.Messages[len(r.messages)])
	}
}

// TestNodeReadsTheSame gives node what the reader here accepts, and changes of it.
func TestNodeReadsTheSame(t *testing.T) {
	n := startNode(t)
	random := rand.New(rand.NewPCG(1, 2))
	accepted := 0
	for _, stream := range requestStreams(t) {
		if r := readRequests(stream); len(r.messages) == 0 {
			continue
		}
		n.check(t, stream)
		for range 30 {
			changed := change(random, stream)
			if r := readRequests(changed); len(r.messages) > 0 {
				accepted++
			}
			n.check(t, changed)
		}
	}
	if accepted < 600 {
		t.Errorf("%d changed streams were accepted, want 600 or more", accepted)
	}
}

// change changes a stream in one to three places: octets that mean something are
// put in, taken away, doubled or replaced.
func change(random *rand.Rand, stream []byte) []byte {
	pieces := []string{"\r", "\n", "\r\n", " ", "\t", ":", ",", "0", "1", "a", "A", "\x00", "\x80", ";", "chunked", "close", "upgrade", "-", "_",
		"Connection: close\r\n", "Upgrade: x\r\n", "Content-Length: 0\r\n", "Transfer-Encoding: chunked\r\n", "X: y\r\n"}
	changed := bytes.Clone(stream)
	for range 1 + random.IntN(3) {
		at := random.IntN(len(changed))
		piece := pieces[random.IntN(len(pieces))]
		switch random.IntN(4) {
		case 0:
			changed = append(changed[:at:at], append([]byte(piece), changed[at:]...)...)
		case 1:
			changed = append(changed[:at:at], changed[at+1:]...)
		case 2:
			changed = append(changed[:at:at], append([]byte{changed[at]}, changed[at:]...)...)
		default:
			changed[at] = piece[0]
		}
		if len(changed) == 0 {
			return bytes.Clone(stream)
		}
	}
	return changed
}

func llhttpSeeds(tb testing.TB) []seed { return messagesSeeds(tb) }
