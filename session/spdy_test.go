package session_test

import (
	"bytes"
	"net/http"
	"reflect"
	"testing"

	reference "github.com/moby/spdystream/spdy"
	. "github.com/spliceway/spliceway/session"
)

// spdyPeers writes both directions with the library that servers and clients use.
type spdyPeers struct {
	tb       testing.TB
	framers  [2]*reference.Framer // of the client and the server
	out      [2]bytes.Buffer
	segments []segment
}

func newSPDYPeers(tb testing.TB) *spdyPeers {
	tb.Helper()
	p := &spdyPeers{tb: tb}
	for i := range p.framers {
		var err error
		if p.framers[i], err = reference.NewFramer(&p.out[i], nil); err != nil {
			tb.Fatal(err)
		}
	}
	return p
}

func (p *spdyPeers) write(up bool, f reference.Frame) *spdyPeers {
	p.tb.Helper()
	i := 1
	if up {
		i = 0
	}
	if err := p.framers[i].WriteFrame(f); err != nil {
		p.tb.Fatal(err)
	}
	p.segments = append(p.segments, segment{up, bytes.Clone(p.out[i].Bytes())})
	p.out[i].Reset()
	return p
}

// open has the client open a stream, with fields by name and value.
func (p *spdyPeers) open(id uint32, fields ...string) *spdyPeers {
	p.tb.Helper()
	h := http.Header{}
	for i := 0; i < len(fields); i += 2 {
		h.Set(fields[i], fields[i+1])
	}
	return p.write(true, &reference.SynStreamFrame{StreamId: reference.StreamId(id), Headers: h})
}

func (p *spdyPeers) reply(id uint32) *spdyPeers {
	p.tb.Helper()
	return p.write(false, &reference.SynReplyFrame{StreamId: reference.StreamId(id), Headers: http.Header{}})
}

func (p *spdyPeers) data(up bool, id uint32, data string) *spdyPeers {
	p.tb.Helper()
	return p.write(up, &reference.DataFrame{StreamId: reference.StreamId(id), Data: []byte(data)})
}

func (p *spdyPeers) fin(up bool, id uint32) *spdyPeers {
	p.tb.Helper()
	return p.write(up, &reference.DataFrame{StreamId: reference.StreamId(id), Flags: reference.DataFlagFin})
}

func (p *spdyPeers) reset(up bool, id uint32) *spdyPeers {
	p.tb.Helper()
	return p.write(up, &reference.RstStreamFrame{StreamId: reference.StreamId(id), Status: reference.Cancel})
}

// openAll opens the streams of an exec, ids 1, 3, 5, 7 and 9, with their replies.
func (p *spdyPeers) openAll() *spdyPeers {
	p.tb.Helper()
	for i, label := range []string{"error", "stdin", "stdout", "stderr", "resize"} {
		p.open(uint32(2*i+1), "streamtype", label).reply(uint32(2*i + 1))
	}
	return p
}

