package session_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	reference "github.com/moby/spdystream/spdy"
	. "github.com/spliceway/spliceway/session"
)

// readWebSocket reads what a client gets the way its library does (RFC 6455): fragments joined, control frames between
// them by themselves, and nothing behind a close frame.
func readWebSocket(tb testing.TB, p []byte, protocol string) (messages []string) {
	tb.Helper()
	var open bool
	var joined []byte
	for len(p) > 0 {
		if len(p) < 2 {
			tb.Fatalf("%d octets are no frame", len(p))
		}
		first, length, rest := p[0], int(p[1]), p[2:]
		if length == 126 {
			length, rest = int(binary.BigEndian.Uint16(rest)), rest[2:]
		}
		if first&0x70 != 0 || length > len(rest) || length >= 1<<16 {
			tb.Fatalf("frame %x of %d octets with %d left", first, length, len(rest))
		}
		payload := rest[:length]
		p = rest[length:]
		switch op := first & 0x0f; {
		case op == 8:
			if len(p) > 0 {
				tb.Fatalf("%q behind the close frame", p)
			}
			return append(messages, fmt.Sprintf("close %d", binary.BigEndian.Uint16(payload)))
		case op > 8:
			messages = append(messages, "control")
			continue
		case (op == 0) != open:
			tb.Fatalf("frame %x where a message is open: %v", first, open)
		}
		joined = append(joined, payload...)
		if open = first&0x80 == 0; open {
			continue
		}
		if len(joined) == 0 {
			tb.Fatal("message without a channel")
		}
		channel, data := joined[0], string(joined[1:])
		if strings.Contains(protocol, "base64") {
			decoded, err := base64.StdEncoding.DecodeString(data)
			if err != nil || channel < '0' {
				tb.Fatalf("message %q: %v", joined, err)
			}
			channel, data = channel-'0', string(decoded)
		}
		messages = append(messages, fmt.Sprintf("%d %s", channel, data))
		joined = nil
	}
	if open {
		tb.Fatal("a message has no end")
	}
	return messages
}

