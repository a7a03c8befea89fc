package spdy

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"hash/adler32"
	"io"
	"math/rand/v2"
	"testing"
)

// TestDictionary compares with the check that zlib streams name it by.
func TestDictionary(t *testing.T) {
	if got := adler32.Checksum(dictionary); got != dictionaryID || len(dictionary) != 1423 {
		t.Errorf("dictionary of %d octets, check %#x, want 1423 and %#x", len(dictionary), got, uint32(dictionaryID))
	}
}

// compressor makes payloads as a peer does.
type compressor struct {
	zlib *zlib.Writer
	out  bytes.Buffer
}

func newCompressor(tb testing.TB, level int) *compressor {
	tb.Helper()
	c := new(compressor)
	var err error
	if c.zlib, err = zlib.NewWriterLevelDict(&c.out, level, dictionary); err != nil {
		tb.Fatal(err)
	}
	return c
}

// payload compresses a block; parts of it are flushed by themselves.
func (c *compressor) payload(tb testing.TB, parts ...[]byte) []byte {
	tb.Helper()
	c.out.Reset()
	for _, part := range parts {
		if _, err := c.zlib.Write(part); err != nil {
			tb.Fatal(err)
		}
		if err := c.zlib.Flush(); err != nil {
			tb.Fatal(err)
		}
	}
	return bytes.Clone(c.out.Bytes())
}

// TestInflateUndoesCompression: blocks of all sorts, of all levels, with a history of several windows.
func TestInflateUndoesCompression(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
		c := newCompressor(t, level)
		var z inflater
		for i := range 50 {
			a, b := randomBlock(random), randomBlock(random)
			payload := c.payload(t, a, b)
			got, reason := z.inflate(payload, 8<<10)
			if want := append(a, b...); reason != "" || !bytes.Equal(got, want) {
				t.Fatalf("level %d: block %d inflates to %.99q, %s, want %.99q", level, i, got, reason, want)
			}
			if cap(z.history) > 3*windowSize {
				t.Fatalf("history of %d octets", cap(z.history))
			}
		}
	}
}

// randomBlock makes up to 4 KiB, of words that repeat or of anything.
func randomBlock(random *rand.Rand) (block []byte) {
	size, word := random.IntN(4<<10), 1+random.IntN(300)
	if random.IntN(4) == 0 {
		word = 1 << 16
	}
	for len(block) < size {
		if len(block) > word {
			at := random.IntN(len(block) - word)
			block = append(block, block[at:at+word]...)
		}
		block = append(block, byte(random.Uint32()))
	}
	return block[:size]
}

// TestInflateAgreesWithFlate changes payloads at random. What is still accepted has to be what the standard library, and
// with it a peer, makes of it; and it has to end with a block, so that the peer goes on where we do.
func TestInflateAgreesWithFlate(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var good [][]byte
	for i := range 100 {
		good = append(good, newCompressor(t, i%10).payload(t, randomBlock(random))[6:])
	}
	accepted := 0
	for range 6000 {
		payload := mutate(random, bytes.Clone(good[random.IntN(len(good))]))
		z := inflater{begun: true, history: bytes.Clone(dictionary)}
		got, reason := z.inflate(payload, 16<<10)
		if reason != "" {
			continue
		}
		accepted++
		sameAsFlate(t, payload, got)
	}
	if accepted < 500 {
		t.Errorf("only %d payloads were accepted", accepted)
	}
}

// mutate changes a few octets, and often puts the flush back.
func mutate(random *rand.Rand, payload []byte) []byte {
	for range random.IntN(4) {
		switch at := random.IntN(len(payload)); random.IntN(3) {
		case 0:
			payload[at] ^= 1 << random.IntN(8)
		case 1:
			payload = append(payload[:at], payload[min(at+1, len(payload)-1):]...)
		case 2:
			payload = payload[:at+1]
		}
	}
	if random.IntN(2) == 0 {
		payload = append(payload, 0, 0, 0, 0xff, 0xff)
	}
	return payload
}

// sameAsFlate puts a block behind the payload that ends the stream, and wants the standard library to read got and that
// end, and nothing else.
func sameAsFlate(t *testing.T, payload, got []byte) {
	t.Helper()
	const end = "\x01\x02\x00\xfd\xff.."
	from := bytes.NewReader(append(bytes.Clone(payload), end...))
	want, err := io.ReadAll(flate.NewReaderDict(from, dictionary))
	if err != nil || from.Len() > 0 || !bytes.Equal(want, append(bytes.Clone(got), ".."...)) {
		t.Errorf("payload %x inflates to %.99q, to flate %.99q, %v", payload, got, want, err)
	}
}

