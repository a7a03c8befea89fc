package session_test

import (
	"strings"
	"testing"

	. "github.com/spliceway/spliceway/session"
)

// dataPath is a way of octets through a session.
type dataPath struct {
	name  string
	bytes int
	start func(testing.TB, Sink) (give func())
}

// dataPaths are output in frames of 32 KiB, as most programs make it, and of 1 KiB, and input.
func dataPaths(tb testing.TB) (all []dataPath) {
	tb.Helper()
	for _, protocol := range []string{"spdy", "v5.channel.k8s.io", "v4.base64.channel.k8s.io"} {
		for _, size := range []int{32 << 10, 1 << 10} {
			for _, up := range []bool{false, true} {
				name := "protocol=" + protocol + "/frame=32KiB/direction="
				if size == 1<<10 {
					name = "protocol=" + protocol + "/frame=1KiB/direction="
				}
				if up {
					name += "up"
				} else {
					name += "down"
				}
				all = append(all, dataPath{name, size, func(tb testing.TB, sink Sink) func() {
					return startPath(tb, sink, protocol, size, up)
				}})
			}
		}
	}
	return all
}

func startPath(tb testing.TB, sink Sink, protocol string, size int, up bool) (give func()) {
	tb.Helper()
	data := strings.Repeat("d", size)
	var p []byte
	var s *Session
	if protocol == "spdy" {
		s = started(tb, mustRecognise(tb, true, plainExec, "v4.channel.k8s.io"), sink)
		peers := newSPDYPeers(tb).openAll()
		for _, seg := range peers.segments {
			if err := giveSegment(s, seg); err != nil {
				tb.Fatal(err)
			}
		}
		id := uint32(5)
		if up {
			id = 3
		}
		p = peers.data(up, id, data).segments[len(peers.segments)-1].p
	} else {
		s = started(tb, mustRecognise(tb, false, plainExec, protocol), sink)
		channel := byte(1)
		if up {
			channel = 0
		}
		p = message(protocol, up, channel, data).p
	}
	return func() {
		if err := giveSegment(s, segment{up, p}); err != nil {
			tb.Fatal(err)
		}
	}
}

func started(tb testing.TB, info *Info, sink Sink) *Session {
	tb.Helper()
	s, err := New(info, Config{Sink: sink})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func giveSegment(s *Session, seg segment) error {
	if seg.up {
		return s.Up(seg.p)
	}
	for p := seg.p; len(p) > 0; {
		if _, err := s.Insert(); err != nil {
			return err
		}
		n, err := s.Down(p)
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// counter is a Sink that looks at the length of what it gets.
type counter int64

func (c *counter) Event(e *Event) error {
	*c += counter(len(e.Data))
	return nil
}

func BenchmarkSession(b *testing.B) {
	for _, path := range dataPaths(b) {
		b.Run(path.name, func(b *testing.B) {
			give := path.start(b, new(counter))
			b.SetBytes(int64(path.bytes))
			b.ReportAllocs()
			for b.Loop() {
				give()
			}
		})
	}
}

// BenchmarkFiles is an archive of files of 32 KiB, nearly all of which is their digests.
func BenchmarkFiles(b *testing.B) {
	f := NewFiles(&Info{Kind: KindExec}, func(*File) {})
	header := []byte(strings.Repeat("\x00", 512))
	copy(header, "file")
	copy(header[124:], "00000100000\x00")
	copy(header[148:], "        ")
	sum := 0
	for _, c := range header {
		sum += int(c)
	}
	for i := range 6 {
		header[148+5-i] = byte('0' + sum>>(3*i)&7)
	}
	header[154] = 0
	reported := 0
	f.Report = func(*File) { reported++ }
	e := &Event{Type: Stdout, Data: append(header, strings.Repeat("x", 32<<10)...)}
	b.SetBytes(int64(len(e.Data)))
	b.ReportAllocs()
	for b.Loop() {
		_ = f.Event(e)
	}
	if reported != b.N {
		b.Fatalf("%d files reported of %d", reported, b.N)
	}
}