// readSPDY reads what a client gets with the library that clients use.
func readSPDY(tb testing.TB, p []byte) (frames []string) {
	tb.Helper()
	framer, err := reference.NewFramer(io.Discard, bytes.NewReader(p))
	if err != nil {
		tb.Fatal(err)
	}
	for {
		f, err := framer.ReadFrame()
		if err == io.EOF {
			return frames
		}
		if err != nil {
			tb.Fatal(err)
		}
		switch f := f.(type) {
		case *reference.DataFrame:
			text := fmt.Sprintf("%d %s", f.StreamId, f.Data)
			if f.Flags&reference.DataFlagFin != 0 {
				text += " FIN"
			}
			frames = append(frames, text)
		case *reference.SynReplyFrame:
		default:
			frames = append(frames, strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%T", f), "*spdy."), "Frame"))
		}
	}
}

const (
	ttyExec   = "/api/v1/namespaces/ns/pods/web/exec?command=sh&stdin=true&stdout=true&tty=true"
	plainExec = "/api/v1/namespaces/ns/pods/web/exec?command=sh&stdin=true&stdout=true&stderr=true"
	quietExec = "/api/v1/namespaces/ns/pods/web/exec?command=sh&stdout=true"
)

// TestNotice: words at the start, where the session has a place for them, in the middle of everything else unchanged.
func TestNotice(t *testing.T) {
	for _, test := range []struct {
		name, target string
		stream       string // of the notice, empty if none
		notice       string
	}{
		{"terminal", ttyExec, "1", "\r\nThis session is recorded.\r\n"},
		{"stderr", plainExec, "2", "This session is recorded.\n"},
		{"stdout-alone", quietExec, "", ""},
	} {
		for _, protocol := range []string{"-", "base64.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io", "v5.channel.k8s.io"} {
			t.Run(test.name+"/"+protocol, func(t *testing.T) {
				segments := []segment{message(protocol, false, 1, ""), message(protocol, false, 1, "out"), closeFrame}
				info := mustRecognise(t, false, test.target, protocol)
				for _, cut := range append(cuts(segments), segments) {
					s, sink := start(t, info, Config{Notice: "This session is recorded."})
					got, err := play(s, cut)
					if err != nil {
						t.Fatal(err)
					}
					want := []string{"1 ", test.stream + " " + test.notice, "1 out", "close 1000"}
					if test.stream == "" {
						want = []string{"1 ", "1 out", "close 1000"}
					}
					if messages := readWebSocket(t, got, protocol); !reflect.DeepEqual(messages, want) {
						t.Fatalf("the client gets %q, want %q", messages, want)
					}
					wantNotice(t, sink, test.notice)
				}
			})
		}
		for _, version := range []string{"channel.k8s.io", "v2.channel.k8s.io", "v3.channel.k8s.io", "v4.channel.k8s.io"} {
			t.Run(test.name+"/spdy/"+version, func(t *testing.T) {
				p := newSPDYPeers(t).openAll().data(false, 5, "out")
				info := mustRecognise(t, true, test.target, version)
				want := []string{map[string]string{"1": "5", "2": "7"}[test.stream] + " " + test.notice, "5 out"}
				if test.stream == "" {
					want = want[1:]
				}
				for _, cut := range append(cuts(p.segments), p.segments) {
					s, sink := start(t, info, Config{Notice: "This session is recorded."})
					got, err := play(s, cut)
					if err != nil {
						t.Fatal(err)
					}
					if frames := readSPDY(t, got); !reflect.DeepEqual(frames, want) {
						t.Fatalf("the client gets %q, want %q", frames, want)
					}
					wantNotice(t, sink, test.notice)
				}
			})
		}
	}
}

// wantNotice wants words in the recording as the user got them, or none.
func wantNotice(t *testing.T, sink *collector, words string) {
	t.Helper()
	found := sink.find("notice")
	if words == "" && len(found) > 0 || words != "" && (len(found) != 1 || !strings.HasSuffix(found[0], words)) {
		t.Errorf("notices are %q, want %q", found, words)
	}
}

// TestNoticeWaitsForReply: on a stream that the server has not replied to, a client takes nothing.
func TestNoticeWaitsForReply(t *testing.T) {
	p := newSPDYPeers(t)
	p.open(1, "streamtype", "error").reply(1).open(3, "streamtype", "stderr")
	s, _ := start(t, mustRecognise(t, true, plainExec, "v4.channel.k8s.io"), Config{Notice: "hello"})
	for _, seg := range p.segments {
		if seg.up {
			if err := s.Up(seg.p); err != nil {
				t.Fatal(err)
			}
		} else if _, err := down(s, seg.p); err != nil {
			t.Fatal(err)
		}
	}
	if words := insert(s); words != nil {
		t.Errorf("Insert = %q before the reply", words)
	}
	client, err := down(s, p.reply(3).segments[len(p.segments)-1].p)
	if err != nil || !bytes.HasSuffix(client, []byte("\x00\x00\x00\x03\x00\x00\x00\x06hello\n")) {
		t.Errorf("the client gets %q, %v", client, err)
	}
}

// TestSay: a warning waits for the end of a frame and of a message, and Wake is asked for it.
func TestSay(t *testing.T) {
	woken := 0
	s, sink := start(t, mustRecognise(t, false, ttyExec, "v5.channel.k8s.io"), Config{Wake: func() { woken++ }})
	var client []byte
	give := func(p []byte) {
		t.Helper()
		got, err := down(s, p)
		if err != nil {
			t.Fatal(err)
		}
		client = append(client, got...)
	}
	give(frame(false, 0x82, "\x01"))
	give([]byte("\x02\x03\x01a"))
	s.Say("one minute left")
	if woken != 1 {
		t.Errorf("Wake was asked %d times, want once", woken)
	}
	for _, p := range []string{"b", "\x89\x00", "\x00\x01", "c", "\x80"} {
		give([]byte(p))
	}
	give([]byte("\x01d\x82\x02\x01e"))
	want := []string{"1 ", "control", "1 abcd", "1 \r\none minute left\r\n", "1 e"}
	if got := readWebSocket(t, client, ""); !reflect.DeepEqual(got, want) {
		t.Errorf("the client gets %q, want %q", got, want)
	}
	if notices := sink.find("notice"); len(notices) != 1 {
		t.Errorf("notices are %q", notices)
	}
	s.Say("bye")
	if words := insert(s); !bytes.HasSuffix(words, []byte("\r\nbye\r\n")) {
		t.Errorf("Insert at rest = %q", words)
	}
}

// TestFinish: the cause of an end by the gateway, in each protocol as its clients show it.
func TestFinish(t *testing.T) {
	const cause = "gateway: your token has expired"
	final := Final{Message: cause, Reason: "Forbidden", Code: 403}
	for _, protocol := range []string{"-", "base64.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io", "v5.channel.k8s.io"} {
		t.Run(protocol, func(t *testing.T) {
			s, sink := start(t, mustRecognise(t, false, ttyExec, protocol), Config{})
			client, err := down(s, append(message(protocol, false, 1, "").p, message(protocol, false, 1, "out").p...))
			if err != nil {
				t.Fatal(err)
			}
			s.Finish(final)
			words, err := s.Insert()
			client = append(client, words...)
			if !isFinished(err) {
				t.Errorf("Insert says %v", err)
			}
			if more, err := s.Insert(); more != nil || !isFinished(err) {
				t.Errorf("Insert again = %q, %v", more, err)
			}
			messages := readWebSocket(t, client, protocol)
			if len(messages) != 4 || messages[3] != "close 1000" || messages[2][:2] != "3 " {
				t.Fatalf("the client gets %q", messages)
			}
			wantCause(t, strings.HasPrefix(protocol, "v"), messages[2][2:], cause)
			if n, err := s.Down([]byte{0x82}); n != 0 || !isFinished(err) {
				t.Errorf("Down behind the last words = %d, %v", n, err)
			}
			if err := s.Up(message(protocol, true, 0, "x").p); err != nil {
				t.Errorf("Up behind the last words: %v", err)
			}
			s.Close(errors.New("closed"))
			lines := sink.lines()
			if last := lines[len(lines)-1]; !strings.HasSuffix(last, cause) {
				t.Errorf("the last event is %q", last)
			}
		})
	}
	for _, version := range []string{"channel.k8s.io", "v2.channel.k8s.io", "v3.channel.k8s.io", "v4.channel.k8s.io"} {
		t.Run("spdy/"+version, func(t *testing.T) {
			s, _ := start(t, mustRecognise(t, true, plainExec, version), Config{})
			var client []byte
			for _, seg := range newSPDYPeers(t).openAll().data(false, 5, "out").fin(false, 7).segments {
				if seg.up {
					if err := s.Up(seg.p); err != nil {
						t.Fatal(err)
					}
					continue
				}
				got, err := down(s, seg.p)
				if err != nil {
					t.Fatal(err)
				}
				client = append(client, got...)
			}
			s.Finish(final)
			frames := readSPDY(t, append(client, insert(s)...))
			if len(frames) != 5 || frames[2] != "5  FIN" || frames[3][:2] != "1 " || frames[4] != "GoAway" {
				t.Fatalf("the client gets %q", frames)
			}
			wantCause(t, version[:2] == "v4", strings.TrimSuffix(frames[3][2:], " FIN"), cause)
		})
	}
}

func isFinished(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Reason == ReasonFinished
}

// wantCause wants the error channel to say the cause, in JSON or as text.
func wantCause(t *testing.T, isJSON bool, said, cause string) {
	t.Helper()
	if !isJSON {
		if said != cause {
			t.Errorf("the error channel says %q", said)
		}
		return
	}
	var status map[string]any
	if err := json.Unmarshal([]byte(said), &status); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"metadata": map[string]any{}, "status": "Failure", "message": cause, "reason": "Forbidden", "code": 403.0}
	if !reflect.DeepEqual(status, want) {
		t.Errorf("the status is %v, want %v", status, want)
	}
}

