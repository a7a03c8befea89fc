package ws_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"

	. "github.com/spliceway/spliceway/ws"
)

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

func BenchmarkNext(b *testing.B) {
	for _, in := range []struct {
		name string
		size int
	}{{"64", 64}, {"1KiB", 1 << 10}, {"32KiB", 32 << 10}} {
		octets := strings.Repeat("x", in.size)
		text := base64.StdEncoding.EncodeToString([]byte(octets))
		for _, row := range []struct {
			name     string
			from     Peer
			protocol Protocol
			frame    []byte
		}{
			{"server", Server, ChannelV5, frame(fin|bin, "", "\x01"+octets)},
			{"client", Client, ChannelV5, frame(fin|bin, key, "\x00"+octets)},
			{"server-base64", Server, Base64V4, frame(fin|0x01, "", "1"+text)},
		} {
			b.Run("from="+row.name+"/frame="+in.name, func(b *testing.B) {
				stream := bytes.Repeat(row.frame, max(1, 64<<10/len(row.frame)))
				d := NewDecoder(row.from, row.protocol, nil)
				b.SetBytes(int64(len(stream)))
				b.ReportAllocs()
				for b.Loop() {
					drain(b, d, stream)
				}
			})
		}
	}
	b.Run("baseline=copy/frame=32KiB", func(b *testing.B) {
		from, to := make([]byte, 32<<10), make([]byte, 32<<10)
		b.SetBytes(int64(len(from)))
		for b.Loop() {
			copy(to, from)
		}
	})
}
