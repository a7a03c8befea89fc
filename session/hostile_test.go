package session_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/spliceway/spliceway/audit"
	. "github.com/spliceway/spliceway/session"
)

const marker = "MARKER"

// TestHostile: what two decoders could read differently ends the session before anything of it is delivered. Each case
// ends with output that must not be seen.
func TestHostile(t *testing.T) {
	server := func(first byte, payload string) segment { return segment{false, frame(false, first, payload)} }
	client := func(first byte, payload string) segment { return segment{true, frame(true, first, payload)} }
	for _, test := range []struct {
		name, target, protocol string
		segments               []segment
		blame                  string
	}{
		{"reserved-bit", podExec, "v5.channel.k8s.io", []segment{server(0xc2, "\x01"+marker)}, audit.BlameUpstream},
		{"reserved-opcode", podExec, "v5.channel.k8s.io", []segment{server(0x83, "\x01"+marker)}, audit.BlameUpstream},
		{"masked-by-server", podExec, "v5.channel.k8s.io", []segment{{false, frame(true, 0x82, "\x01"+marker)}}, audit.BlameUpstream},
		{"text-of-server", podExec, "v5.channel.k8s.io", []segment{server(0x81, "\x01"+marker)}, audit.BlameUpstream},
		{"binary-in-base64", podExec, "v4.base64.channel.k8s.io", []segment{server(0x82, "1TUFSS0VS"+marker)}, audit.BlameUpstream},
		{"broken-base64", podExec, "v4.base64.channel.k8s.io", []segment{server(0x81, "1!"+marker)}, audit.BlameUpstream},
		{"continuation-of-nothing", podExec, "v5.channel.k8s.io", []segment{server(0x80, "\x01"+marker)}, audit.BlameUpstream},
		{"message-in-message", podExec, "v5.channel.k8s.io", []segment{server(0x02, "\x01a"), server(0x82, "\x01"+marker)}, audit.BlameUpstream},
		{"long-length", podExec, "v5.channel.k8s.io", []segment{{false, []byte("\x82\x7e\x00\x07\x01" + marker)}}, audit.BlameUpstream},
		{"data-behind-close", podExec, "v5.channel.k8s.io", []segment{closeFrame, server(0x82, "\x01"+marker)}, audit.BlameUpstream},
		{"output-on-stdin", podExec, "v5.channel.k8s.io", []segment{server(0x82, "\x00"+marker)}, audit.BlameUpstream},
		{"output-on-resize", podExec, "v5.channel.k8s.io", []segment{server(0x82, "\x04"+marker)}, audit.BlameUpstream},
		{"unmasked-client", podExec, "v5.channel.k8s.io", []segment{{true, frame(false, 0x82, "\x00x")}}, audit.BlameClient},
		{"fragments-of-client", podExec, "v5.channel.k8s.io", []segment{client(0x02, "\x00x")}, audit.BlameClient},
		{"close-of-no-channel", podExec, "v5.channel.k8s.io", []segment{client(0x82, "\xff")}, audit.BlameClient},
		{"resize-that-is-none", podExec, "v5.channel.k8s.io", []segment{client(0x82, "\x04[1,2]")}, audit.BlameClient},
		{"resize-too-large", podExec, "v5.channel.k8s.io", []segment{client(0x82, "\x04"+`{"Width":65536,"Height":1}`)}, audit.BlameClient},
		{"resize-without-end", podExec, "v5.channel.k8s.io", []segment{client(0x82, "\x04{"+strings.Repeat(" ", 600))}, audit.BlameClient},
		{"other-port", podForward + "?ports=80", "v4.channel.k8s.io", []segment{server(0x82, "\x00\x51\x00")}, audit.BlameUpstream},
		{"port-with-data", podForward + "?ports=80", "v4.channel.k8s.io", []segment{server(0x82, "\x00\x50\x00"+marker)}, audit.BlameUpstream},
		{"half-a-port", podForward + "?ports=80", "v4.channel.k8s.io", []segment{server(0x82, "\x00\x50")}, audit.BlameUpstream},
		{"channel-of-no-port", podForward + "?ports=80", "v4.channel.k8s.io", []segment{server(0x82, "\x02"+marker)}, audit.BlameUpstream},
		{"text-in-tunnel", podForward, "SPDY/3.1+portforward.k8s.io", []segment{server(0x81, "\x80\x03\x00\x06\x00\x00\x00\x04\x00\x00\x00\x02")}, audit.BlameUpstream},
		{"no-spdy-in-tunnel", podForward, "SPDY/3.1+portforward.k8s.io", []segment{server(0x82, "HTTP/1.1 200 OK")}, audit.BlameUpstream},
	} {
		t.Run(test.name, func(t *testing.T) {
			refused(t, mustRecognise(t, false, test.target, test.protocol), test.segments, test.blame)
		})
	}
}

