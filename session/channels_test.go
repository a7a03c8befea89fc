package session_test

import (
	"encoding/base64"
	"encoding/binary"
	"reflect"
	"strings"
	"testing"

	. "github.com/spliceway/spliceway/session"
)

// frame makes a WebSocket frame from its first octet, masked if the client sends it.
func frame(up bool, first byte, payload string) []byte {
	f := []byte{first}
	mask := byte(0)
	if up {
		mask = 0x80
	}
	switch n := len(payload); {
	case n < 126:
		f = append(f, mask|byte(n))
	case n < 1<<16:
		f = binary.BigEndian.AppendUint16(append(f, mask|126), uint16(n))
	default:
		f = binary.BigEndian.AppendUint64(append(f, mask|127), uint64(n))
	}
	const key = "\x37\xfa\x21\x3d"
	if up {
		f = append(f, key...)
	}
	for i := range len(payload) {
		c := payload[i]
		if up {
			c ^= key[i%4]
		}
		f = append(f, c)
	}
	return f
}

// message makes a message on a channel, in the form of the subprotocol.
func message(protocol string, up bool, channel byte, data string) segment {
	if strings.Contains(protocol, "base64") {
		return segment{up, frame(up, 0x81, string('0'+channel)+base64.StdEncoding.EncodeToString([]byte(data)))}
	}
	return segment{up, frame(up, 0x82, string([]byte{channel})+data)}
}

const (
	success  = `{"metadata":{},"status":"Success"}`
	exitFive = `{"status":"Failure","message":"command terminated with non-zero exit code: exit status 5","reason":"NonZeroExitCode",` +
		`"details":{"causes":[{"reason":"Other","message":"1"},{"reason":"ExitCode","message":"5"}]}}`
	notFound = `{"status":"Failure","message":"no such container","reason":"InternalError","code":500}`
)

var closeFrame = segment{false, []byte{0x88, 2, 0x03, 0xe8}}

// TestChannelProtocols: each subprotocol in both directions.
func TestChannelProtocols(t *testing.T) {
	for _, protocol := range []string{
		"-", "channel.k8s.io", "base64.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io", "v5.channel.k8s.io",
	} {
		t.Run(protocol, func(t *testing.T) {
			status, exit := "command terminated with exit code 5", "exit 5 command terminated with exit code 5"
			if strings.HasPrefix(protocol, "v") {
				status, exit = exitFive, "exit 5 command terminated with non-zero exit code: exit status 5"
			}
			segments := []segment{
				message(protocol, false, 1, ""),
				message(protocol, true, 4, `{"Width":120,"Hei`),
				message(protocol, true, 4, `ght":40}`+"\n"+`{"height":25,"width":81}`),
				message(protocol, true, 0, "id -u\n"),
				message(protocol, true, 9, "on a channel that there is not"),
				message(protocol, true, 1, "on a channel of the server"),
				{true, frame(true, 0x89, "p")}, {false, frame(false, 0x8a, "p")},
				message(protocol, false, 1, "0\r\n\xff\x00"),
				message(protocol, false, 2, "oops"),
				message(protocol, false, 3, status[:7]),
				message(protocol, false, 3, status[7:]),
				closeFrame, {true, frame(true, 0x88, "\x03\xe8")},
			}
			want := []string{
				"started", "resize 120x40", "resize 81x25", "stdin id -u\n", "stdout 0\r\n\xff\x00", "stderr oops", exit,
				"ended up 6 down 9",
			}
			info := mustRecognise(t, false, podExec, protocol)
			for _, cut := range append(cuts(segments), segments) {
				s, sink := start(t, info, Config{})
				if _, err := play(s, cut); err != nil {
					t.Fatal(err)
				}
				if got := sink.lines(); !reflect.DeepEqual(got, want) {
					t.Fatalf("events are %q, want %q", got, want)
				}
			}
		})
	}
}

