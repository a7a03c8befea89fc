package record

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"
)

// textFrame is what a terminal shows, with some colour, in lines.
func textFrame(size int) []byte {
	const line = "drwxr-xr-x  2 root root  4096 Mar  9 12:00 \x1b[01;34mconfigurations\x1b[0m  some more words here\r\n"
	return []byte(strings.Repeat(line, size/len(line)+1)[:size])
}

// plainFrame is a log.
func plainFrame(size int) []byte {
	const line = "2026-03-09T12:00:00.123456Z INFO request handled method=GET path=/api/v1/pods status=200 duration=12ms\r\n"
	return []byte(strings.Repeat(line, size/len(line)+1)[:size])
}

// wideFrame is text in other letters.
func wideFrame(size int) []byte {
	const line = "Съешь же ещё этих мягких французских булок, да выпей чаю. 漢字 😀\r\n"
	return []byte(strings.Repeat(line, size/len(line)+1)[:size])
}

func binaryFrame(size int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	p := make([]byte, size)
	for i := range p {
		p[i] = byte(random.Uint32())
	}
	return p
}

var frames = []struct {
	name string
	make func(size int) []byte
}{
	{"plain", plainFrame}, {"colour", textFrame}, {"wide", wideFrame}, {"binary", binaryFrame},
}

var frameSizes = []int{64, 1 << 10, 32 << 10}

// BenchmarkOutput is what a session pays for one frame, on a real file system.
// disk/octet is what is on disk, .cast and .seal, for an octet of output.
func BenchmarkOutput(b *testing.B) {
	for _, frame := range frames {
		for _, size := range frameSizes {
			b.Run(fmt.Sprintf("frame=%s/size=%d", frame.name, size), func(b *testing.B) {
				benchmarkOutput(b, frame.make(size))
			})
		}
	}
}

func benchmarkOutput(b *testing.B, p []byte) {
	benchmarkRecorder(b, len(p), func(r *Recorder) error { return r.Output(1234567890, p) })
}

// benchmarkRecorder records so many octets at once.
func benchmarkRecorder(b *testing.B, octets int, give func(*Recorder) error) {
	s, err := Open(Config{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	session := alice()
	session.TTY = true
	r, err := s.Start(session, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(octets))
	b.ReportAllocs()
	for b.Loop() {
		if err := give(r); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	if err := r.Close(End{}); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(r.offset+r.sealOffset)/float64(r.meta.Output), "disk/octet")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(r.meta.Output), "ns/octet")
}

// BenchmarkGather is the same for all frames of one Read of 32 KiB.
func BenchmarkGather(b *testing.B) {
	const read = 32 << 10
	for _, frame := range frames {
		for _, size := range frameSizes {
			b.Run(fmt.Sprintf("frame=%s/size=%d", frame.name, size), func(b *testing.B) {
				p := frame.make(size)
				benchmarkRecorder(b, read/size*size, func(r *Recorder) error {
					r.Gather()
					for range read / size {
						if err := r.Output(1234567890, p); err != nil {
							return err
						}
					}
					return r.Flush()
				})
			})
		}
	}
}

// BenchmarkWrite is the bare write(2) of the same octets, to compare with.
func BenchmarkWrite(b *testing.B) {
	for _, size := range frameSizes {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			f, err := os.Create(b.TempDir() + "/file")
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			p := plainFrame(size)
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := f.Write(p); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*size), "ns/octet")
		})
	}
}

// BenchmarkEncode is the encoder alone.
func BenchmarkEncode(b *testing.B) {
	for _, frame := range frames {
		for _, size := range frameSizes {
			b.Run(fmt.Sprintf("frame=%s/size=%d", frame.name, size), func(b *testing.B) {
				p := frame.make(size)
				e := newEncoder(V2, true)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					e.output(1234567890, stdout, p)
					e.closeEvent()
					e.taken()
				}
			})
		}
	}
}

// BenchmarkSeal is the chain alone.
func BenchmarkSeal(b *testing.B) {
	for _, size := range frameSizes {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			p := plainFrame(size)
			s := sealer{chain: newChain("", nil)}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				s.write(p)
				s.lines = s.lines[:0]
			}
		})
	}
}

// BenchmarkTick is what the store does once in Config.Sync for open recordings of
// which nothing has come since.
func BenchmarkTick(b *testing.B) {
	for _, recordings := range []int{1, 500} {
		b.Run(fmt.Sprintf("recordings=%d", recordings), func(b *testing.B) {
			s, err := Open(Config{Dir: b.TempDir(), Sync: time.Hour})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			for range recordings {
				r, err := s.Start(alice(), nil)
				if err != nil {
					b.Fatal(err)
				}
				defer r.Close(End{})
			}
			s.tick()
			b.ReportAllocs()
			for b.Loop() {
				s.tick()
			}
		})
	}
}

// BenchmarkRead is what search over recordings costs.
func BenchmarkRead(b *testing.B) {
	e := newEncoder(V2, true)
	session := alice()
	if err := e.header(&session); err != nil {
		b.Fatal(err)
	}
	for range 1 << 10 {
		e.output(0, stdout, textFrame(1<<10))
		e.closeEvent()
	}
	b.SetBytes(int64(len(e.buf)))
	b.ReportAllocs()
	for b.Loop() {
		reader, err := NewReader(strings.NewReader(string(e.buf)))
		if err != nil {
			b.Fatal(err)
		}
		for err == nil {
			_, err = reader.Next()
		}
		if err != io.EOF {
			b.Fatal(err)
		}
	}
}