// refused wants the last segment, cut anywhere, to be a refusal.
func refused(t *testing.T, info *Info, segments []segment, blame string) {
	t.Helper()
	for _, cut := range append(cuts(segments), segments) {
		s, _ := start(t, info, Config{})
		client, err := play(s, cut)
		var e *Error
		if !errors.As(err, &e) || e.Blame != blame || e.Reason != ReasonProtocol {
			t.Fatalf("error is %v, want one for which %s is to blame", err, blame)
		}
		if strings.Contains(string(client), marker) {
			t.Fatalf("the client got %q", client)
		}
		if again := s.Up([]byte("x")); again != err {
			t.Errorf("a later Up says %v, want %v", again, err)
		}
		insert(s)
		if _, again := s.Down([]byte("x")); again != err {
			t.Errorf("a later Down says %v, want %v", again, err)
		}
	}
}

func TestHostileSPDY(t *testing.T) {
	for _, test := range []struct {
		name  string
		add   func(*spdyPeers)
		blame string
	}{
		{"output-on-stdin", func(p *spdyPeers) { p.data(false, 3, marker) }, audit.BlameUpstream},
		{"output-on-unknown", func(p *spdyPeers) { p.data(false, 11, marker) }, audit.BlameUpstream},
		{"sixth-stream", func(p *spdyPeers) { p.open(11, "streamtype", "stdout") }, audit.BlameClient},
		{"bad-resize", func(p *spdyPeers) { p.data(true, 9, "80x24") }, audit.BlameClient},
		{"stream-of-server", func(p *spdyPeers) {
			p.segments = append(p.segments, segment{false, p.open(11, "streamtype", "stdout").segments[len(p.segments)-1].p})
			p.segments = append(p.segments[:len(p.segments)-2], p.segments[len(p.segments)-1])
		}, audit.BlameUpstream},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newSPDYPeers(t).openAll()
			test.add(p)
			refused(t, mustRecognise(t, true, podExec, "v4.channel.k8s.io"), p.segments, test.blame)
		})
	}
}

func TestHostileForward(t *testing.T) {
	for _, test := range []struct {
		name string
		add  func(*spdyPeers)
	}{
		{"other-port", func(p *spdyPeers) { p.open(3, "streamtype", "data", "port", "81", "requestid", "0") }},
		{"two-of-a-type", func(p *spdyPeers) { p.open(3, "streamtype", "error", "port", "80", "requestid", "0") }},
		{"no-port", func(p *spdyPeers) { p.open(3, "streamtype", "data", "requestid", "0") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newSPDYPeers(t).open(1, "streamtype", "error", "port", "80", "requestid", "0")
			test.add(p)
			refused(t, mustRecognise(t, true, podForward, "portforward.k8s.io"), p.segments, audit.BlameClient)
		})
	}
}

// TestCutOff: an end in the middle of a frame is not one in order, and what was delivered before is in the events.
func TestCutOff(t *testing.T) {
	s, sink := start(t, mustRecognise(t, false, podExec, "v5.channel.k8s.io"), Config{})
	client, err := play(s, []segment{{false, []byte("\x82\x06\x01hel")}})
	if err != nil || string(client) != "\x82\x06\x01hel" {
		t.Errorf("the client gets %q, %v", client, err)
	}
	got := sink.lines()
	if got[1] != "stdout hel" || !strings.Contains(got[2], "end of the connection") {
		t.Errorf("events are %q", got)
	}
}

func TestSinkRefusesStart(t *testing.T) {
	s, err := New(mustRecognise(t, false, podExec, "v5.channel.k8s.io"), Config{Sink: &collector{fail: Started}})
	var e *Error
	if s != nil || !errors.As(err, &e) || e.Reason != ReasonRecorder || !errors.Is(err, errDiskFull) {
		t.Errorf("New = %v, %v", s, err)
	}
}