// FuzzInflate is the same for payloads that somebody else thinks of.
func FuzzInflate(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\xff\xff"))
	f.Add([]byte("\x03\x00\x00\x00\xff\xff"))
	for level := range 10 {
		f.Add(newCompressor(f, level).payload(f, []byte("\x00\x00\x00\x01\x00\x00\x00\x0astreamtype\x00\x00\x00\x05error"))[6:])
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		z := inflater{begun: true, history: bytes.Clone(dictionary)}
		got, reason := z.inflate(payload, 16<<10)
		if reason == "" {
			sameAsFlate(t, payload, got)
		}
	})
}

// TestInflateRefuses has payloads behind the zlib head; a peer would read some of them, and go on in the middle.
func TestInflateRefuses(t *testing.T) {
	const flush = "\x00\x00\x00\xff\xff"
	for _, row := range []struct {
		name, payload, want string
	}{
		{"empty", "", reasonCorrupt},
		{"no-flush-stored", "\x00\x01\x00\xfe\xffx", "header block not ended by a flush"},
		{"no-flush-fixed", "\x02\x00", reasonCorrupt}, // the rest of the last octet begins a block
		{"half-a-flush", "\x00\x00\x00\xff", reasonCorrupt},
		{"last-block", "\x01\x00\x00\xff\xff", "header compression ends"},
		{"last-block-fixed", "\x03\x00" + flush, "header compression ends"},
		{"last-block-takes-the-next-frame", "\x01\x05\x00\xfa\xff", "header compression ends"},
		{"stored-takes-the-next-frame", "\x00\x05\x00\xfa\xff\x00\x00\xff\xff", reasonCorrupt},
		{"stored-flush-inside", "\x00\x04\x00\xfb\xff\x00\x00\xff\xff", "header block not ended by a flush"},
		{"stored-lengths-differ", "\x00\x01\x00\xfe\xfex" + flush, reasonCorrupt},
		{"stored-too-large", "\x00\x11\x00\xee\xff0123456789abcdefg" + flush, reasonTooLarge},
		{"reserved-type", "\x06" + flush, reasonCorrupt},
		{"octet-behind-the-flush", flush + "\x00", reasonCorrupt},
		{"fixed-literal-286", "\x1a\x03" + flush, reasonCorrupt},
		{"fixed-distance-30", "\x02\x3e" + flush, reasonCorrupt},
		{"distance-before-the-dictionary", "\x02\x5e\x00\x00" + flush, reasonCorrupt},
	} {
		t.Run(row.name, func(t *testing.T) {
			z := inflater{begun: true, history: bytes.Clone(dictionary)}
			if got, reason := z.inflate([]byte(row.payload), 16); got != nil || reason != row.want {
				t.Errorf("inflate(%q) = %q, %q, want %q", row.payload, got, reason, row.want)
			}
		})
	}
}

// TestInflateLimit tries it from both sides, for literals, copies and stored octets.
func TestInflateLimit(t *testing.T) {
	for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, flate.BestCompression} {
		for limit, want := range map[int]string{500: "", 499: reasonTooLarge} {
			var z inflater
			payload := newCompressor(t, level).payload(t, bytes.Repeat([]byte("a"), 500))
			if got, reason := z.inflate(payload, limit); reason != want || want == "" && len(got) != 500 {
				t.Errorf("level %d, limit %d: %d octets, %q, want %q", level, limit, len(got), reason, want)
			}
			if n := len(z.history) - len(dictionary); n > limit {
				t.Errorf("level %d, limit %d: %d octets were inflated before it was refused", level, limit, n)
			}
		}
	}
}

// TestHuffmanCodes has sets of code lengths that are a code, and such that are none.
func TestHuffmanCodes(t *testing.T) {
	for _, row := range []struct {
		name    string
		lengths []uint8
		want    bool
	}{
		{"complete", []uint8{1, 2, 3, 3}, true},
		{"none", []uint8{0, 0}, true},
		{"single-of-one-bit", []uint8{0, 1}, true},
		{"single-of-two-bits", []uint8{0, 2}, false},
		{"incomplete", []uint8{1, 2}, false},
		{"too-many", []uint8{1, 1, 1}, false},
		{"too-many-later", []uint8{1, 2, 2, 15}, false},
		{"longest", []uint8{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15}, true},
	} {
		var h huffman
		if got := h.set(row.lengths); got != row.want {
			t.Errorf("%s: set(%v) = %v, want %v", row.name, row.lengths, got, row.want)
		}
	}
}
