package session_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"

	. "github.com/spliceway/spliceway/session"
)

// TestCaptures: what real clients and servers said to each other has to become what was seen there, however the network
// cuts it.
func TestCaptures(t *testing.T) {
	for _, c := range captures(t) {
		t.Run(c.Name, func(t *testing.T) {
			info, err := recognise(t, c.Request, c.Response)
			if err != nil {
				t.Fatal(err)
			}
			whole := c.segments(t)
			first := replay(t, c, info, whole)
			c.check(t, first)
			for _, cut := range cuts(whole) {
				if got := replay(t, c, info, cut); !reflect.DeepEqual(got.lines(), first.lines()) {
					t.Fatalf("cut otherwise it is %.300q, want %.300q", got.lines(), first.lines())
				}
			}
		})
	}
}

// replay gives the segments to a session, and wants the client to get the server's octets unchanged.
func replay(t *testing.T, c *capture, info *Info, segments []segment) *collector {
	t.Helper()
	s, sink := start(t, info, Config{})
	client, err := play(s, segments)
	if err != nil {
		t.Fatal(err)
	}
	var sent []byte
	for _, seg := range segments {
		if !seg.up {
			sent = append(sent, seg.p...)
		}
	}
	if !bytes.Equal(client, sent) {
		t.Errorf("the client gets other octets than the server sent")
	}
	sink.checkTimes(t)
	return sink
}

// cuts returns the segments octet by octet, in small pieces, and each of them in two parts at each position; of long ones
// at some.
func cuts(whole []segment) (all [][]segment) {
	for _, size := range []int{1, 2, 7, 1021} {
		var cut []segment
		for _, seg := range whole {
			for p := seg.p; len(p) > 0; {
				n := min(size, len(p))
				cut = append(cut, segment{seg.up, p[:n]})
				p = p[n:]
			}
		}
		all = append(all, cut)
	}
	for i, seg := range whole {
		for k := 1; k < len(seg.p); k += 1 + k*k/256 + len(seg.p)/64 {
			cut := append([]segment{}, whole[:i]...)
			cut = append(cut, segment{seg.up, seg.p[:k]}, segment{seg.up, seg.p[k:]})
			all = append(all, append(cut, whole[i+1:]...))
		}
	}
	return all
}

// check compares with what was seen at both ends.
func (c *capture) check(t *testing.T, got *collector) {
	t.Helper()
	e := &c.Expect
	out := got.stream(Stdout)
	if e.StdoutLength > 0 {
		sum := sha256.Sum256([]byte(out))
		if len(out) != e.StdoutLength || hex.EncodeToString(sum[:]) != e.StdoutSHA256 {
			t.Errorf("stdout is %d octets with digest %x, want %d with %s", len(out), sum, e.StdoutLength, e.StdoutSHA256)
		}
	} else if out != e.Stdout {
		t.Errorf("stdout is %q, want %q", out, e.Stdout)
	}
	if text := got.stream(Stderr); text != e.Stderr {
		t.Errorf("stderr is %q, want %q", text, e.Stderr)
	}
	var resizes, exits, ports []string
	for _, r := range e.Resizes {
		resizes = append(resizes, fmt.Sprintf("resize %dx%d", r[0], r[1]))
	}
	if e.ExitCode != nil {
		exits = append(exits, strconv.Itoa(*e.ExitCode))
	}
	for i, port := range e.Ports {
		ports = append(ports, fmt.Sprintf("opened %d #%d", port, i+1))
	}
	if found := got.find("resize"); !reflect.DeepEqual(found, resizes) {
		t.Errorf("resizes are %q, want %q", found, resizes)
	}
	var codes []string
	for _, line := range got.find("exit") {
		codes = append(codes, strings.Fields(line)[1])
	}
	if !reflect.DeepEqual(codes, exits) {
		t.Errorf("exit codes are %q, want %q", codes, exits)
	}
	if found := got.find("opened"); !reflect.DeepEqual(found, ports) {
		t.Errorf("connections are %q, want %q", found, ports)
	}
	if all := got.lines(); all[0] != "started" || !strings.HasPrefix(all[len(all)-1], "ended up ") {
		t.Errorf("begins with %q and ends with %q", all[0], all[len(all)-1])
	}
}

// TestCapturedPortForward: the two connections of kubectl port-forward, with the octets that went through each.
func TestCapturedPortForward(t *testing.T) {
	want := map[string][]string{
		"spdy-portforward": {
			"started", "opened 38223 #1", "opened 38223 #2",
			"closed 38223 #1 up 19 down 114", "closed 38223 #2 up 19 down 114", "ended up 38 down 228",
		},
		"ws-portforward": {
			"started", "opened 38222 #1", "opened 38222 #2",
			"closed 38222 #1 up 19 down 114", "closed 38222 #2 up 19 down 114", "ended up 38 down 228",
		},
	}
	for _, c := range captures(t) {
		lines, ok := want[c.Name]
		if !ok {
			continue
		}
		delete(want, c.Name)
		info, err := recognise(t, c.Request, c.Response)
		if err != nil {
			t.Fatal(err)
		}
		if got := replay(t, c, info, c.segments(t)); !reflect.DeepEqual(got.lines(), lines) {
			t.Errorf("%s is %q, want %q", c.Name, got.lines(), lines)
		}
	}
	if len(want) > 0 {
		t.Errorf("no captures for %v", want)
	}
}
