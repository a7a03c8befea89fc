package fuzz

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http/httputil"
	"net/textproto"
	"testing"

	"github.com/spliceway/spliceway/httpparse"
)

// decoded is what becomes of a chunked body.
type decoded struct {
	kept  []byte
	taken int
	done  bool
	err   *httpparse.Error
}

// same tells whether both are the same, but for what does depend on how the octets
// arrive: what of a refused body was kept before.
func (d *decoded) same(other *decoded) bool {
	if d.err != nil || other.err != nil {
		return d.err != nil && other.err != nil && *d.err == *other.err
	}
	return bytes.Equal(d.kept, other.kept) && d.taken == other.taken && d.done == other.done
}

func (d *decoded) String() string {
	return fmt.Sprintf("kept %q of %d octets, done=%v, refused: %v", d.kept, d.taken, d.done, d.err)
}

// decodeChunks decodes a body that arrives in pieces.
func decodeChunks(t *testing.T, response bool, trailer int, pieces ...[]byte) *decoded {
	t.Helper()
	d := &httpparse.ChunkDecoder{Response: response, TrailerLimit: trailer}
	out := new(decoded)
	for _, piece := range pieces {
		for first := true; first || len(piece) > 0 && !d.Done(); first = false {
			n, keep, err := d.Decode(piece)
			if err != nil {
				out.err = err.(*httpparse.Error)
				if _, _, again := d.Decode([]byte("0")); again != err || n != 0 || keep || d.Done() {
					t.Fatalf("after the refusal %v: %d %v %v, then %v", err, n, keep, d.Done(), again)
				}
				return out
			}
			if n > len(piece) || n == 0 && len(piece) > 0 && !d.Done() {
				t.Fatalf("Decode takes %d of %d octets", n, len(piece))
			}
			if keep {
				out.kept = append(out.kept, piece[:n]...)
			}
			out.taken += n
			piece = piece[n:]
		}
	}
	out.done = d.Done()
	return out
}

// FuzzChunked decodes chunked bodies.
func FuzzChunked(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, response, small bool, body []byte) {
		trailer := 0
		if small {
			trailer = smallLimits.Trailer
		}
		whole := decodeChunks(t, response, trailer, body)
		for pieces := range splits(body) {
			if again := decodeChunks(t, response, trailer, pieces...); !again.same(whole) {
				t.Fatalf("%q is read as\n%v\nbut in %d pieces, the first of %d octets, as\n%v", body, whole, len(pieces), len(pieces[0]), again)
			}
		}
		if whole.err != nil {
			checkRefusedChunk(t, whole.err, response, trailer, body)
			return
		}
		sameChunks(t, body, whole)
	})
}

// checkRefusedChunk wants a refusal as soon as the octet is there that decides,
// and no sooner.
func checkRefusedChunk(t *testing.T, refusal *httpparse.Error, response bool, trailer int, body []byte) {
	t.Helper()
	if want := map[bool]int{false: 400, true: 502}[response]; refusal.Status != want {
		t.Errorf("%q is refused with %d", body, refusal.Status)
	}
	if before := decodeChunks(t, response, trailer, body[:refusal.Offset]); before.err != nil || before.done {
		t.Errorf("%q is refused at %d, but without that: %v", body, refusal.Offset, before)
	}
	if with := decodeChunks(t, response, trailer, body[:refusal.Offset+1]); with.err == nil || *with.err != *refusal {
		t.Errorf("%q is refused at %d, but up to there: %v", body, refusal.Offset, with)
	}
}

// sameChunks wants that net/http/httputil finds in the body, and in what is kept of
// it, the same octets and the same end.
func sameChunks(t *testing.T, body []byte, got *decoded) {
	t.Helper()
	want, end, err := readChunks(body)
	if !got.done {
		if err == nil {
			t.Fatalf("%q is not complete, but read by httputil as %q", body, want)
		}
		if _, _, err := readChunks(got.kept); err == nil {
			t.Fatalf("%q is kept of %q, and looks complete", got.kept, body)
		}
		return
	}
	if err != nil || end != got.taken {
		t.Fatalf("%q has %d octets, by httputil %d, %v", body, got.taken, end, err)
	}
	kept, end, err := readChunks(got.kept)
	if err != nil || end != len(got.kept) || !bytes.Equal(kept, want) {
		t.Fatalf("%q is read by httputil as %q, but what is kept of it, %q, as %q, %v", body, want, got.kept, kept, err)
	}
	if !bytes.HasSuffix(got.kept, []byte("0\r\n\r\n")) {
		t.Fatalf("%q is kept, with a trailer", got.kept)
	}
	if again := decodeChunks(t, false, 0, got.kept); !again.done || !bytes.Equal(again.kept, got.kept) {
		t.Fatalf("%q is kept, but of that: %v", got.kept, again)
	}
}

// readChunks reads a chunked body with net/http/httputil, which leaves the trailer,
// and that with net/textproto. It returns where the body ends.
func readChunks(stream []byte) (body []byte, end int, err error) {
	source := bytes.NewReader(stream)
	buffer := bufio.NewReaderSize(source, 64<<10)
	if body, err = io.ReadAll(httputil.NewChunkedReader(buffer)); err != nil {
		return nil, 0, err
	}
	if _, err = textproto.NewReader(buffer).ReadMIMEHeader(); err != nil {
		return nil, 0, err
	}
	return body, len(stream) - source.Len() - buffer.Buffered(), nil
}

func chunkedSeeds(tb testing.TB) (seeds []seed) {
	for _, c := range httpCases(tb, "*.json") {
		if _, body, ok := bytes.Cut(c.stream, []byte("\r\n\r\n")); ok && bytes.Contains(bytes.ToLower(c.stream), []byte("chunked")) {
			seeds = append(seeds, seed{false, false, body}, seed{true, true, body})
		}
	}
	for _, body := range []string{"8000000000000000\r\n", "7fffffffffffffff\r\nx", "ffffffffffffffff\r\n", "0000000000000001\r\na\r\n0\r\n\r\n",
		"00000000000000001\r\na\r\n0\r\n\r\n", "3\r\nabc\r\n0\r\nA: b\r\nC:\r\n\r\n", "0\r\nContent_Length: 1\r\n\r\n"} {
		seeds = append(seeds, seed{false, false, []byte(body)})
	}
	return seeds
}