// TestFinishForward: each connection of a port-forward is told.
func TestFinishForward(t *testing.T) {
	const cause = "gateway: your token has expired"
	p := newSPDYPeers(t)
	p.open(1, "streamtype", "error", "port", "80", "requestid", "0").reply(1)
	p.open(3, "streamtype", "data", "port", "80", "requestid", "0").reply(3).data(false, 3, "x")
	p.open(5, "streamtype", "error", "port", "80", "requestid", "1") // not replied to, so that nothing can be said there
	want := []string{"3 x", "1 " + cause + " FIN", "GoAway"}

	plain := finish(t, mustRecognise(t, true, podForward, "portforward.k8s.io"), p.segments, cause)
	if frames := readSPDY(t, plain); !reflect.DeepEqual(frames, want) {
		t.Errorf("the client gets %q, want %q", frames, want)
	}

	var tunnelled []segment
	for _, seg := range p.segments {
		tunnelled = append(tunnelled, segment{seg.up, frame(seg.up, 0x82, string(seg.p))})
	}
	outer := finish(t, mustRecognise(t, false, podForward, "SPDY/3.1+portforward.k8s.io"), tunnelled, cause)
	var inner []byte
	for p := outer; len(p) > 0; p = p[2+int(p[1]):] {
		if p[0] == 0x82 {
			inner = append(inner, p[2:2+int(p[1])]...)
		}
	}
	if frames := readSPDY(t, inner); !reflect.DeepEqual(frames, want) || !bytes.HasSuffix(outer, closeFrame.p) {
		t.Errorf("through the tunnel the client gets %q, want %q", frames, want)
	}

	old := finish(t, mustRecognise(t, false, podForward+"?ports=80,81", "-"), []segment{
		message("", false, 0, "\x50\x00"), message("", false, 1, "\x50\x00"), // the other port is not announced yet
	}, cause)
	want = []string{"0 \x50\x00", "1 \x50\x00", "1 " + cause, "close 1000"}
	if got := readWebSocket(t, old, ""); !reflect.DeepEqual(got, want) {
		t.Errorf("by channels the client gets %q, want %q", got, want)
	}
}