// TestChannelEnds: what is known about the end of a session, and from what.
func TestChannelEnds(t *testing.T) {
	for _, test := range []struct {
		name, protocol string
		segments       []segment
		want           []string
	}{
		{"success", "v4.channel.k8s.io", []segment{message("", false, 3, success), closeFrame}, []string{"exit 0"}},
		{"success-without-metadata", "v5.channel.k8s.io", []segment{message("", false, 3, `{"status":"Success"}`)}, []string{"exit 0"}},
		{"never-started", "v4.channel.k8s.io", []segment{message("", false, 3, notFound), closeFrame}, []string{"exit -1 no such container"}},
		{"no-status", "v4.channel.k8s.io", []segment{closeFrame}, nil},
		{"status-that-is-no-json", "v4.channel.k8s.io", []segment{message("", false, 3, "oh}"), closeFrame}, []string{"exit -1 oh}"}},
		{"code-that-is-none", "v4.channel.k8s.io",
			[]segment{message("", false, 3, strings.Replace(exitFive, `"5"`, `"256"`, 1))},
			[]string{"exit -1 command terminated with non-zero exit code: exit status 5"}},
		{"two-statuses", "v4.channel.k8s.io", []segment{message("", false, 3, success), message("", false, 3, exitFive)}, []string{"exit 0"}},
		{"v1-success", "-", []segment{message("", false, 1, ""), closeFrame}, []string{"exit 0"}},
		{"v1-cut-off", "-", []segment{message("", false, 1, "")}, nil},
		{"v1-going-away", "-", []segment{{false, []byte{0x88, 2, 0x03, 0xe9}}}, nil},
		{"v1-text", "channel.k8s.io", []segment{message("", false, 3, "no such container"), closeFrame}, []string{"exit -1 no such container"}},
		{"v1-blank-text", "channel.k8s.io", []segment{message("", false, 3, " "), closeFrame}, []string{"exit -1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, sink := start(t, mustRecognise(t, false, podExec, test.protocol), Config{})
			if _, err := play(s, test.segments); err != nil {
				t.Fatal(err)
			}
			if got := sink.find("exit"); !reflect.DeepEqual(got, test.want) {
				t.Errorf("exits are %q, want %q", got, test.want)
			}
		})
	}
}

func TestCloseSignal(t *testing.T) {
	info := mustRecognise(t, false, podExec, "v5.channel.k8s.io")
	s, sink := start(t, info, Config{})
	stdinClosed := segment{true, frame(true, 0x82, "\xff\x00")}
	if _, err := play(s, []segment{message("", true, 0, "x"), stdinClosed, stdinClosed}); err != nil {
		t.Fatal(err)
	}
	want := []string{"started", "stdin x", "stdin-closed", "ended up 1 down 0"}
	if got := sink.lines(); !reflect.DeepEqual(got, want) {
		t.Errorf("events are %q, want %q", got, want)
	}
}

// TestFragmentsOfServer: a client joins them, so the channel is in the first octet of the message alone.
func TestFragmentsOfServer(t *testing.T) {
	s, sink := start(t, mustRecognise(t, false, podExec, "v5.channel.k8s.io"), Config{})
	if _, err := play(s, []segment{
		{false, frame(false, 0x02, "\x01")}, {false, frame(false, 0x89, "")}, {false, frame(false, 0x00, "ab")},
		{false, frame(false, 0x80, "\x02cd")},
	}); err != nil {
		t.Fatal(err)
	}
	if got := sink.stream(Stdout); got != "ab\x02cd" {
		t.Errorf("stdout is %q", got)
	}
}

// TestForwardByChannels: the old WebSocket form of a port-forward.
func TestForwardByChannels(t *testing.T) {
	for _, protocol := range []string{"-", "v4.channel.k8s.io", "v4.base64.channel.k8s.io"} {
		t.Run(protocol, func(t *testing.T) {
			segments := []segment{
				message(protocol, false, 0, "\x50\x00"), message(protocol, false, 1, "\x50\x00"),
				message(protocol, false, 2, "\x90\x1f"), message(protocol, false, 3, "\x90\x1f"),
				message(protocol, true, 2, "GET"), message(protocol, true, 1, "not read"), message(protocol, true, 9, "nor this"),
				message(protocol, false, 2, "200 OK"), message(protocol, false, 1, "connection "), message(protocol, false, 1, "refused"),
				closeFrame,
			}
			want := []string{
				"started", "opened 80 #1", "opened 8080 #2", "closed 80 #1 up 0 down 0 connection refused",
				"closed 8080 #2 up 3 down 6", "ended up 3 down 6",
			}
			info := mustRecognise(t, false, podForward+"?ports=80,8080", protocol)
			for _, cut := range append(cuts(segments), segments) {
				s, sink := start(t, info, Config{})
				if _, err := play(s, cut); err != nil {
					t.Fatal(err)
				}
				if got := sink.lines(); !reflect.DeepEqual(got, want) {
					t.Fatalf("events are %q, want %q", got, want)
				}
			}
		})
	}
}

