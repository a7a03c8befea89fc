package spdy_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/moby/spdystream/spdy"

	. "github.com/spliceway/spliceway/spdy"
)

// output returns a server's decoder and data frames of some size for it, 64 KiB at least.
func output(tb testing.TB, size int) (d *Decoder, stream []byte) {
	tb.Helper()
	conn := NewConn(Exec, nil)
	open(tb, conn, execStreams...)
	d = conn.From(Server)
	drain(tb, d, newFramer(tb).frames(&spdy.SynReplyFrame{StreamId: 5}))
	frame := data(5, 0, strings.Repeat("x", size))
	return d, bytes.Repeat(frame, max(1, 64<<10/len(frame)))
}

// drain gives a stream to a decoder.
func drain(tb testing.TB, d *Decoder, stream []byte) {
	for len(stream) > 0 {
		n, _, err := d.Next(stream)
		if err != nil {
			tb.Fatal(err)
		}
		stream = stream[n:]
	}
}

var frameSizes = []struct {
	name string
	size int
}{{"64", 64}, {"1KiB", 1 << 10}, {"32KiB", 32 << 10}}

func BenchmarkNext(b *testing.B) {
	for _, in := range frameSizes {
		d, stream := output(b, in.size)
		b.Run("decoder=ours/frame="+in.name, func(b *testing.B) {
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				drain(b, d, stream)
			}
		})
		b.Run("decoder=spdystream/frame="+in.name, func(b *testing.B) {
			from := bytes.NewReader(stream)
			f, err := spdy.NewFramer(io.Discard, from)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(stream)))
			b.ReportAllocs()
			for b.Loop() {
				from.Reset(stream)
				for from.Len() > 0 {
					if _, err := f.ReadFrame(); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
	b.Run("baseline=copy/frame=32KiB", func(b *testing.B) {
		_, stream := output(b, 32<<10)
		to := make([]byte, len(stream))
		b.SetBytes(int64(len(stream)))
		for b.Loop() {
			copy(to, stream)
		}
	})
}

// BenchmarkSession is a connection that opens its streams and sends nothing, as many are in an attack.
func BenchmarkSession(b *testing.B) {
	client := newFramer(b).frames(syn(1, "streamtype", "error"), syn(3, "streamtype", "stdin"),
		syn(5, "streamtype", "stdout"), syn(7, "streamtype", "stderr"))
	b.ReportAllocs()
	for b.Loop() {
		drain(b, NewConn(Exec, nil).From(Client), client)
	}
}