// finish plays segments to a session, ends it with a cause, and returns what the client gets.
func finish(t *testing.T, info *Info, segments []segment, cause string) (client []byte) {
	t.Helper()
	s, sink := start(t, info, Config{})
	for _, seg := range segments {
		if seg.up {
			if err := s.Up(seg.p); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := down(s, seg.p)
		if err != nil {
			t.Fatal(err)
		}
		client = append(client, got...)
	}
	s.Finish(Final{Message: cause})
	client = append(client, insert(s)...)
	s.Close(nil)
	lines := sink.lines()
	if last := lines[len(lines)-1]; !strings.HasSuffix(last, cause) {
		t.Errorf("the last event is %q", last)
	}
	return client
}

// TestFinishAfterStatus: when the API server has said how the session ended, nobody contradicts it.
func TestFinishAfterStatus(t *testing.T) {
	s, _ := start(t, mustRecognise(t, false, ttyExec, "v4.channel.k8s.io"), Config{})
	client, err := down(s, message("", false, 3, success).p)
	s.Finish(Final{Message: "gateway: late"})
	client = append(client, insert(s)...)
	if got := readWebSocket(t, client, ""); err != nil || !reflect.DeepEqual(got, []string{"3 " + success, "close 1000"}) {
		t.Errorf("the client gets %q, %v", got, err)
	}
	s, _ = start(t, mustRecognise(t, false, ttyExec, "v4.channel.k8s.io"), Config{})
	client, err = down(s, closeFrame.p)
	s.Finish(Final{Message: "gateway: late"})
	if words := insert(s); words != nil || err != nil || !bytes.Equal(client, closeFrame.p) {
		t.Errorf("behind a close frame the client gets %q, %v", words, err)
	}
}

// TestRecorderFails: what the recorder does not take never reaches the client, and the client is told, also when it has
// got a part of a frame.
func TestRecorderFails(t *testing.T) {
	for _, protocol := range []string{"v4.channel.k8s.io", "v4.base64.channel.k8s.io", "spdy"} {
		t.Run(protocol, func(t *testing.T) {
			before, after := strings.Repeat("a", 300), strings.Repeat(marker, 500)
			var segments []segment
			info := mustRecognise(t, protocol == "spdy", plainExec, strings.Replace(protocol, "spdy", "v4.channel.k8s.io", 1))
			if protocol == "spdy" {
				segments = newSPDYPeers(t).openAll().data(false, 7, before+after).segments
			} else {
				segments = []segment{message(protocol, false, 1, ""), message(protocol, false, 2, before+after)}
			}
			last := len(segments) - 1
			for _, cut := range []int{0, 1, 5, 9, 10, 40, 131, 132, 300, 310} {
				p := segments[last].p
				all := append(segments[:last:last], segment{false, p[:cut]}, segment{false, p[cut:]})
				sink := new(collector)
				s, _ := start(t, info, Config{Sink: sink})
				var client []byte
				var err error
				for i, seg := range all {
					if i == len(all)-1 {
						sink.fail = Stderr
					}
					if seg.up {
						err = s.Up(seg.p)
					} else {
						var got []byte
						got, err = down(s, seg.p)
						client = append(client, got...)
					}
					if err != nil && i < len(all)-1 {
						t.Fatal(err)
					}
				}
				var e *Error
				if !errors.As(err, &e) || e.Reason != ReasonRecorder || !errors.Is(err, errDiskFull) {
					t.Fatalf("cut at %d: error is %v", cut, err)
				}
				if strings.Contains(string(client), marker) {
					t.Fatalf("cut at %d: the client gets %q", cut, client)
				}
				wantToldWhy(t, protocol, client, cut)
			}
		})
	}
}

// wantToldWhy wants the client to be able to read everything, and to find the cause in it, if it has got no part of a
// frame's head.
func wantToldWhy(t *testing.T, protocol string, client []byte, cut int) {
	t.Helper()
	if head := map[string]int{"spdy": 8}[protocol]; cut > 0 && (cut <= head || head == 0 && cut < 6) {
		if strings.Contains(string(client), "gateway:") {
			t.Errorf("cut at %d: words inside the head of a frame", cut)
		}
		return
	}
	var read []string
	if protocol == "spdy" {
		read = readSPDY(t, client)
	} else {
		read = readWebSocket(t, client, protocol)
	}
	if text := strings.Join(read, "\n"); !strings.Contains(text, "can't be recorded any more") {
		t.Errorf("cut at %d: the client gets %.200q", cut, text)
	}
}

// TestRecorderFailsUp: input that can't be recorded does not reach the API server.
func TestRecorderFailsUp(t *testing.T) {
	s, _ := start(t, mustRecognise(t, false, ttyExec, "v4.channel.k8s.io"), Config{Sink: &collector{fail: Stdin}})
	if _, err := down(s, message("", false, 1, "").p); err != nil {
		t.Fatal(err)
	}
	if err := s.Up(message("", true, 0, "x").p); !errors.Is(err, errDiskFull) {
		t.Errorf("Up = %v", err)
	}
	if n, err := s.Down(message("", false, 1, marker).p); n != 0 || err != nil {
		t.Errorf("Down before the last words = %d, %v", n, err)
	}
	if words := readWebSocket(t, insert(s), ""); len(words) != 2 || !strings.Contains(words[0], "recorded") {
		t.Errorf("the client gets %q", words)
	}
	if n, err := s.Down(message("", false, 1, marker).p); n != 0 || !errors.Is(err, errDiskFull) {
		t.Errorf("Down = %d, %v", n, err)
	}
}

// TestNoticeNotRecorded: words that the recorder does not take are not said either, and end the session.
func TestNoticeNotRecorded(t *testing.T) {
	s, _ := start(t, mustRecognise(t, false, ttyExec, "v4.channel.k8s.io"), Config{Sink: &collector{fail: Notice}, Notice: "hello"})
	client, err := down(s, message("", false, 1, "").p)
	if got := readWebSocket(t, client, ""); !errors.Is(err, errDiskFull) || len(got) != 3 || !strings.Contains(got[1], "recorded") {
		t.Errorf("the client gets %q, %v", got, err)
	}
	s, _ = start(t, mustRecognise(t, false, ttyExec, "v4.channel.k8s.io"), Config{Sink: &collector{fail: Notice}})
	s.Finish(Final{Message: "gateway: bye"})
	if _, err := s.Insert(); !errors.Is(err, errDiskFull) {
		t.Errorf("Insert says %v", err)
	}
}

// TestManyWords: words wait for their turn, some of them; Wake is asked for each.
func TestManyWords(t *testing.T) {
	woken := 0
	s, sink := start(t, mustRecognise(t, false, plainExec, "v4.channel.k8s.io"), Config{Wake: func() { woken++ }})
	for range 20 {
		s.Say("x")
	}
	client, err := down(s, message("", false, 1, "").p)
	if err != nil {
		t.Fatal(err)
	}
	for before := 0; woken > before; {
		before = woken
		client = append(client, insert(s)...)
	}
	if n := len(readWebSocket(t, client, "")) - 1; n != 8 || n != len(sink.find("notice")) {
		t.Errorf("%d words were said", n)
	}
}

// TestLargeMessage: words wait for the end of one that has a length of 64 bits, wherever that is cut.
func TestLargeMessage(t *testing.T) {
	large := message("", false, 1, strings.Repeat("x", 1<<17)).p
	for cut := 1; cut < 20; cut++ {
		s, sink := start(t, mustRecognise(t, false, plainExec, "v4.channel.k8s.io"), Config{Notice: "hello"})
		parts := [][]byte{large[:1], large[1:cut], large[cut : len(large)-1], large[len(large)-1:]}
		for i, part := range parts {
			client, err := down(s, part)
			if err != nil {
				t.Fatal(err)
			}
			if said := len(client) > len(part); said != (i == 3) {
				t.Errorf("cut at %d: behind part %d words are said: %v", cut, i, said)
			}
		}
		if got := len(sink.stream(Stdout)); got != 1<<17 {
			t.Errorf("cut at %d: %d octets of output", cut, got)
		}
	}
}

// TestLastWordsBehindClose: whatever runs over WebSocket, behind the server's close frame nothing is said.
func TestLastWordsBehindClose(t *testing.T) {
	for _, test := range []struct{ target, protocol string }{
		{ttyExec, "v5.channel.k8s.io"}, {podForward, "SPDY/3.1+portforward.k8s.io"}, {podForward + "?ports=80", "-"},
	} {
		info := mustRecognise(t, false, test.target, test.protocol)
		if client := finish(t, info, []segment{closeFrame}, "gateway: late"); !bytes.Equal(client, closeFrame.p) {
			t.Errorf("%s: the client gets %q", test.protocol, client)
		}
	}
}

// TestTooLargeToFill: of a frame with too much to come nothing is made up, and nothing is said.
func TestTooLargeToFill(t *testing.T) {
	sink := new(collector)
	s, _ := start(t, mustRecognise(t, false, plainExec, "v4.channel.k8s.io"), Config{Sink: sink})
	p := message("", false, 1, strings.Repeat("x", 1<<17)).p
	if _, err := down(s, p[:1000]); err != nil {
		t.Fatal(err)
	}
	sink.fail = Stdout
	if client, err := down(s, p[1000:]); len(client) > 0 || !errors.Is(err, errDiskFull) {
		t.Errorf("the client gets %d octets, %v", len(client), err)
	}
}