// TestApplication: what is no protocol of Kubernetes goes through as it is.
func TestApplication(t *testing.T) {
	s, sink := start(t, mustRecognise(t, false, "/api/v1/namespaces/ns/services/s/proxy/", "chat"), Config{Notice: "no place for it"})
	client, err := play(s, []segment{{true, []byte("\xff\xff")}, {false, []byte("anything")}})
	if err != nil || string(client) != "anything" {
		t.Errorf("client gets %q, %v", client, err)
	}
	want := []string{"started", "ended up 2 down 8"}
	if got := sink.lines(); !reflect.DeepEqual(got, want) {
		t.Errorf("events are %q, want %q", got, want)
	}
}

// TestResizes: sizes as a JSON decoder reads them.
func TestResizes(t *testing.T) {
	for sent, want := range map[string][]string{
		`{"Width":80,"Height":24}{"Width":81,"Height":25}`:   {"resize 80x24", "resize 81x25"},
		" \n{\t\"height\" : 24 ,\r\n\"WIDTH\": 80}\n":        {"resize 80x24"},
		`{"Width":80,"Height":24,"x":"}\\\"}"}`:              {"resize 80x24"},
		`{"Width":80,"Height":24,"more":{"Width":1}}`:        {"resize 80x24"},
		`{"Width":0,"Height":24}{"Width":80}{}`:              nil,
		`{"Width":65535,"Height":65535}{"Width":80,"Height"`: {"resize 65535x65535"},
	} {
		segments := []segment{message("", true, 4, sent)}
		for _, cut := range append(cuts(segments), segments) {
			s, sink := start(t, mustRecognise(t, false, ttyExec, "v4.channel.k8s.io"), Config{})
			if _, err := play(s, cut); err != nil {
				t.Errorf("%q: %v", sent, err)
			}
			if got := sink.find("resize"); !reflect.DeepEqual(got, want) {
				t.Errorf("%q is %q, want %q", sent, got, want)
			}
		}
	}
}

// TestLongStatus: what a server says is kept up to a limit, and a long text is no reason to end a session.
func TestLongStatus(t *testing.T) {
	long := strings.Repeat("ä", 20<<10)
	for protocol, want := range map[string]string{
		"v4.channel.k8s.io": "exit -1 " + `{"status":"Failure","message":"` + strings.Repeat("ä", 2032),
		"-":                 "exit -1 " + `{"status":"Failure","message":"` + strings.Repeat("ä", 2032),
	} {
		s, sink := start(t, mustRecognise(t, false, ttyExec, protocol), Config{})
		if _, err := play(s, []segment{message("", false, 3, `{"status":"Failure","message":"`+long+`"}`), closeFrame}); err != nil {
			t.Fatal(err)
		}
		if got := sink.find("exit"); len(got) != 1 || got[0] != want {
			t.Errorf("%s: exit is %d octets, %.60q", protocol, len(got[0]), got)
		}
	}
	// Nor is one that looks complete again and again.
	s, sink := start(t, mustRecognise(t, false, ttyExec, "v4.channel.k8s.io"), Config{})
	segments := []segment{message("", false, 3, `{"metadata":{}`)}
	for range 40 {
		segments = append(segments, message("", false, 3, `,"a":{}`))
	}
	if _, err := play(s, append(segments, message("", false, 3, `,"status":"Success"}`), closeFrame)); err != nil {
		t.Fatal(err)
	}
	if got := sink.find("exit"); !reflect.DeepEqual(got, []string{"exit 0"}) {
		t.Errorf("exits are %q", got)
	}
}

// TestClosing: whatever runs over WebSocket, a close frame of either side is told once, and nothing else is.
func TestClosing(t *testing.T) {
	for _, test := range []struct{ target, protocol string }{
		{ttyExec, "v5.channel.k8s.io"}, {plainExec, "v4.base64.channel.k8s.io"},
		{podForward, "SPDY/3.1+portforward.k8s.io"}, {podForward + "?ports=80", "-"},
	} {
		for _, last := range []segment{closeFrame, {true, frame(true, 0x88, "\x03\xe8")}, {true, frame(true, 0x88, "")}} {
			told := 0
			s, _ := start(t, mustRecognise(t, false, test.target, test.protocol), Config{Closing: func() { told++ }})
			for _, seg := range []segment{{true, frame(true, 0x89, "ping")}, {false, frame(false, 0x8a, "ping")}} {
				if err := giveSegment(s, seg); err != nil || told != 0 {
					t.Fatalf("%s: behind a ping and a pong: told %d times, %v", test.protocol, told, err)
				}
			}
			if err := giveSegment(s, last); err != nil || told != 1 {
				t.Errorf("%s: behind %x: told %d times, %v, want once", test.protocol, last.p, told, err)
			}
		}
	}
}