// TestSPDYVersions: each version of the channel protocol in both directions.
func TestSPDYVersions(t *testing.T) {
	for _, version := range []string{"channel.k8s.io", "v2.channel.k8s.io", "v3.channel.k8s.io", "v4.channel.k8s.io"} {
		t.Run(version, func(t *testing.T) {
			status, exit := "command terminated with exit code 5", "exit 5 command terminated with exit code 5"
			if version[:2] == "v4" {
				status, exit = exitFive, "exit 5 command terminated with non-zero exit code: exit status 5"
			}
			p := newSPDYPeers(t).openAll()
			p.data(true, 9, `{"Width":120,"Hei`).data(true, 9, `ght":40}`+"\n"+`{"WIDTH":81,"height":25}`)
			p.data(true, 3, "id -u\n").data(true, 5, "on a stream of the server").data(true, 3, "").fin(true, 3)
			p.write(true, &reference.PingFrame{Id: 1}).write(false, &reference.PingFrame{Id: 1})
			p.data(false, 5, "0\r\n\xff\x00").data(false, 7, "oops").data(false, 5, "")
			p.data(false, 1, status[:9]).data(false, 1, status[9:]).reset(false, 1)
			p.reset(false, 5).write(false, &reference.GoAwayFrame{})
			want := []string{
				"started", "resize 120x40", "resize 81x25", "stdin id -u\n", "stdin-closed", "stdout 0\r\n\xff\x00", "stderr oops",
				exit, "ended up 6 down 9",
			}
			info := mustRecognise(t, true, podExec, version)
			for _, cut := range append(cuts(p.segments), p.segments) {
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

// TestSPDYEnds: what is known about the end of a session, and from what.
func TestSPDYEnds(t *testing.T) {
	for _, test := range []struct {
		name, version string
		end           func(*spdyPeers)
		want          []string
	}{
		{"v4-status-without-end", "v4.channel.k8s.io", func(p *spdyPeers) { p.data(false, 1, success) }, []string{"exit 0"}},
		{"v4-no-status", "v4.channel.k8s.io", func(p *spdyPeers) { p.reset(false, 1) }, nil},
		{"v1-success", "channel.k8s.io", func(p *spdyPeers) { p.reset(false, 1) }, []string{"exit 0"}},
		{"v3-success", "v3.channel.k8s.io", func(p *spdyPeers) { p.fin(false, 1) }, []string{"exit 0"}},
		{"v3-cut-off", "v3.channel.k8s.io", func(p *spdyPeers) { p.data(false, 5, "x") }, nil},
		{"v2-failure", "v2.channel.k8s.io", func(p *spdyPeers) { p.data(false, 1, "no such container") }, []string{"exit -1 no such container"}},
		{"v4-client-leaves-stdin", "v4.channel.k8s.io", func(p *spdyPeers) { p.reset(true, 3) }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newSPDYPeers(t).openAll()
			test.end(p)
			s, sink := start(t, mustRecognise(t, true, podExec, test.version), Config{})
			if _, err := play(s, p.segments); err != nil {
				t.Fatal(err)
			}
			if got := sink.find("exit"); !reflect.DeepEqual(got, test.want) {
				t.Errorf("exits are %q, want %q", got, test.want)
			}
		})
	}
}

// TestForwardPairs: which streams are a connection, and when it begins and ends.
func TestForwardPairs(t *testing.T) {
	p := newSPDYPeers(t)
	p.open(1, "streamtype", "error", "port", "80", "requestid", "0").open(3, "streamtype", "error", "port", "443", "requestid", "1")
	p.open(5, "streamtype", "data", "port", "443", "requestid", "1").reply(1).reply(3).reply(5)
	p.open(7, "streamtype", "data", "port", "80", "requestid", "0").reply(7)
	p.data(true, 5, "GET").data(false, 5, "200").fin(true, 5).data(false, 5, "!").fin(false, 5)
	p.data(false, 1, "connection refused").reset(false, 7).reset(false, 1).data(true, 7, "late")
	p.open(9, "streamtype", "error", "port", "22").open(11, "streamtype", "data", "port", "22").reply(9).reply(11)
	p.open(13, "streamtype", "error", "port", "22", "requestid", "8").reset(false, 13) // never a connection
	p.open(15, "streamtype", "error", "port", "22", "requestid", "8").open(17, "streamtype", "data", "port", "22", "requestid", "8")
	p.data(true, 11, "SSH")
	p.open(19, "streamtype", "error", "port", "22", "requestid", "9").reply(19).fin(true, 19).fin(false, 19) // over
	p.open(21, "streamtype", "data", "port", "22", "requestid", "9")
	want := []string{
		"started", "opened 443 #1", "opened 80 #2", "closed 443 #1 up 3 down 4", "closed 80 #2 up 0 down 0 connection refused",
		"opened 22 #3", "opened 22 #4", "closed 22 #3 up 3 down 0", "closed 22 #4 up 0 down 0", "ended up 6 down 4",
	}
	info := mustRecognise(t, true, podForward, "portforward.k8s.io")
	for _, cut := range append(cuts(p.segments), p.segments) {
		s, sink := start(t, info, Config{})
		if _, err := play(s, cut); err != nil {
			t.Fatal(err)
		}
		if got := sink.lines(); !reflect.DeepEqual(got, want) {
			t.Fatalf("events are %q, want %q", got, want)
		}
	}
	// The same in messages, which don't end where frames do.
	tunnelled := []segment{{true, frame(true, 0x82, "")}}
	for _, seg := range p.segments {
		for _, part := range [][]byte{seg.p[:len(seg.p)/2], seg.p[len(seg.p)/2:]} {
			tunnelled = append(tunnelled, segment{seg.up, frame(seg.up, 0x82, string(part))})
		}
	}
	tunnelled = append(tunnelled, closeFrame)
	info = mustRecognise(t, false, podForward, "SPDY/3.1+portforward.k8s.io")
	for _, cut := range append(cuts(tunnelled), tunnelled) {
		s, sink := start(t, info, Config{})
		if _, err := play(s, cut); err != nil {
			t.Fatal(err)
		}
		if got := sink.lines(); !reflect.DeepEqual(got, want) {
			t.Fatalf("events in a tunnel are %q, want %q", got, want)
		}
	}
}
